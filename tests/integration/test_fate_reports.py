"""Who is told what: NOTIFY, RET, ENVID and ORCPT, mixed recipients, the null sender, and mail nobody may be told of.

One server for all: accounts submit with a password, 127.0.0.2 is a trusted network, 127.0.0.1 is a stranger.
"""

import smtplib
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.harness import PATIENCE, Kurir, Report, Sink, hand_in, login, reports, text

SETTINGS = """
[queue]
retry = [1, 1, 2]
lifetime = 20
delay_notice = [3]
"""
WORDS = {
    "no": b"550 5.1.1 <no>: user unknown, ask hr@far.test\r\n",
    "later": b"450 4.2.0 try again in a while\r\n",
    "full": b"452 4.2.2 over quota\r\n",
}
SECRET = "the body, which only RET=FULL brings back\n"


def by_name(verb: str, line: str, _: int) -> Any:
    local = line.partition("<")[2].partition("@")[0]
    return WORDS.get(local.split("-")[0]) if verb == "RCPT" else None


def accepts_then_refuses(verb: str, line: str, _: int) -> Any:
    """A server behind us that takes every recipient, and then no message."""
    return b"554 5.7.1 this looks like spam to us\r\n" if verb == "BODY" and "friend" not in line else None


# What takes the whole lifetime is sent at once, at the beginning: NOTIFY, recipient, and what the sender hears.
NOTIFIES = [
    ("NEVER", "no", []),
    ("NEVER", "later", []),
    ("FAILURE", "later", ["failed"]),
    ("DELAY", "later", ["delayed"]),
    ("SUCCESS", "no", []),
    ("SUCCESS,FAILURE,DELAY", "later", ["delayed", "failed"]),
]
MIXED = [f"{name}@far.test" for name in ("anna", "no", "later", "full", "berta")]


def notify_envid(notify: str, name: str) -> str:
    return f"notify-{notify.replace(',', '-')}-{name}"


@dataclass
class World:
    kurir: Kurir
    far: Sink
    plain: Sink
    behind: Sink
    session: smtplib.SMTP
    first: str  # the language that comes first
    early: dict[str, str] = field(default_factory=dict)  # ENVID -> id

    def send(
        self, to: str | list[str], envid: str, *, rcpt: tuple[str, ...] = (), mail: tuple[str, ...] = ()
    ) -> str:
        message = text("alice@example.test", to if isinstance(to, str) else to[0], envid, SECRET)
        return hand_in(
            self.session, "alice@example.test", to, message, mail=(f"ENVID={envid}", *mail), rcpt=rcpt
        )

    def told(self, envid: str) -> list[Report]:
        return [r for r in reports(self.kurir, "alice") if r.envid == envid]

    def wait_told(self, envid: str, count: int) -> list[Report]:
        self.kurir.wait(f"{count} reports on {envid}", lambda: len(self.told(envid)) >= count)
        return self.told(envid)

    def story(self, id: str) -> Any:
        (message,) = self.kurir.ask("trace", id)["messages"]
        return message

    def ended(self, id: str, timeout: float = PATIENCE) -> list[Any]:
        """Wait until nothing of the message waits; return its recipients."""
        self.kurir.wait(
            f"the end of {id}", lambda: all(r["fate"] for r in self.story(id)["recipients"]), timeout
        )
        return list(self.story(id)["recipients"])


@pytest.fixture(scope="module", params=[(0, "en"), (1, "id")], ids=["one-process", "workers"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    workers, language = request.param
    with ExitStack() as stack:
        far = stack.enter_context(Sink(by_name))
        plain = stack.enter_context(Sink(by_name, extensions=("PIPELINING", "SIZE 1000000")))
        behind = stack.enter_context(Sink(accepts_then_refuses))
        toml = SETTINGS + "".join(
            f'[[roads]]\nname = "{name}"\nurl = "smtp://127.0.0.1:{sink.port}?tls=none"\nrecipients = ["{name}.test"]\n'
            for name, sink in (("far", far), ("plain", plain))
        )
        with socket.create_server(("127.0.0.1", 0)) as s:
            dead = s.getsockname()[1]
        toml += f'[[roads]]\nname = "dead"\nurl = "smtp://127.0.0.1:{dead}?tls=none"\nrecipients = ["dead.test"]\n'
        toml += f'[domains."behind.test"]\nrelay_to = "smtp://127.0.0.1:{behind.port}?tls=none"\n'
        kurir = Kurir(
            tmp_path_factory.mktemp("reports") / "kurir",
            workers=workers,
            trust=("127.0.0.2/32",),
            toml=toml,
            env={"KURIR_SERVER__LANGUAGE": language},
        )
        password = stack.enter_context(kurir).user("alice", "correct horse")
        session = stack.enter_context(login(kurir, "alice", password))
        world = World(kurir, far, plain, behind, session, language)
        world.early["mixed"] = world.send(MIXED, "mixed")
        world.early["dead"] = world.send("bob@dead.test", "dead")
        for notify, name, _ in NOTIFIES:
            envid = notify_envid(notify, name)
            world.early[envid] = world.send(f"{name}@far.test", envid, rcpt=(f"NOTIFY={notify}",))
        yield world
        assert kurir.audit()["balanced"]


def test_one_refusal_one_report_with_everything_in_it(world: World) -> None:
    id = world.send("no@far.test", "QQ314", rcpt=("ORCPT=rfc822;list+40far.test",), mail=("RET=FULL",))
    (recipient,) = world.ended(id)
    (report,) = world.wait_told("QQ314", 1)
    assert (recipient["fate"], recipient["cause"]) == ("bounced", "unknown_user")
    assert report.recipients == {
        "no@far.test": {
            "original-recipient": "rfc822; list@far.test",
            "final-recipient": "rfc822; no@far.test",
            "action": "failed",
            "status": "5.1.1",
            "remote-mta": "dns; 127.0.0.1",
            "diagnostic-code": "smtp; 550 5.1.1 <no>: user unknown, ask hr@far.test",
            "last-attempt-date": report.recipients["no@far.test"]["last-attempt-date"],
        }
    }
    assert report.fields["reporting-mta"] == "dns; example.test"
    m = report.message
    assert m["Return-Path"] is None or str(m["Return-Path"]) == "<>"
    assert m["Auto-Submitted"] == "auto-replied"
    assert m["To"] == "alice@example.test"
    assert str(m["In-Reply-To"]) == "<QQ314@client.test>"
    english, indonesian = report.text.index("-- English --"), report.text.index("-- Bahasa Indonesia --")
    assert (english < indonesian) is (world.first == "en")
    assert report.text.count('"550 5.1.1 <no>: user unknown, ask hr@far.test"') == 2
    assert "pesan Anda tidak dapat disampaikan" in report.text
    assert "could not be delivered" in report.text
    assert report.original_type == "message/rfc822"
    assert SECRET.encode().strip() in report.original


@pytest.mark.parametrize(
    ("envid", "ret", "full"),
    [("ret-hdrs", ("RET=HDRS",), False), ("ret-none", (), False), ("ret-full", ("RET=FULL",), True)],
)
def test_ret_decides_what_comes_back(world: World, envid: str, ret: tuple[str, ...], full: bool) -> None:
    world.send("no@far.test", envid, mail=ret)
    (report,) = world.wait_told(envid, 1)
    assert (SECRET.encode().strip() in report.original) is full
    assert report.original_type == ("message/rfc822" if full else "text/rfc822-headers")
    assert f"Subject: {envid}".encode() in report.original


def test_each_recipient_of_a_mixed_message_is_told_of_by_itself(world: World) -> None:
    ended = world.ended(world.early["mixed"])
    fates = {r["address"].partition("@")[0]: (r["fate"], r["cause"]) for r in ended}
    assert fates == {
        "anna": ("handed_over", "ok"),
        "berta": ("handed_over", "ok"),
        "no": ("bounced", "unknown_user"),
        "later": ("expired", fates["later"][1]),
        "full": ("expired", "mailbox_full"),
    }
    found = world.wait_told("mixed", 3)
    told = sorted((a, f["action"], f["diagnostic-code"]) for r in found for a, f in r.recipients.items())
    later, full = "smtp; 450 4.2.0 try again in a while", "smtp; 452 4.2.2 over quota"
    assert told == [
        ("full@far.test", "delayed", full),
        ("full@far.test", "failed", full),
        ("later@far.test", "delayed", later),
        ("later@far.test", "failed", later),
        ("no@far.test", "failed", "smtp; 550 5.1.1 <no>: user unknown, ask hr@far.test"),
    ]
    (message,) = [m for m in world.far.messages if b"Subject: mixed" in m.data]  # once, for both
    assert [line.partition("<")[2].partition("@")[0] for line in message.rcpts] == ["anna", "berta"]


def test_a_server_that_nobody_answers_for(world: World) -> None:
    (recipient,) = world.ended(world.early["dead"])
    assert (recipient["fate"], recipient["history"][0]["cause"]) == ("expired", "unreachable")
    delayed, failed = world.wait_told("dead", 2)
    assert (delayed.actions, failed.actions) == ({"bob@dead.test": "delayed"}, {"bob@dead.test": "failed"})
    assert failed.recipients["bob@dead.test"]["status"] == "4.4.1"
    assert "refused" in failed.recipients["bob@dead.test"]["diagnostic-code"]


@pytest.mark.parametrize(("notify", "name", "actions"), NOTIFIES)
def test_notify_is_obeyed(world: World, notify: str, name: str, actions: list[str]) -> None:
    envid = notify_envid(notify, name)
    (recipient,) = world.ended(world.early[envid])
    assert recipient["fate"] == ("bounced" if name == "no" else "expired")
    found = world.wait_told(envid, len(actions))
    assert [r.actions[f"{name}@far.test"] for r in found] == actions
    if "failed" not in actions:
        waived = [n for n in recipient["notices"] if n["kind"] == "notice_waived"]
        assert "NOTIFY" in waived[-1]["reason"]


def test_success_is_reported_by_the_last_server_that_can(world: World) -> None:
    """RFC 3461 section 5.2: a next hop with DSN takes the duty over; for one without we say "relayed"."""
    rcpt = ("NOTIFY=SUCCESS", "ORCPT=rfc822;anna+2Bx@far.test")
    world.ended(world.send("anna@far.test", "able", rcpt=rcpt, mail=("RET=HDRS",)))
    world.ended(world.send("anna@plain.test", "unable", rcpt=rcpt, mail=("RET=HDRS",)))
    world.ended(world.send("alice@example.test", "here", rcpt=("NOTIFY=SUCCESS",)))
    (relayed,), (delivered,) = world.wait_told("unable", 1), world.wait_told("here", 1)
    assert relayed.actions == {"anna@plain.test": "relayed"}
    assert relayed.recipients["anna@plain.test"]["original-recipient"] == "rfc822; anna+x@far.test"
    assert delivered.actions == {"alice@example.test": "delivered"}
    assert {r["status"] for r in (*relayed.recipients.values(), *delivered.recipients.values())} == {"2.0.0"}
    assert world.told("able") == []
    (able,) = [m for m in world.far.messages if "ENVID=able" in m.mail]
    assert "RET=HDRS" in able.mail
    assert "NOTIFY=SUCCESS" in able.rcpts[0]
    assert "ORCPT=rfc822;anna+2Bx@far.test" in able.rcpts[0]
    (unable,) = [m for m in world.plain.messages if b"Subject: unable" in m.data]
    assert "ENVID" not in unable.mail
    assert "NOTIFY" not in unable.rcpts[0]


def trusted(world: World) -> smtplib.SMTP:
    return smtplib.SMTP(
        "127.0.0.1",
        world.kurir.smtp,
        local_hostname="app.test",
        timeout=PATIENCE,
        source_address=("127.0.0.2", 0),
    )


def test_the_null_sender_is_never_answered(world: World) -> None:
    with trusted(world) as s:
        s.ehlo()
        id = hand_in(s, "", "no@far.test", text("daemon@example.test", "no@far.test", "null"))
    (recipient,) = world.ended(id)
    assert recipient["fate"] == "bounced"
    (waived,) = [n for n in recipient["notices"] if n["kind"] == "notice_waived"]
    assert "null sender" in waived["reason"]
    assert world.kurir.ask("trace", "no@far.test", "--since", "1m")["messages"]


def test_a_report_that_is_refused_ends_there(world: World) -> None:
    """The sender is in a trusted network, his address does not take the report: no report of the report."""
    with trusted(world) as s:
        s.ehlo()
        id = hand_in(
            s, "no-sender@far.test", "no@far.test", text("no-sender@far.test", "no@far.test", "loop")
        )
    world.ended(id)

    def found() -> list[Any]:
        return list(world.kurir.ask("trace", "no-sender@far.test", "--limit", "1000")["messages"])

    world.kurir.wait(
        "both messages to end",
        lambda: len(found()) == 2 and all(r["fate"] for m in found() for r in m["recipients"]),
    )
    (note,) = [m for m in found() if not m["from"]]
    assert note["recipients"][0]["fate"] == "bounced"
    assert note["recipients"][0]["notices"][0]["kind"] == "notice_waived"
    assert len(found()) == 2


def test_a_report_to_a_foreign_sender_leaves_like_any_mail(world: World) -> None:
    with trusted(world) as s:
        s.ehlo()
        hand_in(s, "anna@far.test", "no@far.test", text("anna@far.test", "no@far.test", "away"))

    def arrived() -> list[Any]:
        return [
            m for m in world.far.messages if b"report-type=delivery-status" in m.data and b"away" in m.data
        ]

    world.kurir.wait("the report", arrived)
    (message,) = arrived()
    assert message.mail.startswith("MAIL FROM:<>")
    assert [line.split(" ")[1] for line in message.rcpts] == ["TO:<anna@far.test>"]


def test_mail_of_a_stranger_that_is_refused_later_is_held_and_the_postmaster_told(world: World) -> None:
    with smtplib.SMTP(
        "127.0.0.1", world.kurir.smtp, local_hostname="mx.stranger.test", timeout=PATIENCE
    ) as s:
        s.ehlo()
        message = text("victim@far.test", "bob@behind.test", "forged")
        id = hand_in(s, "victim@far.test", "bob@behind.test", message, rcpt=("NOTIFY=SUCCESS,FAILURE,DELAY",))
    before = len(world.far.messages)

    def held() -> Any:
        return [m for m in world.kurir.ask("queue", "list", "--held")["messages"] if m["id"] == id]

    world.kurir.wait("the hold", held)
    (recipient,) = world.story(id)["recipients"]
    assert (recipient["state"], recipient["fate"]) == ("held", None)
    assert recipient["history"][0]["reply"]["lines"] == ["this looks like spam to us"]
    told = [h for h in recipient["notices"] if h["kind"] == "notice_due"]
    assert "postmaster@example.test" in told[0]["text"]

    found = world.kurir.wait(
        "the postmaster's notice",
        lambda: [r for r in reports(world.kurir, "postmaster") if "forged" in r.text],
    )
    (notice,) = found
    assert notice.actions == {"bob@behind.test": "failed"}
    assert "nobody was told" in notice.text
    assert "554 5.7.1 this looks like spam to us" in notice.text
    assert id in notice.text
    for lang, words in (("en", "this looks like spam to us"), ("id", "ditahan")):
        assert words in world.kurir.cli("trace", id, "--lang", lang).stdout.decode()

    # A person looks at it and lets it go: it is tried again, refused again, and held again.
    world.kurir.cli("queue", "release", id)
    world.kurir.wait("another attempt", lambda: world.story(id)["recipients"][0]["attempts"] == 2)
    world.kurir.wait("the hold", held)
    world.kurir.cli("queue", "drop", id, "--reason", "forged", "--yes")
    (recipient,) = world.ended(id)
    assert recipient["fate"] == "deleted"
    assert "forged" in recipient["history"][-1]["reason"]
    assert len(world.far.messages) == before  # the victim never heard of it


def test_a_recipient_that_the_server_behind_us_does_not_know_is_refused_at_the_door(world: World) -> None:
    world.behind.script = by_name
    try:
        with smtplib.SMTP(
            "127.0.0.1", world.kurir.smtp, local_hostname="mx.stranger.test", timeout=PATIENCE
        ) as s:
            s.ehlo()
            s.mail("x@far.test")
            code, said = s.rcpt("no@behind.test")
            assert (code, said[:5]) == (550, b"5.1.1")
            assert b"user unknown, ask hr@far.test" in said
            code, said = s.rcpt("later@behind.test")
            assert code == 450
            assert s.rcpt("friend@behind.test")[0] == 250
    finally:
        world.behind.script = accepts_then_refuses
