"""The desk that has our certificate: what is due, failures that wait, proofs that go, a key that changes at the right moment."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from kurir.app.keys.acme import CertificateDesk, DeskSettings, shown
from kurir.app.keys.proofs import HookedProofs
from kurir.identity.acme import AcmeError, AcmeSettings, Ask, CertificateKey, Challenge, Proof
from kurir.net import DnsAnswer, DnsStatus, NetError, WebAnswer
from kurir.net.devca import ensure_ca, ensure_leaf
from kurir.storage import CertificateFolder, Layout, RenewalState
from tests.certs import Made, make
from tests.unit.identity.acme.authority import BASE, Authority, problem

DAY = 86_400.0
HOST = "mail.a.test"
SETTINGS = DeskSettings(
    acme=AcmeSettings(f"{BASE}/dir"), names=(HOST,), perhaps=("mta-sts.a.test",), tlsa=f"_25._tcp.{HOST}"
)


class Clock:
    def __init__(self) -> None:
        import time

        self.at = time.time()

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


class Issuing(Authority):
    """Issues real certificates for what is asked, `days` long."""

    def __init__(self, clock: Clock, ca: Made) -> None:
        super().__init__()
        self.clock, self.ca, self.days, self.down, self.orders = clock, ca, 90, False, 0
        self.polls = 0

    async def fetch(self, request):
        if self.down:
            raise NetError("refused", "nobody listens")
        path = request.url.removeprefix(BASE)
        if path == "/order":
            self.settled = {}
            self.__dict__.pop("csr", None)
        said = self.answer(Ask(request.method, request.url, request.body))
        if path == "/cert" and said.status == 200:
            self.orders += 1
            return WebAnswer(200, self._issue(), said.headers)
        return WebAnswer(said.status, said.body, said.headers)

    def _issue(self) -> bytes:
        import datetime as dt

        csr = x509.load_der_x509_csr(self.csr)
        at = dt.datetime.fromtimestamp(self.clock.now(), dt.UTC)
        san = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        known = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.ca.key.public_key())
        leaf = (
            x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(self.ca.certificate.subject)
            .public_key(csr.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(at).not_valid_after(at + dt.timedelta(days=self.days))
            .add_extension(san, critical=False).add_extension(known, critical=False)
            .sign(self.ca.key, hashes.SHA256())
        )  # fmt: skip
        return leaf.public_bytes(Encoding.PEM) + self.ca.certificate.public_bytes(Encoding.PEM)


class Names:
    """What is in the DNS."""

    def __init__(self) -> None:
        self.tlsa_records: tuple[object, ...] | None = None
        self.hosts: dict[str, str] = {HOST: "192.0.2.1"}
        self.ttl = 300.0

    async def addresses(self, name):
        if name in self.hosts:
            return DnsAnswer(DnsStatus.OK, (self.hosts[name],)), DnsAnswer(DnsStatus.NODATA)
        return (DnsAnswer(DnsStatus.NXDOMAIN),) * 2

    async def tlsa(self, name):
        assert name == f"_25._tcp.{HOST}"
        if self.tlsa_records is None:
            return DnsAnswer(DnsStatus.NXDOMAIN)
        return DnsAnswer(DnsStatus.OK, self.tlsa_records, self.ttl)


class Kept:
    """Proofs, and which of them are to be seen."""

    def __init__(self) -> None:
        self.there: list[Proof] = []
        self.seen = 0

    async def publish(self, proof):
        self.there.append(proof)
        self.seen += 1

    async def withdraw(self, proof):
        self.there.remove(proof)


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, event, **_):
        self.lines.append(event)

    warning = error = info


class Stage:
    def __init__(self, folder: Path) -> None:
        self.clock, self.names, self.proofs, self.log = Clock(), Names(), Kept(), Log()
        ca = ensure_ca(folder / "tls", now=self.clock.now())
        ensure_leaf(ca, folder / "tls", [HOST], now=self.clock.now())
        self.folder = CertificateFolder(Layout(folder))
        self.authority = Issuing(self.clock, make("An Authority", ca=True))
        self.desk = self.fresh_desk()

    def fresh_desk(self, settings: DeskSettings = SETTINGS) -> CertificateDesk:
        async def sleep(_: float) -> None:
            await asyncio.sleep(0)

        return CertificateDesk(
            settings, self.folder, self.authority.fetch, self.proofs, fresh=lambda: self.names,
            clock=self.clock, roll=lambda: 0.5, log=self.log, sleep=sleep,
        )  # fmt: skip


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


async def test_the_first_one_keeps_the_key_and_is_renewed_in_time(stage):
    before = stage.folder.facts()
    assert before.self_made
    assert await stage.desk.renew() == "first"
    first = stage.folder.facts()
    assert not first.self_made and first.association == before.association
    assert stage.proofs.seen == 1 and stage.proofs.there == []
    assert await stage.desk.renew() == ""
    stage.clock.at += 59 * DAY
    assert await stage.desk.renew() == ""
    stage.clock.at += 6 * DAY
    assert await stage.fresh_desk().renew() == "age"
    assert stage.folder.facts().serial != first.serial
    assert len(stage.authority.accounts) == 1  # the account was remembered
    assert shown(stage.folder, stage.clock.now(), managed=True)["days_left"] == 90.0


async def test_names_join_when_they_are_in_the_dns_and_stay(stage):
    await stage.desk.renew()
    assert stage.folder.facts().names == (HOST,)
    stage.names.hosts["mta-sts.a.test"] = "192.0.2.99"  # *.a.test is somebody's web site
    assert await stage.desk.renew() == ""
    stage.names.hosts["mta-sts.a.test"] = "192.0.2.1"
    assert await stage.desk.renew() == "names"
    assert stage.folder.facts().names == (HOST, "mta-sts.a.test")
    stage.names.hosts.clear()  # a resolver that is away for a moment
    assert await stage.desk.renew() == ""


async def test_the_authority_says_when(stage):
    await stage.desk.renew()
    stage.authority.window = {"start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z"}
    assert await stage.fresh_desk().renew() == "age"
    order = [p for path, p in stage.authority.posted if path == "/order"][-1]
    assert "." in order["replaces"]


async def test_failures_wait_are_told_and_are_forgotten(stage):
    stage.authority.refuse["/order"] = [problem(429, "rateLimited", retry_after="7200")]
    with pytest.raises(AcmeError, match="rateLimited"):
        await stage.desk.renew()
    status = shown(stage.folder, stage.clock.now(), managed=True)
    assert status["failures"] == 1 and "rateLimited" in status["why"]
    assert status["retry_at"] == pytest.approx(stage.clock.now() + 7200)
    assert await stage.desk.renew() == "" and stage.authority.orders == 0
    stage.authority.down = True
    for _ in range(3):
        with pytest.raises(AcmeError, match="cannot be asked"):
            await stage.fresh_desk().renew(force=True)
    assert stage.folder.state().retry_at == pytest.approx(stage.clock.now() + 900 * 8)
    stage.authority.down = False
    stage.clock.at += 900 * 8 + 1
    assert await stage.desk.renew() == "first"
    assert stage.folder.state().failures == 0 and stage.folder.state().why is None


async def test_proofs_go_whatever_happens(stage):
    stage.authority.challenge_error = {"type": "urn:ietf:params:acme:error:dns", "detail": "no"}
    with pytest.raises(AcmeError, match="was not proven"):
        await stage.desk.renew()
    assert stage.proofs.seen == 1 and stage.proofs.there == []


async def test_the_key_changes_after_two_lifetimes(stage):
    await stage.desk.renew()
    old = stage.folder.facts().association
    following = stage.desk.prepare_next()
    assert stage.desk.prepare_next().association == following.association
    stage.names.tlsa_records = ((3, 1, 1, old),)
    assert await stage.desk.renew() == ""  # not there yet
    stage.names.tlsa_records = ((3, 1, 1, old), (3, 1, 1, following.association))
    assert await stage.desk.renew() == ""
    stage.clock.at += 599
    assert await stage.fresh_desk().renew() == ""  # a restart does not forget since when
    stage.clock.at += 2
    assert await stage.desk.renew() == "key"
    assert stage.folder.facts().association == following.association
    assert stage.folder.next_key() is None and stage.folder.key().association == following.association


async def test_a_record_that_went_away_is_waited_for_again(stage):
    await stage.desk.renew()
    following = stage.desk.prepare_next()
    both = ((3, 1, 1, stage.folder.facts().association), (3, 1, 1, following.association))
    stage.names.tlsa_records = both
    await stage.desk.renew()
    stage.names.tlsa_records = both[:1]
    await stage.desk.renew()
    stage.names.tlsa_records = both
    stage.clock.at += 10_000
    assert await stage.desk.renew() == ""
    stage.names.tlsa_records = None  # nobody pins anything
    assert await stage.desk.renew() == "key"


def test_a_power_cut_between_key_and_certificate(stage, tmp_path):
    asyncio.run(stage.desk.renew())
    present, following = stage.folder.key(), CertificateKey.generate()
    stage.folder.put_next(following)
    chain = (tmp_path / "tls" / "server.pem").read_bytes()
    (tmp_path / "tls" / "coming.pem").write_bytes(b"")
    stage.folder.mend()
    assert stage.folder.key().association == present.association
    stage.authority.csr = following.request([HOST])
    coming = stage.authority._issue()
    # the cut came after the chain was written
    (tmp_path / "tls" / "coming.pem").write_bytes(coming)
    CertificateFolder(Layout(tmp_path)).mend()
    assert stage.folder.key().association == stage.folder.facts().association == following.association
    # ... and here after the key had been put in place
    (tmp_path / "tls" / "coming.pem").write_bytes(coming)
    (tmp_path / "tls" / "server.pem").write_bytes(chain)
    stage.folder.mend()
    assert stage.folder.facts().association == following.association
    # a chain that belongs to no key of ours is dropped
    (tmp_path / "tls" / "coming.pem").write_bytes(chain)
    stage.folder.mend()
    assert stage.folder.facts().association == following.association
    assert not (tmp_path / "tls" / "coming.pem").exists()


def test_a_damaged_state_is_no_bug(stage, tmp_path):
    assert stage.folder.state() == RenewalState()
    (tmp_path / "tls" / "acme.json").write_text("{")
    with pytest.raises(ValueError, match=r"acme\.json"):
        stage.folder.state()


HOOKS = {
    "fails": ("#!/bin/sh\necho no such zone; exit 3\n", r"failed \(3\): no such zone"),
    "no program": (None, "cannot be run"),
}


@pytest.mark.parametrize("case", HOOKS)
async def test_hooks_that_fail(case, tmp_path):
    text, words = HOOKS[case]
    hook = tmp_path / "hook"
    if text is not None:
        hook.write_text(text)
        hook.chmod(0o755)
    with pytest.raises(AcmeError, match=words):
        await HookedProofs(hook).publish(Proof(Challenge.DNS, HOST, "t", "v"))


async def test_the_hook_that_fails_is_noted(stage, tmp_path):
    dns = replace(SETTINGS, acme=replace(SETTINGS.acme, challenge=Challenge.DNS))
    stage.proofs = HookedProofs(tmp_path / "none")
    with pytest.raises(AcmeError, match="cannot be run"):
        await stage.fresh_desk(dns).renew()
    assert stage.folder.state().failures == 1
