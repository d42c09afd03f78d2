"""What a session says to what, however the network cuts it."""

import tracemalloc

import pytest

from kurir.model import Reply
from kurir.smtp import Server, ServerSettings
from kurir.smtp import events as e

from .driver import GO, MAIL_OK, Yes, cuts

H = b"EHLO me\r\n"
M = b"MAIL FROM:<a@b.example>\r\n"
R = b"RCPT TO:<c@d.example>\r\n"
LMTP = ServerSettings("mx.test", lmtp=True)
SUBMISSION = ServerSettings(
    "mx.test", offer_starttls=True, auth_mechanisms=("PLAIN", "LOGIN"), auth_required=True
)
FULL = ServerSettings(
    "mx.test", binarymime=True, offer_requiretls=True, auth_mechanisms=("PLAIN", "LOGIN"), offer_xclient=True
)
SMALL = ServerSettings("mx.test", max_size=100)

# (what is sent after EHLO, replies, enhanced code of the last one, whether the session is closed)
SESSIONS = [
    (b"NOOP\r\nNOOP with words\r\nRSET\r\n", [250] * 3, b"2.0.0", False),
    (b"noop\r\nquit\r\n", [250, 221], b"2.0.0", True),
    (b"HELP\r\n", [214], b"2.0.0", False),
    (b"VRFY postmaster\r\nVRFY\r\n", [252, 501], b"5.5.4", False),
    (b"EXPN list\r\nTURN\r\nETRN x\r\n", [502] * 3, b"5.5.1", False),
    (b"WHAT\r\n\r\n", [500] * 2, b"5.5.1", False),
    (b"LHLO x\r\n", [500], b"5.5.1", False),
    (R, [503], b"5.5.1", False),
    (b"BDAT 0 LAST\r\nBDAT 4\r\nQUIT" + M, [503, 503, 250], b"2.1.0", False),
    (M + M, [250, 503], b"5.5.1", False),
    (M + b"RSET\r\n" + M, [250] * 3, b"2.1.0", False),
    (M + R + R + b"NOOP\r\n", [250] * 4, b"2.0.0", False),
    (b"MAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nRCPT TO:<PostMaster>\r\n", [250] * 3, b"2.1.5", False),
    (b"mail from: <a@b.example>\r\nrcpt to: <c@d.example>\r\n", [250] * 2, b"2.1.5", False),
    (b"MAIL FROM:a@b.example\r\n", [501], b"5.5.4", False),
    (b"MAIL\r\nMAIL FROM\r\nMAIL TO:<a@b>\r\n", [501] * 3, b"5.5.4", False),
    ("MAIL FROM:<> SMTPUTF8\r\nRCPT TO:<a@b\uff0eexample>\r\n".encode(), [250, 501], b"5.1.3", False),
    ("MAIL FROM:<> SMTPUTF8\r\nRCPT TO:<a@b\u3002example>\r\n".encode(), [250, 501], b"5.1.3", False),
    (b"MAIL FROM:<a@b.example>SIZE=1\r\n", [501], b"5.5.4", False),
    (b"MAIL FROM:<a@b@c.example>\r\n", [501], b"5.1.7", False),
    (M + b"RCPT TO:<>\r\n", [250, 501], b"5.5.4", False),
    (M + b"RCPT TO:<a@b@c>\r\n", [250, 501], b"5.1.3", False),
    (M + b"RCPT TO:<a>\r\n", [250, 501], b"5.1.3", False),
    (M + b"RCPT TO:<" + b"a" * 65 + b"@b.example>\r\n", [250, 501], b"5.1.3", False),
    (M + b'RCPT TO:<"a>b c\\"d"@b.example>\r\n', [250, 250], b"2.1.5", False),
    (M + b"RCPT TO:<@relay.example:a@b.example>\r\n", [250, 250], b"2.1.5", False),
    (b"MAIL FROM:<a@b.example> FOO=1\r\n", [555], b"5.5.4", False),
    (b"MAIL FROM:<a@b.example> SIZE=1 SIZE=1\r\n", [501], b"5.5.4", False),
    (b"MAIL FROM:<a@b.example> SIZE=-1\r\n", [501], b"5.5.4", False),
    (b"MAIL FROM:<a@b.example> SIZE=18446744073709551616\r\n", [552], b"5.3.4", False),
    (b"MAIL FROM:<a@b.example> SIZE=999999999999999999999\r\n", [501], b"5.5.4", False),
    (b"MAIL FROM:<a@b.example> BODY=9BIT\r\n", [501], b"5.5.4", False),
    (b"MAIL FROM:<a@b.example> BODY=BINARYMIME\r\n", [555], b"5.5.4", False),
    (b"MAIL FROM:<a@b.example> REQUIRETLS\r\n", [555], b"5.5.4", False),
    (b"MAIL FROM:<a@b.example> AUTH=<>\r\n", [555], b"5.5.4", False),
    (
        b"MAIL FROM:<a@b.example> RET=HDRS ENVID=QQ+2B1 BODY=8BITMIME SMTPUTF8 SIZE=9\r\n",
        [250],
        b"2.1.0",
        False,
    ),
    (b"MAIL FROM:<a@b.example> ENVID=a+0Ab\r\n", [501], b"5.5.4", False),
    (b"MAIL FROM:<a@b.example> ENVID=a+ZZ\r\n", [501], b"5.5.4", False),
    (b"MAIL FROM:<a@b.example> MT-PRIORITY=3\r\n", [555], b"5.5.4", False),
    (M + b"RCPT TO:<a@b.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@c\r\n", [250] * 2, b"2.1.5", False),
    (M + b"RCPT TO:<a@b.example> NOTIFY=NEVER,DELAY\r\n", [250, 501], b"5.5.4", False),
    (M + b"RCPT TO:<a@b.example> NOTIFY\r\n", [250, 501], b"5.5.4", False),
    (M + b"RCPT TO:<a@b.example> ORCPT=a@b.example\r\n", [250, 501], b"5.5.4", False),
    ("MAIL FROM:<ü@b.example>\r\n".encode(), [553], b"5.6.7", False),
    ("MAIL FROM:<a@bücher.example>\r\n".encode(), [553], b"5.6.7", False),
    ("MAIL FROM:<ü@bücher.example> SMTPUTF8\r\n".encode(), [250], b"2.1.0", False),
    (b"MAIL FROM:<\xff@b.example> SMTPUTF8\r\n", [501], b"5.5.2", False),
    ("MAIL FROM:<a＠b.example> SMTPUTF8\r\n".encode(), [501], b"5.1.7", False),
    (M + R + b"BDAT 3\r\nabcBDAT 0 LAST\r\n" + M, [250] * 5, b"2.1.0", False),
    (M + R + b"BDAT 3\r\nabcDATA\r\n", [250] * 3 + [503], b"5.5.1", False),
    (
        M + R + b"BDAT 3\r\nabc" + R + b"RSET\r\nBDAT 1 LAST\r\na",
        [250] * 3 + [503, 250, 503],
        b"5.5.1",
        False,
    ),
    (
        M + R + b"BDAT 2\r\na\nBDAT 1 LAST\r\na" + M + b"RSET\r\n" + M,
        [250, 250, 550, 503, 503, 250, 250],
        b"2.1.0",
        False,
    ),
    (M + R + b"BDAT x\r\n", [250, 250, 501], b"5.5.4", True),
    (M + R + b"BDAT\r\n", [250, 250, 501], b"5.5.4", True),
    (M + R + b"BDAT -1\r\n", [250, 250, 501], b"5.5.4", True),
    (M + R + b"BDAT 0x10\r\n", [250, 250, 501], b"5.5.4", True),
    (M + R + b"BDAT 1e9\r\n", [250, 250, 501], b"5.5.4", True),
    (M + R + b"BDAT 9223372036854775808\r\n", [250, 250, 501], b"5.5.4", True),
    (M + R + b"BDAT 10000000000\r\n", [250, 250, 552], b"5.3.4", True),
    (M + R + b"BDAT 9 LAST\r\n\r\n.\r\nQUITNOOP\r\n", [250] * 4, b"2.0.0", False),
    (M + b"RCPT TO:<no@b.example>\r\nDATA\r\n", [250, 550, 554], b"5.5.1", False),
    (M + b"DATA\r\n", [250, 503], b"5.5.1", False),
    (b"DATA\r\n", [503], b"5.5.1", False),
    (M + R + b"DATA now\r\n", [250, 250, 501], b"5.5.4", False),
    (b"AUTH PLAIN\r\n", [502], b"5.5.1", False),
    (b"STARTTLS\r\n", [502], b"5.5.1", False),
    (b"XCLIENT ADDR=192.0.2.1\r\n", [550], b"5.7.0", False),
    (b"EHLO\r\n", [501], b"5.5.4", False),
    (b"EHLO " + b"x" * 1000 + b"\r\n", [501], b"5.5.4", False),
    (b"HELO \x1b[31m\r\n", [501], b"5.5.4", False),
    (b"NOOP " + b"x" * 600 + b"\r\nNOOP\r\n", [500, 250], b"2.0.0", False),
    (b"GET / HTTP/1.1\r\nHost: x\r\n", [521], b"5.5.1", True),
    (b"POST / HTTP/1.1\r\n", [521], b"5.5.1", True),
    (b"SSH-2.0-OpenSSH_9.6\r\n", [521], b"5.5.1", True),
    (b"\x16\x03\x01\x02\x00\x01", [521], b"5.5.1", True),
    (b"NOOP\nMAIL FROM:<a@b>\r\n", [500], b"5.5.2", True),
    (b"NOOP\rNOOP\r\n", [500], b"5.5.2", True),
    (b"NO\0OP\r\nNOOP\r\n", [500], b"5.5.2", True),
    (b"\nNOOP\r\n", [500], b"5.5.2", True),
    (b"\r\nNOOP\r\n", [500, 250], b"2.0.0", False),
]


@pytest.mark.parametrize(("sent", "codes", "enhanced", "closed"), SESSIONS)
def test_session(sent, codes, enhanced, closed):
    seen = set()
    for pieces in cuts(sent):
        yes = Yes().feed(H)
        yes.output = b""
        yes.feed(*pieces)
        assert yes.codes == codes, pieces
        assert yes.output.split(b"\r\n")[-2][4:9] == enhanced
        assert yes.closed is closed
        seen.add(yes.output)
    assert len(seen) == 1


BEFORE_HELLO = [M, R, b"DATA\r\n", b"AUTH PLAIN\r\n", b"BDAT 3\r\nabc"]


@pytest.mark.parametrize("sent", BEFORE_HELLO)
def test_hello_comes_first(sent):
    assert Yes().feed(sent).codes == [503]


def test_tls_may_begin_before_hello():
    yes = Yes(ServerSettings("mx.test", offer_starttls=True)).feed(b"STARTTLS\r\n")
    assert yes.codes == [220]
    yes.server.tls_started()
    assert yes.feed(M).codes == [220, 503]  # EHLO has still to be said


@pytest.mark.parametrize(
    ("sent", "codes"), [(b"EHLO x\r\n", [500]), (b"HELO x\r\n", [500]), (b"LHLO x\r\n", [250])]
)
def test_lmtp_wants_lhlo(sent, codes):
    assert Yes(LMTP).feed(sent).codes == codes


def test_lmtp_answers_each_accepted_recipient():
    yes = Yes(LMTP).feed(
        b"LHLO me\r\n", M + R + b"RCPT TO:<no@b.example>\r\n" + R + b"DATA\r\n", b"x\r\n.\r\n"
    )
    assert yes.codes == [250, 250, 250, 550, 250, 354, 250, 250]
    yes = Yes(LMTP).feed(b"LHLO me\r\n", M + b"RCPT TO:<no@b.example>\r\nDATA\r\n")
    assert yes.codes[-1] == 503  # RFC 2033 section 4.2


def test_extensions_depend_on_tls_and_settings():
    def keywords(settings, tls=False):
        return {
            line[4:].split()[0].decode() for line in Yes(settings, tls).feed(H).output.split(b"\r\n")[1:-1]
        }

    base = {
        "PIPELINING",
        "SIZE",
        "8BITMIME",
        "SMTPUTF8",
        "CHUNKING",
        "DSN",
        "ENHANCEDSTATUSCODES",
        "LIMITS",
        "HELP",
    }
    assert keywords(ServerSettings("mx.test")) == base
    assert keywords(ServerSettings("mx.test", offer_starttls=True)) == base | {"STARTTLS"}
    assert keywords(ServerSettings("mx.test", offer_starttls=True), tls=True) == base
    assert keywords(FULL) == base | {"BINARYMIME", "XCLIENT"}
    assert keywords(ServerSettings("mx.test", offer_mt_priority=True)) == base | {"MT-PRIORITY"}
    assert keywords(FULL, tls=True) == base | {"BINARYMIME", "XCLIENT", "AUTH", "REQUIRETLS"}
    limits = Yes(ServerSettings("mx.test", max_transactions=7)).feed(H).output
    assert b"250-LIMITS RCPTMAX=1000 MAILMAX=7\r\n" in limits


@pytest.mark.parametrize(
    ("value", "code"),
    [("0", 250), ("9", 250), ("-9", 250), ("10", 501), ("-0", 501), ("+1", 501), ("", 501), ("1.5", 501)],
)
def test_mt_priority(value: str, code: int) -> None:
    offering = ServerSettings("mx.test", offer_mt_priority=True)
    session = Yes(offering).feed(H, f"MAIL FROM:<a@b.example> MT-PRIORITY={value}\r\n".encode())
    assert int(session.output.splitlines()[-1][:3]) == code


@pytest.mark.parametrize(
    "sent",
    [
        b"EHLO x\r\nNOOP\r\n",
        M + R + b"DATA\r\nSubject: x\r\n",
        M + b"DATA\r\nMAIL FROM:<evil@e.example>\r\n",
        b"STARTTLS\r\nMAIL FROM:<evil@e.example>\r\n",
    ],
)
def test_talk_behind_a_command_that_must_be_last(sent):
    yes = Yes(ServerSettings("mx.test", offer_starttls=True)).feed(H)
    yes.output = b""
    yes.feed(sent)
    assert yes.codes[-1] == 503
    assert yes.closed
    assert not yes.messages
    assert e.Closing(yes.events[-1].reply, polite=False) == yes.events[-1]


def test_talk_between_a_command_and_its_answer():
    yes = Yes().feed(H, M + R)
    yes.answer = lambda event: None
    yes.feed(b"DATA\r\n", b"Subject: early\r\n")
    yes.server.reply(GO)
    yes.pump()
    assert yes.codes[-1] == 503
    assert yes.closed


def test_pregreet():
    server = Server(ServerSettings("mx.test"))
    server.receive(b"EHLO x\r\n")
    assert server.next_event() is None
    server.greet()
    assert server.take_output().startswith(b"554 5.5.1 ")
    assert isinstance(server.next_event(), e.Rejected)
    assert isinstance(server.next_event(), e.Closing)
    assert server.next_event() is None


def test_after_tls_everything_is_forgotten():
    settings = ServerSettings("mx.test", offer_starttls=True, auth_mechanisms=("PLAIN",))
    yes = Yes(settings).feed(H, b"AUTH PLAIN AGEAYg==\r\n", b"STARTTLS\r\n")
    assert yes.codes == [250, 530, 220]
    yes.output = b""
    yes.server.tls_started()
    yes.feed(M, b"EHLO me\r\n", b"STARTTLS\r\n", b"AUTH PLAIN AGEAYg==\r\n", b"STARTTLS now\r\n")
    assert yes.codes == [503, 250, 503, 535, 501]


def test_bytes_in_the_clear_behind_starttls_close_the_session():
    yes = Yes(ServerSettings("mx.test", offer_starttls=True)).feed(
        H, b"STARTTLS\r\n", b"MAIL FROM:<e@e.example>\r\n"
    )
    yes.server.tls_started()
    yes.pump()
    assert yes.codes == [250, 220]
    assert yes.closed


AUTH = ServerSettings("mx.test", auth_mechanisms=("PLAIN", "LOGIN"), auth_required=True)


@pytest.mark.parametrize(
    ("sent", "codes"),
    [
        ([M], [530]),
        ([b"AUTH\r\n"], [501]),
        ([b"AUTH PLAIN a b\r\n"], [501]),
        ([b"AUTH FOO\r\n"], [504]),
        ([b"AUTH PLAIN !!!\r\n"], [501]),
        ([b"AUTH PLAIN AGEAYg\r\n"], [501]),
        ([b"AUTH PLAIN =\r\n"], [334]),
        ([b"auth plain\r\n", b"*\r\n", M], [334, 501, 530]),
        ([b"AUTH LOGIN\r\n", b"YQ==\r\n"], [334, 535]),
        ([b"AUTH LOGIN\r\n", b"\r\n"], [334, 535]),
        ([b"AUTH LOGIN\r\n", b"=\r\n"], [334, 501]),
        ([b"AUTH LOGIN\r\n", b"a" * 13000 + b"\r\n", b"NOOP\r\n"], [334, 500, 250]),
        ([b"AUTH LOGIN\r\n", b"YQ==\r\nNOOP\r\n"], [334, 535, 250]),
    ],
)
def test_auth(sent, codes):
    yes = Yes(AUTH, tls=True, challenges=[b"User:"]).feed(H)
    yes.output = b""
    assert yes.feed(*sent).codes == codes


def test_auth_events_and_success():
    yes = Yes(AUTH, tls=True).feed(H)
    inner = yes.answer
    yes.answer = lambda ev: (
        yes.server.auth_succeeded(Reply.of(235, "2.7.0", "Hello"))
        if isinstance(ev, e.AuthStarted)
        else inner(ev)
    )
    yes.feed(b"AUTH PLAIN AGEAYg==\r\n")
    assert e.AuthStarted("PLAIN", b"\0a\0b") in yes.events
    yes.feed(b"AUTH PLAIN AGEAYg==\r\n", M, b"AUTH PLAIN AGEAYg==\r\n")
    assert yes.codes[1:] == [235, 503, 250, 503]


def test_the_sixth_failed_login_closes():
    yes = Yes(AUTH, tls=True).feed(H, *[b"AUTH PLAIN AGEAYg==\r\n"] * 6)
    assert yes.codes == [250] + [535] * 5 + [421]
    assert yes.closed


def test_errors_and_idle_commands_run_out():
    yes = Yes().feed(H, M, b"RCPT TO:<no@b.example>\r\n" * 30)
    assert yes.codes == [250, 250] + [550] * 20 + [421]
    yes = Yes().feed(H, b"NOOP\r\n" * 1000)
    assert yes.codes == [250] * 100 + [421]
    yes = Yes().feed(H, (b"NOOP " + b"x" * 3000 + b"\r\n") * 9)
    assert yes.codes == [250] + [500] * 3
    assert yes.closed


def test_recipients_beyond_the_limit_leave_the_others_valid():
    yes = Yes(ServerSettings("mx.test", max_recipients=100)).feed(H, M + R * 140, b"DATA\r\n", b"x\r\n.\r\n")
    assert yes.codes == [250, 250] + [250] * 100 + [452] * 40 + [354, 250]
    assert len(yes.messages[0][1]) == 100


def test_enough_messages_for_one_connection():
    message = [M + R + b"DATA\r\n", b"x\r\n.\r\n"]
    yes = Yes(ServerSettings("mx.test", max_transactions=2)).feed(H, *message, *message, M)
    assert yes.codes[-1] == 421
    assert len(yes.messages) == 2


@pytest.mark.parametrize(
    ("size", "code", "closed"), [(98, 250, False), (99, 552, False), (190, 552, False), (260, 552, True)]
)
def test_size_of_a_body(size, code, closed):
    for pieces in ([b"x" * size + b"\r\n.\r\n"], [b"x" * size, b"\r\n.\r\n"]):
        yes = Yes(SMALL).feed(H, M + R + b"DATA\r\n", *pieces)
        assert yes.codes[-1] == code
    assert yes.closed is closed  # the last one shows its size before its end
    yes = Yes(SMALL).feed(H, M + R + b"BDAT %d LAST\r\n" % (size + 2) + b"x" * size + b"\r\n")
    assert yes.codes[-1] == code
    assert yes.closed is closed


def test_a_driver_may_refuse_chunks_and_they_are_swallowed():
    yes = Yes().feed(H)
    inner = yes.answer
    full = Reply.of(452, "4.3.1", "Full")
    yes.answer = lambda ev: yes.server.reply(full) if isinstance(ev, e.BodyStarted) else inner(ev)
    yes.feed(M + R + b"BDAT 6\r\nNOOP\r\nBDAT 6 LAST\r\nNOOP\r\nRSET\r\n")
    assert yes.codes == [250, 250, 250, 452, 503, 250]
    assert yes.events.count(e.TransactionReset()) == 1


def test_reset_events():
    for end in (b"RSET\r\n", b"EHLO again\r\n", b"QUIT\r\n", b""):
        yes = Yes().feed(H, M + R, end)
        assert yes.events.count(e.TransactionReset()) == 1, end
    for half in ([b"DATA\r\n", b"half"], [b"BDAT 10 LAST\r\nhalf"]):
        yes = Yes().feed(H, M + R + half[0], *half[1:], b"")
        assert e.TransactionReset() in yes.events
        assert isinstance(yes.events[-1], e.Closing)
        assert not yes.messages


def test_driver_made_end_and_421_from_the_driver():
    bye = Reply.of(421, "4.3.2", "Draining")
    yes = Yes().feed(H, M)
    yes.server.close(bye)
    yes.pump()
    assert yes.output.endswith(b"421 4.3.2 Draining\r\n")
    assert yes.events[-2:] == [e.TransactionReset(), e.Closing(bye, polite=False)]
    yes = Yes().feed(H)
    yes.answer = lambda ev: yes.server.reply(bye) if isinstance(ev, e.MailFrom) else None
    yes.feed(M + R)
    assert yes.codes == [250, 421]
    assert yes.closed


def test_an_answer_after_the_end_is_void():
    bye = Reply.of(421, "4.4.2", "Too slow")
    for ask, answer in [(M, "reply"), (b"EHLO x\r\n", "accept_hello")]:
        yes = Yes().feed(H)
        yes.answer = lambda event: None
        yes.feed(ask)
        yes.server.close(bye)
        getattr(yes.server, answer)(*([MAIL_OK] if answer == "reply" else []))
        yes.pump()
        assert yes.output.endswith(b"421 4.4.2 Too slow\r\n")
        assert yes.closed


def test_xclient_begins_anew():
    yes = Yes(FULL).feed(H, b"XCLIENT ADDR=192.0.2.1 NAME=[UNAVAILABLE] LOGIN=a+40b\r\n", M)
    assert e.Xclient({"ADDR": "192.0.2.1", "NAME": None, "LOGIN": "a@b"}) in yes.events
    assert yes.codes == [250, 220, 503]


def test_misuse_by_the_driver_is_a_bug():
    yes = Yes().feed(H)
    for call in (yes.server.accept_hello, yes.server.go_on, yes.server.tls_started, yes.server.greet):
        with pytest.raises(RuntimeError):
            call()


def test_binarymime_only_by_bdat():
    yes = Yes(FULL).feed(
        H, b"MAIL FROM:<a@b.example> BODY=BINARYMIME\r\n" + R + b"DATA\r\n", b"BDAT 4 LAST\r\n\0\r\n\n"
    )
    assert yes.codes == [250, 250, 250, 503, 250]
    assert yes.messages[0][2] == b"\0\r\n\n"


def test_commands_of_a_hundred_megabytes_stay_small():
    yes = Yes().feed(H)
    block = b"x" * 65536
    tracemalloc.start()
    for _ in range(1600):
        yes.server.receive(block)
        yes.pump()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
    assert yes.codes == [250, 500]
    assert yes.closed


@pytest.mark.parametrize(
    ("settings", "tls", "login", "more"),
    [
        (ServerSettings("mx.test"), False, False, {"MAIL", "RCPT", "DATA", "BDAT"}),
        (
            ServerSettings("mx.test", offer_starttls=True),
            False,
            False,
            {"STARTTLS", "MAIL", "RCPT", "DATA", "BDAT"},
        ),
        (ServerSettings("mx.test", offer_starttls=True), True, False, {"MAIL", "RCPT", "DATA", "BDAT"}),
        (
            ServerSettings("mx.test", offer_xclient=True),
            False,
            False,
            {"XCLIENT", "MAIL", "RCPT", "DATA", "BDAT"},
        ),
        (SUBMISSION, False, False, {"STARTTLS"}),
        (SUBMISSION, True, False, {"AUTH"}),
        (SUBMISSION, True, True, {"MAIL", "RCPT", "DATA", "BDAT"}),
    ],
)
def test_help_lists_what_this_session_takes(settings, tls, login, more):
    yes = Yes(settings, tls, login).feed(H)
    if login:
        yes.feed(b"AUTH PLAIN AGEAYg==\r\n")
    yes.output = b""
    yes.feed(b"HELP\r\n")
    listed = yes.output.splitlines()[0].partition(b"Commands: ")[2].decode().split()
    assert set(listed) == {"EHLO", "HELO", "RSET", "NOOP", "HELP", "VRFY", "QUIT"} | more


def test_help_of_lmtp_says_lhlo():
    listed = Yes(ServerSettings("mx.test", lmtp=True)).feed(b"HELP\r\n").output.split()
    assert b"LHLO" in listed
    assert b"EHLO" not in listed
