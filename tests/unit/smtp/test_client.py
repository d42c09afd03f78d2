"""The client against scripted peers: every legal and illegal answer at every step."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.model import Body, Envelope, MailParams, Notify, Recipient, Reply, Ret, parse_address
from kurir.smtp import Client
from kurir.smtp.client import (
    AuthChallenged,
    AuthDone,
    BodyWanted,
    Greeted,
    HelloAnswered,
    PeerBroke,
    PeerExtensions,
    TlsAnswered,
    TransactionDone,
)

PIPELINING = b"250-mx.peer hello\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8bitmime\r\n250 DSN\r\n"
PLAIN = b"250 mx.peer\r\n"
BINARY = b"250-mx.peer\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 BINARYMIME\r\n"


def session(ehlo=PIPELINING, lmtp=False):
    client = Client("me.test", lmtp=lmtp)
    client.receive(b"220 mx.peer ESMTP\r\n")
    assert client.next_event() == Greeted(Reply(220, None, ("mx.peer ESMTP",)))
    client.hello()
    sent(client)
    client.receive(ehlo)
    assert isinstance(client.next_event(), HelloAnswered)
    return client


def sent(client):
    return b"".join(client.take_output())


def events(client, data=None):
    if data is not None:
        client.receive(data)
    found = []
    while (event := client.next_event()) is not None:
        found.append(event)
    return found


def envelope(count=1, **params):
    recipients = tuple(Recipient(parse_address(f"r{i}@d.example")) for i in range(count))
    return Envelope(parse_address("a@b.example"), recipients, MailParams(**params))


def stages(event):
    assert isinstance(event, TransactionDone)
    return [(stage, reply.code) for stage, reply in event.results]


def test_a_pipelined_transaction_is_one_write():
    client = session()
    client.transaction(envelope(2, body=Body.EIGHT), 123)
    assert sent(client) == (
        b"MAIL FROM:<a@b.example> SIZE=123 BODY=8BITMIME\r\n"
        b"RCPT TO:<r0@d.example>\r\nRCPT TO:<r1@d.example>\r\nDATA\r\n"
    )
    assert events(client, b"250 ok\r\n250 ok\r\n550 5.1.1 no\r\n354 go\r\n") == [BodyWanted()]
    client.body(b".x\r\n")
    client.body(b"y")
    assert not client.dot_sent
    client.end_body()
    assert client.dot_sent
    assert sent(client) == b"..x\r\ny\r\n.\r\n"
    (done,) = events(client, b"250 2.0.0 queued as 7\r\n")
    assert done.results == (
        ("body", Reply(250, "2.0.0", ("queued as 7",))),
        ("rcpt", Reply(550, "5.1.1", ("no",))),
    )
    assert client.idle


def test_one_by_one_where_pipelining_is_not_offered():
    client = session(PLAIN)
    client.transaction(envelope(2, body=Body.EIGHT, ret=Ret.FULL, envid="x"), 9)
    assert sent(client) == b"MAIL FROM:<a@b.example>\r\n"
    for answer, said in [
        (b"250 ok\r\n", b"RCPT TO:<r0@d.example>\r\n"),
        (b"250 ok\r\n", b"RCPT TO:<r1@d.example>\r\n"),
        (b"450 later\r\n", b"DATA\r\n"),
    ]:
        assert events(client, answer) == []
        assert sent(client) == said
    assert events(client, b"354 go\r\n") == [BodyWanted()]
    client.end_body()
    assert sent(client) == b".\r\n"
    assert [stages(x) for x in events(client, b"250 ok\r\n")] == [[("body", 250), ("rcpt", 450)]]


@pytest.mark.parametrize("ehlo", [PIPELINING, PLAIN])
@pytest.mark.parametrize(
    ("replies", "expected", "after"),
    [
        (["550 m", "503 a", "503 b", "503 c"], [("mail", 550)] * 2, b""),
        (["250 m", "550 a", "450 b", "554 c"], [("rcpt", 550), ("rcpt", 450)], b"RSET\r\n"),
        (["250 m", "250 a", "550 b", "452 c"], [("data", 452), ("rcpt", 550)], b"RSET\r\n"),
        (["250 m", "250 a", "299 b", "599 c"], [("data", 599)] * 2, b"RSET\r\n"),
    ],
)
def test_refusals_before_the_body(ehlo, replies, expected, after):
    client = session(ehlo)
    client.transaction(envelope(2), None)
    script = list(replies)
    found = []
    if ehlo is PIPELINING:
        sent(client)
        found = events(client, "".join(f"{line}\r\n" for line in script).encode())
    else:
        while not found and script:
            sent(client)
            found = events(client, f"{script.pop(0)}\r\n".encode())
    assert [stages(x) for x in found] == [expected]
    assert sent(client) == after
    client.transaction(envelope(1), None)  # the session goes on
    if after:
        assert events(client, b"250 reset\r\n") == []
    assert sent(client).startswith(b"MAIL FROM:")


@pytest.mark.parametrize("mail", [b"250 m\r\n550 r\r\n", b"550 m\r\n503 r\r\n"])
def test_a_lone_dot_for_nobody(mail):
    client = session()
    client.transaction(envelope(1), None)
    sent(client)
    (done,) = events(client, mail + b"354 go on\r\n")
    assert [stage for stage, _ in done.results] in (["rcpt"], ["mail"])
    assert sent(client) == b".\r\n"
    client.transaction(envelope(1), None)
    assert events(client, b"554 no recipients\r\n250 m\r\n250 r\r\n354 go\r\n") == [BodyWanted()]


def test_lmtp_answers_for_each_accepted_recipient():
    client = session(PIPELINING, lmtp=True)
    client.transaction(envelope(3), None)
    events(client, b"250 m\r\n250 a\r\n550 b\r\n250 c\r\n354 go\r\n")
    client.body(b"x\r\n")
    client.end_body()
    assert events(client, b"250 stored\r\n") == []
    assert [r and r[1].code for r in client.results] == [250, 550, None]
    assert [stages(x) for x in events(client, b"452 full\r\n")] == [
        [("body", 250), ("rcpt", 550), ("body", 452)]
    ]


def test_binary_goes_in_chunks():
    client = session(BINARY)
    client.transaction(envelope(2, body=Body.BINARY), None)
    assert sent(client).endswith(b" BODY=BINARYMIME\r\nRCPT TO:<r0@d.example>\r\nRCPT TO:<r1@d.example>\r\n")
    assert events(client, b"250 m\r\n550 a\r\n250 b\r\n") == [BodyWanted()]
    client.body(b".\r\n\0")
    client.body(b"more")
    client.end_body()
    assert sent(client) == b"BDAT 4\r\n.\r\n\0BDAT 4 LAST\r\nmore"
    assert [stages(x) for x in events(client, b"250 c\r\n250 done\r\n")] == [[("rcpt", 550), ("body", 250)]]


def test_a_refused_chunk_decides_and_the_rest_is_swallowed():
    client = session(BINARY)
    client.transaction(envelope(1, body=Body.BINARY), None)
    events(client, b"250 m\r\n250 a\r\n")
    client.body(b"one")
    client.body(b"two")
    client.end_body()
    assert [stages(x) for x in events(client, b"552 too much\r\n503 failed\r\n")] == [[("body", 552)]]
    client.body(b"ignored")
    assert sent(client).endswith(b"twoRSET\r\n")
    assert events(client, b"250 reset\r\n") == []
    assert client.idle


def test_421_ends_it_with_results():
    client = session()
    client.transaction(envelope(3), None)
    done, broke = events(client, b"250 m\r\n550 a\r\n421 4.3.2 down\r\n")
    assert stages(done) == [("rcpt", 550), ("rcpt", 421), ("rcpt", 421)]
    assert broke == PeerBroke(Reply(421, "4.3.2", ("down",)), "closed the session")
    assert not client.idle
    client = session()
    client.transaction(envelope(1), None)
    events(client, b"250 m\r\n250 a\r\n354 go\r\n")
    client.body(b"x\r\n")
    client.end_body()
    done, broke = events(client, b"421 no\r\n")
    assert stages(done) == [("body", 421)]


def test_421_while_idle_is_told_before_the_next_transaction():
    client = session()
    client.receive(b"421 4.4.2 idle too long\r\n")
    client.transaction(envelope(1), None)
    (broke,) = events(client)
    assert isinstance(broke, PeerBroke)
    assert broke.reply.code == 421
    assert sent(client) == b""


def test_end_of_file_says_how_far_it_came():
    for steps, dot, results in [
        ([], False, [None, None]),
        ([b"250 m\r\n550 a\r\n"], False, [("rcpt", 550), None]),
        ([b"250 m\r\n550 a\r\n250 b\r\n354 go\r\n"], True, [("rcpt", 550), None]),
    ]:
        client = session()
        client.transaction(envelope(2), None)
        for step in steps:
            if BodyWanted() in events(client, step):
                client.end_body()
        (broke,) = events(client, b"")
        assert isinstance(broke, PeerBroke)
        assert client.dot_sent is dot
        assert [r and (r[0], r[1].code) for r in client.results] == results
        assert client.next_event() is None


def test_refusal_in_the_midst_of_the_body():
    client = session()
    client.transaction(envelope(1), None)
    events(client, b"250 m\r\n250 a\r\n354 go\r\n")
    client.body(b"x\r\n")
    done, broke = events(client, b"552 5.3.4 enough\r\n")
    assert stages(done) == [("body", 552)]
    assert isinstance(broke, PeerBroke)
    client = session()
    client.transaction(envelope(1), None)
    events(client, b"250 m\r\n250 a\r\n354 go\r\n")
    (broke,) = events(client, b"250 done already\r\n")  # never believed
    assert isinstance(broke, PeerBroke)


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello\r\n",
        b"\r\n",
        b"199 x\r\n",
        b"600 x\r\n",
        b"2500 x\r\n",
        b"25\r\n",
        b"250x\r\n",
        b"\0\0\0\n",
        b"x" * 5000,
        b"250-a\r\n251 b\r\n",
        b"250-x\r\n" * 200,
        (b"250-" + b"x" * 2000 + b"\r\n") * 60,
        b"354 go\r\n",  # to MAIL
    ],
)
def test_garbage_breaks_the_session(garbage):
    client = session()
    client.transaction(envelope(1), None)
    broke = events(client, garbage)[-1]
    assert isinstance(broke, PeerBroke)
    assert broke.problem
    assert not client.idle
    assert events(client, b"250 ok\r\n") == []


def test_replies_are_kept_word_for_word():
    client = session()
    client.transaction(envelope(1), None)
    (done,) = events(
        client, b"550-5.7.1 first\r\n550-5.7.1  second\xff\r\n550-5.1.1 third\n550\r\n503 x\r\n503 y\r\n"
    )
    assert done.results[0][1] == Reply(550, "5.7.1", ("first", "second\\xff", "5.1.1 third", ""))
    client = session()
    client.transaction(envelope(1), None)
    (done,) = events(client, b"250 m\r\n550 4.2.2 class differs\r\n503 y\r\n")
    assert done.results[0][1] == Reply(550, None, ("4.2.2 class differs",))


def test_hello_falls_back_to_helo_but_not_in_lmtp():
    client = Client("me.test")
    events(client, b"220 x\r\n")
    client.hello()
    assert events(client, b"502 what\r\n") == []
    assert sent(client) == b"EHLO me.test\r\nHELO me.test\r\n"
    assert events(client, b"250 old.peer hi\r\n") == [
        HelloAnswered(Reply(250, None, ("old.peer hi",)), PeerExtensions("old.peer"))
    ]
    client = Client("me.test", lmtp=True)
    events(client, b"220 x\r\n")
    client.hello()
    (answered,) = events(client, b"502 what\r\n")
    assert answered.reply.code == 502
    assert sent(client) == b"LHLO me.test\r\n"


def test_extensions():
    client = session(
        b"250-mx.peer hi\r\n250-AUTH=LOGIN\r\n250-auth PLAIN\r\n250-LIMITS RCPTMAX=5 MAILMAX=2\r\n250 \r\n"
    )
    assert client.extensions == PeerExtensions(
        "mx.peer", {"AUTH": ("LOGIN", "PLAIN"), "LIMITS": ("RCPTMAX=5", "MAILMAX=2")}
    )


def test_starttls_and_injection_behind_it():
    client = session()
    client.start_tls_command()
    assert events(client, b"454 4.7.0 not now\r\n") == [TlsAnswered(Reply(454, "4.7.0", ("not now",)))]
    client.start_tls_command()
    assert sent(client) == b"STARTTLS\r\nSTARTTLS\r\n"
    (broke,) = events(client, b"220 go\r\n250-AUTH PLAIN\r\n")
    assert isinstance(broke, PeerBroke)
    client = session()
    client.start_tls_command()
    assert isinstance(events(client, b"220 go\r\n")[0], TlsAnswered)
    client.tls_started()
    assert client.extensions is None
    client.hello()
    assert sent(client).endswith(b"EHLO me.test\r\n")


def test_auth():
    client = session()
    client.auth("PLAIN", b"\0a\0b")
    assert sent(client) == b"AUTH PLAIN AGEAYg==\r\n"
    assert events(client, b"235 2.7.0 hi\r\n") == [AuthDone(Reply(235, "2.7.0", ("hi",)))]
    client.auth("LOGIN", None)
    assert events(client, b"334 VXNlcg==\r\n") == [AuthChallenged(b"User")]
    client.auth_response(b"me")
    assert events(client, b"334 \r\n") == [AuthChallenged(b"")]
    client.auth_response(b"secret")
    assert events(client, b"501 no\r\n")[0].reply.code == 501
    assert sent(client) == b"AUTH LOGIN\r\nbWU=\r\nc2VjcmV0\r\n"
    client.auth("X", b"")
    assert sent(client) == b"AUTH X =\r\n"
    assert isinstance(events(client, b"334 !\r\n")[0], PeerBroke)


def test_dsn_parameters_only_where_offered():
    who = Recipient(parse_address("r@d.example"), Notify.SUCCESS | Notify.DELAY, "rfc822;a+b=c@d e")
    utf8 = Recipient(parse_address("r@d.example"), Notify.NEVER, "utf-8;ü@d.example")
    mail = Envelope(
        None, (who, utf8), MailParams(ret=Ret.HDRS, envid="a b+c", smtputf8=True, require_tls=True)
    )
    client = session()
    client.transaction(mail, None)
    assert sent(client) == (
        b"MAIL FROM:<> RET=HDRS ENVID=a+20b+2Bc\r\n"
        b"RCPT TO:<r@d.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb+3Dc@d+20e\r\n"
        b"RCPT TO:<r@d.example> NOTIFY=NEVER ORCPT=utf-8;\\x{FC}@d.example\r\nDATA\r\n"
    )
    client = session(b"250-x\r\n250-PIPELINING\r\n250-REQUIRETLS\r\n250 SMTPUTF8\r\n")
    client.transaction(mail, None)
    assert sent(client).startswith(b"MAIL FROM:<> SMTPUTF8 REQUIRETLS\r\nRCPT TO:<r@d.example>\r\n")


def test_an_address_cannot_carry_a_command():
    from kurir.model import Address

    evil = Envelope(None, (Recipient(Address('a"\r\nRCPT TO:<x', "y")),))
    with pytest.raises(ValueError, match="break"):
        session().transaction(evil, None)


def test_quit_then_end_of_file_is_no_breach():
    client = session()
    client.quit()
    assert sent(client) == b"QUIT\r\n"
    assert events(client, b"221 bye\r\n") == []
    assert events(client, b"") == []


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=20),
            st.sampled_from([b"250 ok\r\n", b"354 x\r\n", b"550-a\r\n550 b\r\n", b"421 x\r\n", b"220 x\r\n"]),
        ),
        max_size=20,
    )
)
def test_any_bytes_from_a_peer(pieces):
    client = Client("me.test")
    client.hello()
    client.transaction(envelope(2), 5)
    broken = 0
    for piece in [*pieces, b""]:
        for event in events(client, piece):
            broken += isinstance(event, PeerBroke)
            if isinstance(event, BodyWanted):
                client.body(b"x")
                client.end_body()
    assert broken == 1
    assert sum(map(len, client.take_output())) < 1000
