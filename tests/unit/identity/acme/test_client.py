"""The conversation with an authority, word for word, with everything that may go wrong in it."""

from datetime import UTC, datetime

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from kurir.identity.acme import (
    AccountKey,
    AcmeClient,
    AcmeError,
    AcmeSettings,
    CertificateKey,
    Challenge,
    ExternalAccount,
    Said,
    UnfitCertificate,
    Window,
    certificate_facts,
    judge_chain,
    next_try,
    renew_at,
)
from kurir.net.devca import ensure_ca, issue

from .authority import BASE, Authority, problem

KEY = AccountKey.generate()
CERT = CertificateKey.generate()
NAMES = ["mail.a.test", "a.test"]


def client(account: str = "", **more) -> AcmeClient:
    usual = {"directory": f"{BASE}/dir", "contact": "post@a.test", "agreed": True}
    return AcmeClient(AcmeSettings(**{**usual, **more}), KEY, account)


def order(authority: Authority, acme: AcmeClient, replaces: str = "") -> bytes:
    return authority.drive(acme.order(NAMES, CERT.request(NAMES), replaces))


def test_the_whole_way():
    authority, acme = Authority(termsOfService="https://ca.test/terms"), client()
    assert order(authority, acme) == b"-----CHAIN-----"
    assert authority.posted[0] == ("/acct", {"termsOfServiceAgreed": True, "contact": ["mailto:post@a.test"]})
    assert acme.account == f"{BASE}/acct/0"
    request = x509.load_der_x509_csr(authority.csr)
    san = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert san.get_values_for_type(x509.DNSName) == NAMES and request.is_signature_valid
    assert [(p.name, p.value) for p in authority.published] == [
        (n, f"tok-{i}.{KEY.thumbprint}") for i, n in enumerate(NAMES)
    ]
    assert authority.rested > 0


def test_a_known_account_and_what_is_proven_already():
    authority = Authority()
    order(authority, client())
    authority.settled = {"/authz/0": 9, "/authz/1": 9}
    authority.published, authority.posted = (), []
    del authority.csr
    order(authority, client(f"{BASE}/acct/0"))
    assert authority.published == () and "/acct" not in dict(authority.posted)


def test_records_instead_of_files():
    authority, acme = Authority(), client(challenge=Challenge.DNS, settle=20.0)
    order(authority, acme)
    assert authority.published[0].record == "_acme-challenge.mail.a.test"
    assert len(authority.published[0].value) == 43 and authority.rested >= 20


def test_the_authority_has_forgotten_us():
    authority, acme = Authority(), client(f"{BASE}/acct/old")
    assert order(authority, acme)
    assert acme.account == f"{BASE}/acct/0"


def test_nonces_that_are_refused():
    authority, acme = Authority(), client()
    authority.refuse["/order"] = [problem(400, "badNonce")] * 3
    assert order(authority, acme)
    authority.refuse["/order"] = [problem(400, "badNonce")] * 9
    with pytest.raises(AcmeError, match="nonces"):
        order(authority, client())


def test_terms_and_known_customers():
    with pytest.raises(AcmeError, match=r"read https://ca.test/terms"):
        order(Authority(termsOfService="https://ca.test/terms"), client(agreed=False))
    authority = Authority(externalAccountRequired=True)
    with pytest.raises(AcmeError, match="eab_key_id"):
        order(authority, client())
    order(authority, client(external=ExternalAccount("me", b"k" * 32)))
    assert set(authority.posted[0][1]["externalAccountBinding"]) == {"protected", "payload", "signature"}


def test_its_words_arrive():
    authority, acme = Authority(), client()
    authority.challenge_error = {"type": "urn:ietf:params:acme:error:dns", "detail": "no A record\nfor you"}
    with pytest.raises(AcmeError, match=r"mail\.a\.test was not proven: no A record for you") as e:
        order(authority, acme)
    assert e.value.kind == "dns"
    authority.refuse["/order"] = [problem(429, "rateLimited", retry_after="7200")]
    with pytest.raises(AcmeError, match="rateLimited") as e:
        order(authority, client())
    assert (e.value.kind, e.value.retry_after) == ("rateLimited", 7200)
    sub = {"identifier": {"value": "a.test"}, "detail": "CAA forbids", "type": "x"}
    authority.refuse["/order"] = [problem(403, "rejectedIdentifier", subproblems=[sub])]
    with pytest.raises(AcmeError, match=r"a\.test: CAA forbids"):
        order(authority, client())


def test_patience_ends():
    authority, acme = Authority(), client(patience=60.0)
    authority.polls = 10_000
    with pytest.raises(AcmeError, match="not decided"):
        order(authority, acme)
    assert 60 <= authority.rested < 120


def test_renewal_information():
    authority = Authority()
    assert authority.drive(client().window("x.y")) is None
    authority.window = {"start": "2026-11-01T00:00:00Z", "end": "2026-11-03T00:00:00Z"}
    found = authority.drive(client().window("x.y"))
    assert found == Window(
        datetime(2026, 11, 1, tzinfo=UTC).timestamp(), datetime(2026, 11, 3, tzinfo=UTC).timestamp()
    )
    order(authority, client(), "x.y")
    assert next(p for path, p in authority.posted if path == "/order")["replaces"] == "x.y"
    authority.refuse["/order"] = [problem(409, "alreadyReplaced")]
    assert order(authority, client(), "x.y")
    authority.window = {"start": "garbage", "end": "2026-11-03T00:00:00Z"}
    assert authority.drive(client().window("x.y")) is None


@given(st.binary(max_size=200), st.integers(100, 599))
def test_any_answer_is_an_error_and_no_bug(body, status):
    class Mad(Authority):
        def answer(self, ask):
            return (
                super().answer(ask)
                if ask.url.endswith("/dir") or ask.method == "HEAD"
                else Said(status, body)
            )

    with pytest.raises(AcmeError):
        order(Mad(), client(f"{BASE}/acct/0"))


# -- times ---------------------------------------------------------------------------------------------


DAY = 86_400.0


@given(st.integers(1, 2**160), st.floats(1, 400))
def test_renewed_after_two_thirds(serial, days):
    at = renew_at(0.0, days * DAY, serial)
    assert 2 / 3 * days * DAY <= at <= 0.72 * days * DAY
    assert at == renew_at(0.0, days * DAY, serial)  # the same after a restart
    assert 5.0 <= renew_at(0.0, days * DAY, serial, Window(5.0, 9.0)) <= 9.0


@given(st.integers(1, 10_000), st.floats(0, 1e6), st.floats(0, 0.999))
def test_failures_wait_longer_and_longer(failures, retry_after, roll):
    at = next_try(failures, 1000.0, retry_after, roll)
    assert at >= 1000.0 + max(675.0, retry_after)
    assert at <= 1000.0 + max(1.25 * DAY, retry_after)
    assert next_try(failures + 3, 1000.0, 0.0, 0.5) >= next_try(failures, 1000.0, 0.0, 0.5)


def test_retry_after_by_date():
    headers = (("date", "Mon, 23 Nov 2026 10:00:00 GMT"), ("retry-after", "Mon, 23 Nov 2026 10:01:00 GMT"))
    assert Said(503, headers=headers).retry_after == 60.0
    assert Said(503, headers=(("retry-after", "soon"),)).retry_after == 0.0


# -- certificates --------------------------------------------------------------------------------------


def test_what_was_sent_is_judged(tmp_path):
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    ca = ensure_ca(tmp_path, now=1e9)
    leaf, key = issue(ca, NAMES, not_before=1e9, days=30)
    ours = CertificateKey.from_pem(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    chain = b"words\n" + leaf.public_bytes(Encoding.PEM) + ca.certificate.read_bytes()
    assert judge_chain(chain, ours, NAMES, 1e9).startswith(b"-----BEGIN")
    facts = certificate_facts(chain, ca.certificate.read_bytes())
    assert (facts.names, facts.self_made, facts.association) == (tuple(NAMES), True, ours.association)
    known, _, serial = facts.renewal_id.partition(".")
    assert known and serial
    for bad, names, now in ((chain, ["other.test"], 1e9), (chain, NAMES, 1e9 + 40 * DAY), (b"x", NAMES, 1e9)):
        with pytest.raises(UnfitCertificate):
            judge_chain(bad, ours, names, now)
    with pytest.raises(UnfitCertificate, match="another key"):
        judge_chain(chain, CERT, NAMES, 1e9)


def test_keys_are_read_back():
    assert AccountKey.from_pem(KEY.pem()).thumbprint == KEY.thumbprint
    assert CertificateKey.from_pem(CERT.pem()).association == CERT.association
    for bad in (b"", b"x", CERT.pem()[:50]):
        with pytest.raises(ValueError, match=r"."):
            AccountKey.from_pem(bad)
        with pytest.raises(ValueError, match=r"."):
            CertificateKey.from_pem(bad)
