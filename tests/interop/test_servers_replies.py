"""What real servers answer, and what Kurir makes of it: bounces with an exact report, later tries, conversions."""

import re
from contextlib import ExitStack
from email import message_from_bytes, policy

import pytest

from tests.harness import Sink

from .servers.bodies import CASES
from .servers.dovecot import Dovecot
from .servers.exim import Exim
from .servers.notices import notices
from .servers.office import Office, fates, last, road
from .servers.opensmtpd import OpenSmtpd
from .servers.postfix import Postfix

pytestmark = pytest.mark.interop

SERVERS = ("postfix", "exim", "opensmtpd", "dovecot")


def greylisting(verb, line, attempt):
    """450 until somebody comes back."""
    return (
        b"450 4.2.0 <x>: Recipient address rejected: Greylisted\r\n"
        if verb == "RCPT" and attempt < 3
        else None
    )


SINKS = {
    "sink": {},
    "seven": {"extensions": ("PIPELINING", "SIZE 200000000")},
    "tiny": {"extensions": ("PIPELINING", "SIZE 100")},
    "grey": {"script": greylisting},
}


class Post:
    """The office, and behind it all servers and sinks, each as ``<name>.test``."""

    def __init__(self, stack: ExitStack, folder) -> None:
        self.missing: dict[str, str] = {}
        self.peers = {}
        roads = []
        makers = {
            "postfix": lambda: Postfix(users=("box", "second", "kötak")),
            "exim": lambda: Exim(),
            "exim-ascii": lambda: Exim("exim-ascii.test", smtputf8=False),
            "opensmtpd": lambda: OpenSmtpd(),
            "dovecot": lambda: Dovecot(full=("full",)),
        }
        for name, make in makers.items():
            try:
                peer = make()
            except pytest.skip.Exception as reason:
                self.missing[name] = str(reason)
                continue
            self.peers[name] = peer
            scheme = "lmtp" if name == "dovecot" else "smtp"
            roads.append(road(name, f"{scheme}://127.0.0.1:{peer.port}", [f"{name}.test"]))
        self.sinks = {name: stack.enter_context(Sink(**how)) for name, how in SINKS.items()}
        for name, sink in self.sinks.items():
            roads.append(
                road(
                    name, f"smtp://127.0.0.1:{sink.port}", [f"{name}.test", f"{name}-too.test"], concurrency=1
                )
            )
        self.office = Office(folder / "office", roads)
        if "postfix" in self.peers:
            # Its own reports come back by the office's port 25, as they would in the world.
            self.peers["postfix"].settings["relayhost"] = f"[127.0.0.1]:{self.office.smtp}"
        for peer in self.peers.values():
            stack.enter_context(peer)
        stack.enter_context(self.office)
        self._sent = 0

    def peer(self, name):
        if name in self.missing:
            pytest.skip(self.missing[name])
        return self.peers[name]

    def letter(self, *more: str, body: bytes = b"Hello.\r\n") -> tuple[str, bytes]:
        """Return a new Message-ID and a message that has it."""
        self._sent += 1
        message_id = f"<{self._sent}@replies.test>"
        lines = [
            "From: Tester <tester@example.test>",
            f"Subject: Surat {self._sent}",
            "Date: Mon, 5 Jan 2026 12:00:00 +0000",
            f"Message-ID: {message_id}",
            *more,
        ]
        return message_id, "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body


@pytest.fixture(scope="module")
def post(tmp_path_factory):
    with ExitStack() as stack:
        post = Post(stack, tmp_path_factory.mktemp("replies"))
        yield post
        post.office.wait_empty()
        assert post.office.audit()["balanced"]


UNKNOWN = {
    "postfix": ("550", "5.1.1", r"550 5\.1\.1 <ghost@postfix\.test>: Recipient address rejected: User unknown in virtual mailbox table"),
    "exim": ("550", "5.1.1", r"550 No such person here"),
    "opensmtpd": ("524", "5.2.4", r"524 5\.2\.4 Mailing list expansion problem: <ghost@opensmtpd\.test>"),
    "dovecot": ("550", "5.1.1", r"550 5\.1\.1 <ghost@dovecot\.test> User doesn't exist: ghost@dovecot\.test"),
}  # fmt: skip


@pytest.mark.parametrize("server", SERVERS)
def test_unknown_recipient_bounces_with_an_exact_report(post, server):
    peer = post.peer(server)
    code, status, words = UNKNOWN[server]
    message_id, message = post.letter()
    id = post.office.send(
        [f"ghost@{server}.test ORCPT=rfc822;wanted@{server}.test", f"box@{server}.test"],
        message,
        parameters="RET=HDRS ENVID=abc+2B1",
    )
    story = post.office.ended(id)
    assert fates(story) == {f"ghost@{server}.test": "bounced", f"box@{server}.test": "handed_over"}
    step = last(story)
    assert (step["cause"], step["stage"], step["decided_by"]) == ("unknown_user", "rcpt", "other_server")
    assert str(step["reply"]["code"]) == code
    (notice,) = notices(post.office, message_id)
    assert notice.about["final-recipient"] == f"rfc822;ghost@{server}.test"
    assert notice.about["original-recipient"] == f"rfc822;wanted@{server}.test"
    assert notice.about["action"] == "failed"
    assert notice.about["status"] == status
    assert re.fullmatch(f"smtp;{words}", notice.about["diagnostic-code"])
    assert "127.0.0.1" in notice.about["remote-mta"]
    assert notice.message["original-envelope-id"] == "abc+1"
    assert notice.message["reporting-mta"] == "dns;example.test"
    assert message_id in notice.original and "Hello." not in notice.original
    assert notice.whole["To"] == "tester@example.test"
    assert notice.whole["Auto-Submitted"] == "auto-replied"
    plain = notice.text.replace("\n", " ")
    assert f"ghost@{server}.test" in plain and f"box@{server}.test" not in plain
    assert re.search(words.partition(" ")[2] or words, plain)
    for both in ("could not be delivered", "tidak dapat"):
        assert both in plain.lower()
    assert post.office.wait("the other copy", lambda: peer.mail("box"))


def test_dovecot_answers_for_each_recipient(post):
    post.peer("dovecot")
    message_id, message = post.letter(body=b"x" * 70 + b"\r\n" + b"y" * 70 + b"\r\n")
    id = post.office.send([f"{who}@dovecot.test" for who in ("second", "full", "ghost")], message)
    story = post.office.ended(id)
    assert fates(story) == {
        "second@dovecot.test": "handed_over", "full@dovecot.test": "bounced", "ghost@dovecot.test": "bounced"
    }  # fmt: skip
    causes = {r["address"].partition("@")[0]: r["cause"] for r in story["recipients"]}
    assert causes == {"second": "ok", "full": "mailbox_full", "ghost": "unknown_user"}
    told = {
        n["final-recipient"]: n["status"]
        for notice in notices(post.office, message_id)
        for n in notice.recipients
    }
    assert told == {"rfc822;full@dovecot.test": "5.2.2", "rfc822;ghost@dovecot.test": "5.1.1"}


def test_nobody_is_told_who_did_not_want_it(post):
    post.peer("postfix")
    message_id, message = post.letter()
    id = post.office.send("ghost@postfix.test NOTIFY=NEVER", message)
    story = post.office.ended(id)
    assert story["recipients"][0]["notices"]
    assert not [m for m in post.office.mail("tester") if message_id.encode() in m]


def test_success_is_reported_by_who_knows_it(post):
    """RFC 3461 section 6.2: a server with DSN takes over the duty; for one without we say "relayed"."""
    post.peer("postfix")
    message_id, message = post.letter()
    id = post.office.send(
        ["box@postfix.test NOTIFY=SUCCESS,FAILURE", "box@seven.test NOTIFY=SUCCESS,FAILURE"], message
    )
    assert set(fates(post.office.ended(id)).values()) == {"handed_over"}
    (relayed,) = notices(post.office, message_id)
    assert (relayed.about["final-recipient"], relayed.about["action"]) == ("rfc822;box@seven.test", "relayed")

    def by_postfix():
        found = [
            m
            for m in post.office.mail("tester")
            if b"Mail Delivery System" in m and b"(Postfix)" in m and message_id.encode() in m
        ]
        return found or None

    (delivered,) = post.office.wait("Postfix's own report", by_postfix)
    assert b"Action: delivered" in delivered and b"box@postfix.test" in delivered


def test_several_recipients_at_one_site_are_one_transaction(post):
    sink = post.sinks["sink"]
    del sink.messages[:]
    _, message = post.letter()
    to = [f"r{i}@sink.test" for i in range(20)] + [f"r{i}@sink-too.test" for i in range(5)]
    story = post.office.ended(post.office.send(to, message))
    assert set(fates(story).values()) == {"handed_over"}
    assert [len(m.rcpts) for m in sink.messages] == [25]


def test_connections_are_reused(post):
    sink = post.sinks["sink"]
    before = sink.connections
    del sink.messages[:]
    for _ in range(30):
        post.office.send("one@sink.test", post.letter()[1])
    post.office.wait("30 messages", lambda: len(sink.messages) == 30)
    assert sink.connections - before <= 1


def test_greylisting_is_waited_for(post):
    _, message = post.letter()
    story = post.office.ended(post.office.send("box@grey.test", message))
    steps = [s for s in story["recipients"][0]["history"] if s["result"]]
    assert [s["result"] for s in steps] == ["deferred", "deferred", "handed_over"]
    assert [s["cause"] for s in steps] == ["greylisted", "greylisted", "ok"]
    assert all(s["next_at"] for s in steps[:2])
    assert [m.data for m in post.sinks["grey"].messages][-1].endswith(message)


CONVERTED = {
    "declared": (CASES["eightbit-utf8"].message, "BODY=8BITMIME"),
    "undeclared": (CASES["eightbit-undeclared"].message, ""),
    "latin": (CASES["eightbit-all"].message, "BODY=8BITMIME"),
}


@pytest.mark.parametrize("case", CONVERTED)
def test_eight_bits_are_converted_where_the_server_takes_seven(post, case):
    message, parameters = CONVERTED[case]
    sink = post.sinks["seven"]
    del sink.messages[:]
    story = post.office.ended(post.office.send("box@seven.test", message, parameters=parameters))
    assert fates(story) == {"box@seven.test": "handed_over"}
    (came,) = sink.messages
    assert came.data.isascii() and "BODY" not in came.mail
    assert max(map(len, came.data.split(b"\r\n"))) <= 998
    before, after = (message_from_bytes(m, policy=policy.SMTP) for m in (message, came.data))
    assert after.get_payload(decode=True) == before.get_payload(decode=True)
    assert after["Content-Transfer-Encoding"] in ("quoted-printable", "base64")
    assert after["Subject"] == before["Subject"]


def test_a_message_too_large_is_not_even_begun(post):
    message_id, message = post.letter(body=b"x" * 70 + b"\r\n" + b"y" * 70 + b"\r\n")
    story = post.office.ended(post.office.send("box@tiny.test", message))
    step = last(story)
    assert (step["fate"], step["cause"], step["reply"]) == ("bounced", "too_large", None)
    assert not post.sinks["tiny"].messages
    (notice,) = notices(post.office, message_id)
    assert notice.about["status"] == "5.3.4"


# -- internationalised mail --------------------------------------------------------------------

UTF8_HEADER = ("From: Pengirim Ünïcode <tester@example.test>", "X-Kota: Jöhännesburg")

# server, recipient, sender, header beyond ASCII -> fate
INTERNATIONAL = {
    "postfix, address": ("postfix", "kötak", "tester@example.test", False, "handed_over"),
    "postfix, header": ("postfix", "box", "tester@example.test", True, "handed_over"),
    "postfix, sender": ("postfix", "box", "pengïrim@example.test", True, "handed_over"),
    "exim, header": ("exim", "box", "tester@example.test", True, "handed_over"),
    "exim without, header": ("exim-ascii", "box", "tester@example.test", True, "bounced"),
    "exim without, address": ("exim-ascii", "kötak", "tester@example.test", False, "bounced"),
    "exim without, only asked for": ("exim-ascii", "box", "tester@example.test", False, "handed_over"),
    "opensmtpd, address": ("opensmtpd", "kötak", "tester@example.test", False, "bounced"),
    "opensmtpd, header": ("opensmtpd", "box", "tester@example.test", True, "bounced"),
    "opensmtpd, sender": ("opensmtpd", "box", "pengïrim@example.test", False, "bounced"),
    "dovecot, address": ("dovecot", "kötak", "tester@example.test", False, "bounced"),
}


@pytest.mark.parametrize("case", INTERNATIONAL)
def test_international_mail(post, case):
    server, local, sender, header, fate = INTERNATIONAL[case]
    peer = post.peer(server)
    if "ï" in sender and fate == "bounced":
        post.office.user(sender)
    message_id, message = post.letter(*(UTF8_HEADER if header else ()))
    id = post.office.send(
        f"{local}@{server}.test", message, sender=sender, parameters="SMTPUTF8 BODY=8BITMIME"
    )
    story = post.office.ended(id)
    assert fates(story) == {f"{local}@{server}.test": fate}, last(story)
    if fate == "handed_over":
        found = post.office.wait(
            "the message", lambda: [m for m in peer.mail(local) if message_id.encode() in m]
        )
        assert found[0].endswith(message)
        return
    step = last(story)
    assert (step["cause"], step["reply"]) == ("needs_smtputf8", None)
    box = sender.partition("@")[0]
    told = post.office.wait(
        "the report", lambda: [m for m in post.office.mail_of(box) if message_id.encode() in m]
    )
    assert b"5.6.7" in told[0]
