"""Reports of others at our postmaster's: read on their way, kept once, tied to our messages; all other mail untouched."""

import gzip
from dataclasses import replace

import pytest
from msgspec import structs

from kurir.app.reports.reportsin import MailReader, ReportDesk, proves, watched
from kurir.config import Config
from kurir.delivery.settings import Route, RouteKind
from kurir.model import OutcomeKind, Recipient, parse_address
from kurir.reports import AggregateReport, PublishedPolicy, Reporter, Row, SentReport, mail_aggregate
from kurir.reports.dmarc_aggregate import NAMESPACE
from kurir.senderauth import parse_results
from kurir.storage import Layout, SqliteReports
from tests.unit.delivery.doubles import FakeClock, lease_for

NOW = 1_795_392_000.0
FAR = Reporter("mx.far.test", "postmaster@far.test", "far.test")
REPORT = AggregateReport(
    "far", "d@far.test", "1", int(NOW - 86_400), int(NOW), PublishedPolicy("our.test", "none"),
    (Row("192.0.2.1", 3, "none", "pass", "fail", "our.test"),), namespace=NAMESPACE,
)  # fmt: skip


def mail(report: AggregateReport = REPORT, sender: str = "noreply@far.test") -> bytes:
    to = parse_address("postmaster@our.test")
    return mail_aggregate(report, to, parse_address(sender), FAR, at=NOW).message


class Log:
    def info(self, *_, **__): ...

    warning = info


class Bodies:
    def __init__(self, body):
        self.body = body

    async def whole(self, work):
        return self.body

    async def chunks(self, work):
        yield self.body[:100]
        yield self.body[100:]


class Local:
    routes = (Route(name="local", kind=RouteKind.MAILDIR),)


class Desk:
    def __init__(self, folder, *, deliver=True):
        self.config = Config.model_validate(
            {
                "server": {"hostname": "mail.our.test", "state": folder},
                "domains": {"our.test": {}, "passed.test": {"relay_to": "smtp://192.0.2.9:25"}},
                "reports": {"addresses": ["DMARC@our.test"], "deliver": deliver},
            }
        )
        self.clock = FakeClock(NOW)
        self.taken = []
        self.bodies = Bodies(mail())
        reader = MailReader(self.config, self.clock, Log(), self.open)
        addresses = watched(self.config)
        self.reports = ReportDesk(reader, self.bodies, self.clock, addresses, deliver=deliver)

    async def arrive(self, *leases):
        """Give them as the hand does; return what ended with being read. `taken` goes on."""
        results = []
        for lease in leases:
            results.append(await self.reports.read(lease) if self.reports.wants(lease) else ())
            if not results[-1]:
                self.taken.append(lease)
        return results

    def open(self):
        return SqliteReports(Layout(self.config.server.state), self.clock)

    def lease(
        self, message, to="postmaster@our.test", number=1, found="dmarc=pass header.from=far.test", **changes
    ):
        lease = lease_for(Local, number, [to], body=message)
        field = f"Authentication-Results: mail.our.test; {found}\r\n".encode() if found else b""
        return structs.replace(lease, trace_block=field + lease.trace_block, **changes)

    def kept(self):
        store = self.open()
        try:
            return store.aggregates(0)
        finally:
            store.close()


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


async def test_a_report_is_read_once_and_delivered_each_time(desk):
    lease = desk.lease(mail())
    for _ in range(2):
        assert await desk.arrive(lease) == [()]
    (kept,) = desk.kept()
    assert (kept.report, kept.sender, kept.proven, kept.at) == (REPORT, "far.test", True, NOW)
    assert desk.taken == [lease, lease]


@pytest.mark.parametrize(
    ("to", "read"),
    [
        ("POSTMASTER@our.test", True),
        ("dmarc@our.test", True),
        ("abuse@our.test", True),
        ("ann@our.test", False),
        ("postmaster@passed.test", True),  # relayed: its reports pass by here
        ("ann@passed.test", False),
        ("postmaster@foreign.test", False),
        ("owner@foreign.test", False),
    ],
)
async def test_only_mail_for_the_named_addresses_is_looked_at(desk, to, read):
    await desk.arrive(desk.lease(mail(), to))
    assert bool(desk.kept()) is read
    assert len(desk.taken) == 1


@pytest.mark.parametrize("found", ["ann@our.test", "ann@foreign.test"])
async def test_an_alias_counts_as_the_address_that_was_written(desk, found):
    work = desk.lease(mail()).work[0]
    wanted = Recipient(parse_address(found), wanted=parse_address("postmaster@our.test"))
    await desk.arrive(desk.lease(mail(), work=(structs.replace(work, recipient=wanted),)))
    assert desk.kept()


@pytest.mark.parametrize("where", ["body", "row", "file"])
async def test_wherever_the_body_lies(desk, where):
    changes = {} if where == "body" else {"body": None, "body_file": "f" if where == "file" else None}
    await desk.arrive(desk.lease(mail(), **changes))
    assert desk.kept()


async def test_what_was_read_may_stay_out_of_the_mailbox(tmp_path):
    desk = Desk(tmp_path, deliver=False)
    letter = desk.lease(b"From: a@far.test\r\nSubject: hi\r\n\r\nhello\r\n", number=2)
    broken = desk.lease(mail().replace(b"H4sI", b"AAAA"), number=3)
    nothing, ended, unread = await desk.arrive(letter, desk.lease(mail()), broken)
    assert desk.taken == [letter, broken] and (nothing, unread) == ((), ())
    assert [(i, o.kind, o.detail[:18]) for i, o in ended] == [
        (0, OutcomeKind.DELIVERED, "it is a report: it")
    ]
    assert len(desk.kept()) == 1


async def test_others_get_their_copy_of_what_was_read(tmp_path):
    desk = Desk(tmp_path, deliver=False)
    lease = desk.lease(mail())
    ann = structs.replace(lease.work[0], index=1, recipient=Recipient(parse_address("ann@our.test")))
    (ended,) = await desk.arrive(structs.replace(lease, work=(*lease.work, ann)))
    assert [index for index, _ in ended] == [0]


async def test_reports_about_domains_that_are_not_ours_are_only_mail(desk):
    other = replace(REPORT, policy=PublishedPolicy("foreign.test"))
    below = replace(REPORT, report_id="2", policy=PublishedPolicy("www.our.test"))
    await desk.arrive(desk.lease(mail(other)), desk.lease(mail(below), number=2))
    assert [k.report.policy.domain for k in desk.kept()] == ["www.our.test"]


@pytest.mark.parametrize(
    ("found", "proven"),
    [
        ("dmarc=pass header.from=far.test", True),
        ("dmarc=fail header.from=far.test; spf=pass smtp.mailfrom=a@far.test", False),
        ("dmarc=none; spf=pass smtp.mailfrom=a@far.test", True),
        ("dmarc=none; dkim=pass header.d=mail.far.test", True),
        ("dmarc=none; dkim=pass header.d=evil.test; spf=fail smtp.mailfrom=a@far.test", False),
        ("dmarc=temperror", False),
        ("", True),  # not checked: an account, or a trusted network
    ],
)
async def test_whether_the_reporter_is_genuine(desk, found, proven):
    await desk.arrive(desk.lease(mail(), found=found))
    assert desk.kept()[0].proven is proven


def test_results_of_others_prove_nothing():
    said = parse_results(b"x; dmarc=none; dkim=pass header.d=bigfar.test")
    assert not proves(said.results, "far.test")


async def test_a_report_of_ours_that_comes_back_rests_its_address(desk):
    ours = mail()
    message_id = next(v for v in ours.decode().split("\r\n") if v.startswith("Message-ID: "))[12:]
    store = desk.open()
    store.sent(SentReport("2026-11-22", "a.test", "d@a.test", 5, message_id, NOW))
    head = ours.partition(b"\r\n\r\n")[0]
    bounce = (
        b"From: <>\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nAction: failed\r\n"
        b"--b\r\nContent-Type: text/rfc822-headers\r\n\r\n" + head + b"\r\n\r\n--b--\r\n"
    )
    await desk.arrive(desk.lease(bounce, reverse_path=None))
    assert list(store.resting()) == ["d@a.test"]
    store.close()
    assert len(desk.taken) == 1


async def test_complaints_and_bombs(desk):
    feedback = (
        b"From: fbl@far.test\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n"
        b"--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <1@our.test>\r\n\r\n--b--\r\n"
    )
    bomb = b"Subject: Report domain: our.test\r\nContent-Type: application/gzip\r\n\r\n"
    bomb += gzip.compress(b"<feedback>" + b" " * 50_000_000)
    results = await desk.arrive(desk.lease(feedback, "abuse@our.test"), desk.lease(bomb, number=2))
    assert results == [(), ()]
    store = desk.open()
    (complaint,) = store.complaints()
    store.close()
    assert (complaint.feedback.type, complaint.sender, complaint.number) == ("abuse", "far.test", None)
    assert desk.kept() == []
