"""TLS reports: who gets one, when, and what becomes of those that cannot be sent."""

import email
import gzip
import json

import pytest

from kurir.app.operating.submit import SubmitError
from kurir.app.reports.tlsreports import TlsReports
from kurir.config import Config
from kurir.delivery.tlspolicy import (
    Acceptance,
    KeptPolicy,
    Remembered,
    ResultKey,
    Strength,
    StsFacts,
    StsMode,
)
from kurir.net import WebAnswer
from kurir.net.ports import DnsAnswer, DnsStatus
from kurir.storage import Layout, SqliteTls
from tests.unit.delivery.doubles import FakeClock, FakeResolver, status

DAY = 1_795_392_000.0  # 2026-11-23T00:00:00Z


class Log:
    def info(self, *_, **__): ...

    warning = info


class Txt(FakeResolver):
    def __init__(self, texts):
        super().__init__()
        self.texts = texts

    async def txt(self, name):
        found = self.texts.get(name.removeprefix("_smtp._tls."))
        return (
            found
            if isinstance(found, DnsAnswer)
            else DnsAnswer(DnsStatus.OK, (found,), 60.0)
            if found
            else status("nxdomain")
        )


class Web:
    def __init__(self):
        self.posted = []

    async def fetch(self, request):
        self.posted.append(
            (request.url, gzip.decompress(request.body), dict(request.headers)["Content-Type"])
        )
        return WebAnswer(201, b"")


@pytest.fixture
def store(tmp_path):
    clock = FakeClock(DAY)

    def open_store():
        return SqliteTls(Layout(tmp_path), clock)

    opened = open_store()
    opened.count(
        [(ResultKey("2026-11-22", d, "no-policy-found"), 2) for d in ("a.test", "b.test", "c.test", "d.test")]
    )
    opened.count([(ResultKey("2026-11-22", "a.test", "no-policy-found"), 3)])
    opened.count([(ResultKey("2026-11-23", "a.test", "no-policy-found"), 9)])  # today: not yet
    opened.close()
    return clock, open_store


async def test_reports_go_out_once_to_who_asks(store, tmp_path):
    clock, open_store = store
    config = Config.model_validate(
        {"server": {"hostname": "mail.our.test", "state": tmp_path}, "domains": {"our.test": {}}}
    )
    web, sent, broken = Web(), [], [True]

    def send(to, message):
        if broken[0]:
            raise SubmitError("not now", final=False)
        sent.append((to, message))

    resolver = Txt({
        "a.test": b"v=TLSRPTv1; rua=mailto:tls@a.test", "b.test": b"v=TLSRPTv1; rua=https://r.b.test/x?y",
        "c.test": status("servfail"),
    })  # fmt: skip
    reports = TlsReports(config, resolver, web.fetch, clock, Log(), open_store=open_store, send=send)
    await reports.round()
    assert sent == [] and web.posted == []  # just after midnight it is nobody's turn
    clock.at = DAY + 4 * 3600
    await reports.round()
    assert sent == [] and [url for url, _, _ in web.posted] == ["https://r.b.test/x?y"]
    broken[0] = False
    await reports.round()
    await reports.round()
    ((to, message),) = sent
    assert to == "tls@a.test" and len(web.posted) == 1
    attached = list(email.message_from_bytes(message).walk())[-1].get_payload(decode=True)
    report = json.loads(gzip.decompress(attached))
    assert report["policies"][0]["summary"]["total-successful-session-count"] == 5
    after = open_store()
    assert after.unreported("2026-11-23") == [("2026-11-22", "c.test")]  # its name servers failed: later
    after.close()
    clock.at = DAY + 3 * 86_400
    await reports.round()
    after = open_store()
    assert ("2026-11-22", "c.test") not in after.unreported("2026-11-26")
    after.close()


async def test_a_report_by_mail_waits_until_it_is_signed(store, tmp_path):
    """RFC 8460 section 3; by HTTPS it is not signed anyway."""
    clock, open_store = store
    clock.at = DAY + 4 * 3600
    config = Config.model_validate(
        {"server": {"hostname": "mail.our.test", "state": tmp_path}, "domains": {"our.test": {}}}
    )
    web, sent, unsigned = Web(), [], [True]
    resolver = Txt(
        {"a.test": b"v=TLSRPTv1; rua=mailto:t@a.test", "b.test": b"v=TLSRPTv1; rua=https://r.b.test/"}
    )
    reports = TlsReports(
        config, resolver, web.fetch, clock, Log(), open_store=open_store,
        send=lambda to, _: sent.append(to), unsigned=lambda: unsigned[0],
    )  # fmt: skip
    await reports.round()
    assert sent == [] and len(web.posted) == 1
    unsigned[0] = False
    await reports.round()
    assert sent == ["t@a.test"] and len(web.posted) == 1


def test_what_is_known_survives_and_travels(tmp_path):
    clock = FakeClock(DAY)
    one, other = SqliteTls(Layout(tmp_path), clock), SqliteTls(Layout(tmp_path), clock)
    memory = Remembered("mx.a.test", Strength.NAME, 1.0, 2.0, "validity", 3.0, 4.0)
    policy = KeptPolicy(
        "a.test", StsFacts(StsMode.ENFORCE, ("mx.a.test",), 600, "7", ("version: STSv1",)), DAY, DAY + 600
    )
    one.remember([memory])
    first = other.changes(0)
    assert first.memories == (memory,)
    one.keep(policy)
    one.accept(Acceptance("a.test", DAY + 5, "siti", DAY))
    second = other.changes(first.mark)
    assert (second.memories, second.policies, second.acceptances) == (
        (), (policy,), (Acceptance("a.test", DAY + 5, "siti", DAY),),
    )  # fmt: skip
    assert other.changes(second.mark).policies == ()
    one.close()
    other.close()
    reader = SqliteTls(Layout(tmp_path), clock, writable=False)
    assert reader.changes(0).memories == (memory,)
    reader.close()
