"""DMARC reports: who gets one, when, and who gets none any more."""

import email
from dataclasses import replace

import pytest

from kurir.app.operating.submit import SubmitError
from kurir.app.reports import dmarcreports, yesterday
from kurir.app.reports.dmarcreports import DmarcReports
from kurir.config import Config
from kurir.model import Fate
from kurir.reports import AggregateReport, DmarcSeen, Row, read_report_mail
from kurir.storage import Layout, SqliteReports
from tests.unit.delivery.doubles import FakeClock
from tests.unit.senderauth.zones import TIMEOUT, Zones

DAY = 86_400.0
TODAY = 1_795_392_000.0  # 2026-11-23T00:00:00Z
NOON = TODAY + DAY / 2
POLICY = "v=DMARC1; p=none; rua=mailto:dmarc@{}"


class Log:
    def __init__(self):
        self.warned = []

    def info(self, *_, **__): ...

    def warning(self, event, **values):
        self.warned.append((event, values))


def seen(domain: str, day: str = "2026-11-22", **row: object) -> DmarcSeen:
    one = Row("192.0.2.1", 1, "none", "pass", "pass", domain, domain)
    return DmarcSeen(day, domain, "treewalk", POLICY.format(domain), replace(one, **row))  # type: ignore[arg-type]


class Office:
    """A sender of reports with everything around it made up."""

    def __init__(self, folder, **senderauth):
        self.clock = FakeClock(NOON)
        self.layout = Layout(folder)
        self.zone = {}
        self.sent = []
        self.error = None
        self.fates = {}
        self.unsigned = False
        self.log = Log()
        section = {"dmarc_reports_after": 0, **senderauth}
        self.config = Config.model_validate(
            {
                "server": {"hostname": "mail.our.test", "state": folder},
                "domains": {"our.test": {}},
                "senderauth": section,
            }
        )

    def open(self):
        return SqliteReports(self.layout, self.clock)

    def count(self, *seen):
        store = self.open()
        store.count([(one, 1) for one in seen])
        store.close()

    def asks(self, domain, rua=None):
        self.zone[f"_dmarc.{domain}"] = [("TXT", (rua or POLICY.format(domain)).encode())]

    def send(self, to, message):
        if self.error:
            raise self.error
        self.sent.append((to, message))
        return len(self.sent)

    def fate(self, number):
        return self.fates[number]

    def reports(self):
        return DmarcReports(
            self.config, Zones(self.zone), self.clock, self.log, open_store=self.open, send=self.send, fates=self,
            unsigned=lambda: self.unsigned,
        )  # fmt: skip

    async def round(self):
        await self.reports().round()

    def to(self):
        return [to for to, _ in self.sent]


@pytest.fixture
def office(tmp_path):
    return Office(tmp_path)


async def test_yesterday_is_reported_once(office):
    office.count(seen("a.test"), seen("a.test"), seen("a.test", "2026-11-23"))
    office.asks("a.test")
    await office.round()
    await office.round()
    ((to, message),) = office.sent
    report = read_report_mail(message)
    assert isinstance(report, AggregateReport)
    assert (to, report.policy.domain, report.messages) == ("dmarc@a.test", "a.test", 2)
    assert (report.org_name, report.email) == ("mail.our.test", "postmaster@our.test")
    assert email.message_from_bytes(message)["From"].endswith("<noreply-dmarc@our.test>")


async def test_reports_wait_until_our_own_mail_is_signed(office):
    office.count(seen("a.test"), seen("b.test", "2026-11-20"))
    office.asks("a.test")
    office.asks("b.test")
    office.unsigned = True
    reports, log = office.reports(), office.log
    await reports.round()
    await reports.round()
    assert office.sent == [] and office.open().due("2026-11-23") == [("2026-11-22", "a.test")]
    assert [(e, said["day"]) for e, said in log.warned if e.startswith("dmarc_reports")] == [
        ("dmarc_reports_given_up", "2026-11-20"), ("dmarc_reports_wait", "2026-11-22"),
    ]  # fmt: skip
    office.unsigned = False
    await office.round()
    assert office.to() == ["dmarc@a.test"]


async def test_each_domain_has_its_own_minute_in_the_first_hours(office):
    office.count(seen("a.test"))
    office.asks("a.test")
    office.clock.at = TODAY + 60
    await office.round()
    assert office.sent == []
    office.clock.at = TODAY + dmarcreports.SETTLE.total_seconds() + yesterday.SPREAD
    await office.round()
    assert len(office.sent) == 1


@pytest.mark.parametrize(
    ("proof", "after", "reported"),
    [
        (None, 0, False),
        ("2026-11-22", 0, True),
        ("2026-11-22", 7 * DAY, False),
        ("2026-11-16", 7 * DAY, False),
        ("2026-11-15", 7 * DAY, True),
    ],
)
async def test_only_domains_that_proved_themselves_before(tmp_path, proof, after, reported):
    office = Office(tmp_path, dmarc_reports_after=after)
    office.asks("a.test")
    office.count(seen("a.test", dkim="fail", spf="fail"))
    if proof:
        office.count(seen("a.test", proof))
        store = office.open()
        if proof != "2026-11-22":
            store.dealt(proof, "a.test", "sent")
        store.close()
    await office.round()
    assert bool(office.sent) is reported


async def test_the_record_of_today_decides_who_gets_it(office):
    office.count(seen("a.test"), seen("gone.test"), seen("b.test"), seen("c.test"))
    office.asks("a.test", "v=DMARC1; p=none; rua=mailto:victim@far.test,mailto:x@sub.a.test")
    office.asks("b.test", "v=DMARC1; p=none; rua=mailto:b@agreed.test,mailto:c@b.test")
    office.asks("c.test", "v=DMARC1; p=none")
    office.zone["b.test._report._dmarc.agreed.test"] = [("TXT", b"v=DMARC1")]
    await office.round()
    assert sorted(office.to()) == ["b@agreed.test", "c@b.test", "x@sub.a.test"]
    assert office.open().due("2026-11-23") == []


async def test_a_silent_dns_and_a_full_queue_are_tried_again_for_two_days(office):
    office.count(seen("a.test"))
    office.zone["_dmarc.a.test"] = [(TIMEOUT, None)]
    await office.round()
    assert office.open().due("2026-11-23")
    office.asks("a.test")
    office.error = SubmitError("452", final=False)
    await office.round()
    assert office.open().due("2026-11-23")
    office.error = None
    await office.round()
    assert office.to() == ["dmarc@a.test"]
    office.count(seen("b.test", "2026-11-20"))
    office.zone["_dmarc.b.test"] = [(TIMEOUT, None)]
    await office.round()
    assert office.open().due("2026-11-23") == []


@pytest.mark.parametrize("fate", [Fate.BOUNCED, Fate.EXPIRED])
async def test_who_refuses_a_report_gets_none_for_a_month(office, fate):
    office.asks("a.test")
    office.fates = {1: fate, 2: Fate.HANDED_OVER}
    days = [(0, "2026-11-22", 1), (1, "2026-11-23", 1), (30, "2026-12-22", 1), (32, "2026-12-24", 2)]
    for later, day, sent in days:
        office.clock.at = NOON + later * DAY
        office.count(seen("a.test", day))
        await office.round()
        assert len(office.sent) == sent, day
    await office.round()
    assert office.open().under_way() == []


async def test_there_are_caps(office, monkeypatch):
    monkeypatch.setattr(dmarcreports, "MAX_A_HOST", 2)
    for name in "abcd":
        office.count(seen(f"{name}.test"))
        office.asks(f"{name}.test", f"v=DMARC1; p=none; rua=mailto:{name}@big.test")
        office.zone[f"{name}.test._report._dmarc.big.test"] = [("TXT", b"v=DMARC1")]
    office.fates = dict.fromkeys(range(1, 9))
    await office.round()
    assert len(office.sent) == 2
    monkeypatch.setattr(dmarcreports, "MAX_A_DAY", 3)
    for name in "efgh":
        office.count(seen(f"{name}.test"))
        office.asks(f"{name}.test")
    await office.round()
    assert len(office.sent) == 3


async def test_one_address_that_takes_nothing_now_costs_the_others_nothing(office):
    office.count(seen("a.test"))
    office.asks("a.test", "v=DMARC1; p=none; rua=mailto:1@a.test,mailto:2@a.test")
    good = office.send
    office.fates = {1: None, 2: None}

    def picky(to, message):
        if to == "2@a.test":
            raise SubmitError("452", final=False)
        return good(to, message)

    office.send = picky
    await office.round()
    office.send = good
    await office.round()
    assert office.to() == ["1@a.test", "2@a.test"]
