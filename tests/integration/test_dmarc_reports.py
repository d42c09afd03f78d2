"""DMARC reports from end to end: one server counts what mail proves and reports it, the other shows who sends as it.

Strangers come from addresses of their own on loopback: 127.0.0.2 is a server of the author's domain, 127.0.0.3 nobody's.
"""

import asyncio
import smtplib
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from kurir.app.operating.submit import submit
from kurir.app.process.logs import make
from kurir.app.reports.dmarcreports import DmarcReports
from kurir.app.wiring import settings
from kurir.config import load
from kurir.model import Fate, decode_id, parse_address
from kurir.net import CachingResolver
from kurir.reports import AggregateReport, PublishedPolicy, Reporter, Row, mail_aggregate
from kurir.reports.dmarc_aggregate import NAMESPACE
from kurir.senderauth.dkim import txt_strings
from kurir.storage import SqliteReports
from tests.harness import PATIENCE, Kurir, Sink, login, text
from tests.harness.dns import Names

GOOD, STRANGER = "127.0.0.2", "127.0.0.3"
DAY = 86_400.0

ZONE = {
    "author.test": {"TXT": ['"v=spf1 ip4:127.0.0.2 -all"']},
    "_dmarc.author.test": {"TXT": ['"v=DMARC1; p=quarantine; rua=mailto:postmaster@author.test"']},
    "_dmarc.reporter.test": {"TXT": ['"v=DMARC1; p=none"']},
    "2.0.0.127.in-addr.arpa": {"PTR": ["mx.author.test."]},
    "mx.author.test": {"A": [GOOD], "TXT": ['"v=spf1 a -all"']},
}


def publish(names: Names, kurir: Kurir) -> None:
    """Put the keys of a server into the DNS, and wait until it has seen them."""
    for record in kurir.json("dns", kurir.domain)["records"]:
        if "._domainkey." in record["name"]:
            names.zone[record["name"]] = {"TXT": [" ".join(f'"{t}"' for t in txt_strings(record["value"]))]}
    kurir.stop()
    kurir.start()  # it looks when it starts, and each minute
    kurir.wait("keys", lambda: {k["state"] for k in kurir.json("dkim", "list")["keys"]} == {"active"})


class Later:
    """The clock of the day after."""

    def __init__(self) -> None:
        self.at = time.time() - time.time() % DAY + DAY * 1.75

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


class NoFates:
    def fate(self, number: int) -> Fate | None:
        return None


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kurir, Kurir]]:
    """Return the author's server and the one that reports to it."""
    folder = tmp_path_factory.mktemp("dmarc")
    with ExitStack() as stack:
        names = stack.enter_context(Names(ZONE))
        net = f'[net]\nresolvers = ["{names.address}"]\n'
        author = stack.enter_context(Kurir(folder / "a", domain="author.test", toml=net))
        author.user("ann")
        toml = f"{net}\n[senderauth]\nexempt = []\ndmarc_reports_after = 0\n"
        road = f"smtp://127.0.0.1:{author.smtp}?tls=none"
        reporter = Kurir(folder / "r", domain="reporter.test", playground=False, smarthost=road, toml=toml)
        stack.enter_context(reporter)
        reporter.user("bob")
        publish(names, reporter)
        yield author, reporter


def send(kurir: Kurir, source: str, subject: str) -> None:
    with smtplib.SMTP("127.0.0.1", kurir.smtp, "mx.author.test", PATIENCE, (source, 0)) as s:
        s.sendmail(
            "ann@author.test", ["bob@reporter.test"], text("ann@author.test", "bob@reporter.test", subject)
        )


def report(kurir: Kurir, clock: Later) -> None:
    """Do what the server does by itself the day after."""
    config = load(kurir.config)
    layout = settings.layout(config)

    def hand_in(to: str, message: bytes) -> int | None:
        sender = str(settings.postmaster(config))
        done = submit(config.server.state, sender, [to], message, rcpt_options=["NOTIFY=NEVER"])
        return decode_id(done.id)

    async def go() -> None:
        resolver = CachingResolver(settings.resolver(config), clock=clock.monotonic)
        log = make("json", "error", {}, "test")
        await DmarcReports(
            config, resolver, clock, log, open_store=lambda: SqliteReports(layout, clock), send=hand_in,
            fates=NoFates(),
        ).round()  # fmt: skip

    asyncio.run(go())


def reported(author: Kurir) -> Any:
    return author.json("dmarc", "author.test", check=None)["domains"]


def test_one_counts_and_reports_and_the_other_shows_it(pair: tuple[Kurir, Kurir], tmp_path: Path) -> None:
    author, reporter = pair
    for n in range(2):
        send(reporter, GOOD, f"good {n}")
    send(reporter, STRANGER, "forged")
    held = reporter.wait("the mail", lambda: len(reporter.mail("bob")) == 3)
    assert held
    story = reporter.ask("trace", "<good.0@client.test>")["messages"][0]
    assert {c["method"]: c["result"] for c in story["checks"]}["helo"] == "pass"
    reporter.stop()  # it gives its counts away
    reporter.start()
    clock = Later()
    report(reporter, clock)
    report(reporter, clock)  # nobody is told twice
    (found,) = author.wait("the report", lambda: reported(author))
    assert (found["messages"], found["passed"], found["reports"]) == (3, 2, 1)
    assert found["reporters"] == ["reporter.test"]
    sources = {s["ip"]: s for s in found["sources"]}
    assert sources[GOOD]["standing"] == "unsigned" and sources[GOOD]["name"] == "mx.author.test"
    assert sources[GOOD]["listed"] == "ip4:127.0.0.2"
    assert (sources[STRANGER]["standing"], sources[STRANGER]["refused"]) == ("stranger", 1)
    said = author.cli("dmarc", "--lang", "id", check=None).stdout.decode()
    assert "bukan milik kita" in said and "mx.author.test" in said
    # The mail itself is there too, signed in the name of the reporter, and no answer to it is wanted.
    (mail,) = author.wait("the mail", lambda: author.mail("postmaster"))
    assert b"Report Domain: author.test Submitter: reporter.test" in mail
    assert b"d=reporter.test" in mail and b"From: " in mail and b"noreply-dmarc@reporter.test" in mail
    file = tmp_path / "report.eml"
    file.write_bytes(mail)
    assert author.json("dmarc", "read", str(file), check=None)["messages"] == 3
    assert len(reporter.json("trace", "postmaster@author.test")["messages"]) == 1


def test_a_complaint_is_tied_to_the_message_and_its_account(pair: tuple[Kurir, Kurir]) -> None:
    author, _ = pair
    with login(author, "ann", author.json("user", "password", "ann@author.test")["password"]) as s:
        s.sendmail("ann@author.test", ["x@far.test"], text("ann@author.test", "x@far.test", "complained of"))
    author.wait("the mail", lambda: author.json("trace", "<complained.of@client.test>")["messages"])
    complaint = (
        b"From: <fbl@far.test>\r\nTo: <abuse@author.test>\r\nSubject: complaint\r\n"
        b"Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain\r\n\r\nspam\r\n"
        b"--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\n\r\n"
        b"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <complained.of@client.test>\r\n\r\n--b--\r\n"
    )
    with smtplib.SMTP("127.0.0.1", author.smtp, "mx.far.test", PATIENCE) as s:
        s.sendmail("fbl@far.test", ["abuse@author.test"], complaint)
    found = author.wait("the complaint", lambda: author.json("dmarc", "complaints")["complaints"])
    assert (found[0]["type"], found[0]["account"], found[0]["sender"]) == (
        "abuse",
        "ann@author.test",
        "far.test",
    )
    story = author.json("trace", found[0]["id"])["messages"][0]
    assert [c["type"] for c in story["complaints"]] == ["abuse"]
    said = author.cli("trace", found[0]["id"]).stdout.decode()
    assert "far.test reports that a reader called this message spam" in said
    assert "ann@author.test: 1" in author.cli("dmarc", "complaints").stdout.decode()


@pytest.mark.parametrize(
    "way", ['relay_to = "smtp://127.0.0.1:{}?tls=none"', 'deliver_to = "lmtp://127.0.0.1:{}?tls=none"']
)
def test_reports_are_read_on_their_way_to_a_mailbox_elsewhere(tmp_path: Path, way: str) -> None:
    counted = AggregateReport(
        "far", "d@far.test", "1", int(time.time() - DAY), int(time.time()), PublishedPolicy("behind.test"),
        (Row("192.0.2.1", 3, "none", "pass", "fail", "behind.test"),), namespace=NAMESPACE,
    )  # fmt: skip
    far, to = Reporter("mx.far.test", "postmaster@far.test", "far.test"), "postmaster@behind.test"
    mail = mail_aggregate(
        counted, parse_address(to), parse_address("d@far.test"), far, at=time.time()
    ).message
    with Sink(lmtp="lmtp" in way) as behind:
        toml = f'[domains."behind.test"]\n{way.format(behind.port)}\n'
        with Kurir(tmp_path / "k", toml=toml) as kurir:
            with smtplib.SMTP("127.0.0.1", kurir.smtp, "mx.far.test", 30) as s:
                s.sendmail("d@far.test", [to], mail)
            (found,) = kurir.wait(
                "the report", lambda: kurir.json("dmarc", "behind.test", check=None)["domains"]
            )
            assert (found["messages"], found["reporters"]) == (3, ["far"])
            kurir.wait("the mail", lambda: behind.messages)
