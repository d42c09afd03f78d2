"""What a client says and what it is told, over real sockets."""

import pytest
from reception_fakes import LMTP, LOCAL, MESSAGE, MX, SUBMISSION, House, Raw, settings

from kurir.model import ObservationKind, Reply, parse_address

# (listener, [(what the client says, how the reply begins), ...])
DIALOGUES = {
    "a message": (
        MX,
        [
            ("MAIL FROM:<a@far.example>", "250 2.1.0"),
            ("RCPT TO:<alice@local.example>", "250 2.1.5"),
            ("DATA", "354"),
            (MESSAGE + b".\r\n", "250 2.0.0 k0000011 accepted, safe on disk"),
            ("QUIT", "221"),
        ],
    ),
    "BDAT": (
        MX,
        [
            ("MAIL FROM:<a@far.example>", "250 2.1.0"),
            ("RCPT TO:<alice@local.example>", "250 2.1.5"),
            (b"BDAT 6 LAST\r\n\r\nhi\r\n", "250 2.0.0 k0000011"),
        ],
    ),
    "out of order": (
        MX,
        [
            ("RCPT TO:<alice@local.example>", "503 5.5.1"),
            ("DATA", "503 5.5.1"),
            ("MAIL FROM:<a@far.example>", "250"),
            ("MAIL FROM:<b@far.example>", "503 5.5.1"),
            ("DATA", "503 5.5.1"),
        ],
    ),
    "bounces have one recipient": (
        MX,
        [
            ("MAIL FROM:<>", "250"),
            ("RCPT TO:<alice@local.example>", "250"),
            ("RCPT TO:<bob@local.example>", "452 4.5.3"),
        ],
    ),
    "the next hop decides for domains we relay for": (
        MX,
        [
            ("MAIL FROM:<a@far.example>", "250"),
            ("RCPT TO:<known@relayed.example>", "250 2.1.5"),
            ("RCPT TO:<nobody@relayed.example>", "550 5.1.1 behind.example says"),
            ("RCPT TO:<onward@local.example>", "250 2.1.5"),
        ],
    ),
    "an alias that goes in a circle is our fault": (
        MX,
        [("MAIL FROM:<a@far.example>", "250"), ("RCPT TO:<loop@local.example>", "451 4.3.5")],
    ),
    "size is refused before the data": (
        MX,
        [("MAIL FROM:<a@far.example> SIZE=999999999", "552 5.3.4")],
    ),
    "both sizes are named, and what to do instead": (
        MX,
        [
            (
                "MAIL FROM:<a@far.example> SIZE=999999999",
                "552 5.3.4 The message has 999999999 octets, this server takes at most 52428800; attachments grow by 37 %",
            )
        ],
    ),
    "probing": (
        MX,
        [("VRFY alice@local.example", "252 2.5.0"), ("EXPN team", "502"), ("HELP", "214"), ("NOOP", "250")],
    ),
    "no AUTH here": (MX, [("AUTH PLAIN AGEAYg==", "50")]),
    "no AUTH before TLS": (SUBMISSION, [("AUTH PLAIN AGEAYg==", "530 5.7.0")]),
    "submission asks for a login": (SUBMISSION, [("MAIL FROM:<alice@local.example>", "530 5.7.0")]),
    "XCLIENT from a stranger": (MX, [("XCLIENT ADDR=192.0.2.9", "5")]),
    "the local door may send anywhere": (
        LOCAL,
        [("MAIL FROM:<root@local.example>", "250"), ("RCPT TO:<x@far.example>", "250")],
    ),
}


@pytest.mark.parametrize("name", DIALOGUES)
async def test_dialogue(name: str) -> None:
    listener, turns = DIALOGUES[name]
    house = House()
    house.people()
    async with house.open(listener) as port:
        client = await Raw.dial(port)
        assert (await client.hello()).startswith("250-mx.local.example")
        for said, expected in turns:
            reply = await client.say(said)
            assert reply.startswith(expected), (said, reply)
        await client.close()


async def test_what_the_brain_gets() -> None:
    house = House()
    house.people()
    async with house.open(MX) as port:
        client = await Raw.dial(port)
        await client.hello()
        client.send("MAIL FROM:<a@far.example>\r\nRCPT TO:<Team@LOCAL.example> NOTIFY=FAILURE\r\n")
        client.send("RCPT TO:<alice+x@local.example>\r\nRCPT TO:<alice@local.example>\r\nDATA\r\n")
        for expected in ("250", "250", "250", "250", "354"):
            assert (await client.reply()).startswith(expected)
        assert (await client.say(MESSAGE + b".\r\n")).startswith("250")
        await client.close()
    (got,) = house.brain.incoming
    assert got.body == MESSAGE
    assert got.size == len(MESSAGE)
    assert MESSAGE[got.header_end :] == b"hello\r\n"
    assert (got.message_id, got.subject, got.proven_sender) == ("<1@a>", "Hello", False)
    assert got.envelope.reverse_path == parse_address("a@far.example")
    assert [str(r.address) for r in got.envelope.recipients] == [
        "alice@local.example",
        "bob@elsewhere.example",
    ]
    assert {str(r.wanted) for r in got.envelope.recipients} == {"Team@local.example"}
    assert {r.orcpt for r in got.envelope.recipients} == {"rfc822;Team@local.example"}
    assert got.trace_block.startswith(b"Received: from client.example ([127.0.0.1])\r\n\tby mx.local.example")
    assert b"with ESMTP" in got.trace_block
    assert b"\tfor <" not in got.trace_block  # several were named
    assert got.origin.client == "127.0.0.1"
    assert house.brain.present == 0
    assert house.reception.counts.accepted["mx"] == 1


async def test_lmtp_answers_each_recipient() -> None:
    house = House()
    house.people()
    async with house.open(LMTP) as port:
        client = await Raw.dial(port)
        await client.reply()
        assert (await client.say("LHLO up.example")).startswith("250")
        assert (await client.say("MAIL FROM:<a@far.example>")).startswith("250")
        assert (await client.say("RCPT TO:<alice@local.example>")).startswith("250")
        assert (await client.say("RCPT TO:<x@far.example>")).startswith("550 5.7.1")
        assert (await client.say("RCPT TO:<bob@local.example>")).startswith("250")
        assert (await client.say("DATA")).startswith("354")
        assert (await client.say(MESSAGE + b".\r\n")).startswith("250")
        assert (await client.reply()).startswith("250")
        assert (await client.say("QUIT")).startswith("221")
    assert len(house.brain.incoming) == 1


async def test_a_dictionary_attack_ends_the_session_and_is_counted() -> None:
    house = House()
    async with house.open(MX) as port:
        client = await Raw.dial(port)
        await client.hello()
        await client.say("MAIL FROM:<a@far.example>")
        replies = []
        while not replies or replies[-1].startswith("550"):
            replies.append(await client.say(f"RCPT TO:<nobody{len(replies)}@local.example>"))
            assert len(replies) <= 100
        if not replies[-1].startswith("421"):
            replies.append(await client.reply())
        assert replies[0].startswith("550 5.1.1")
        assert await client.ended() or replies[-1].startswith("421")
        await client.close()
    assert len(house.brain.seen(ObservationKind.REFUSED_RECIPIENT)) == 20


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"refusal": Reply.of(421, "4.7.0", "not now")}, "421 4.7.0"),
        ({"refusal": Reply.of(554, "5.7.1", "never")}, "554 5.7.1"),
    ],
)
async def test_the_brain_refuses_a_connection(change: dict[str, Reply], code: str) -> None:
    house = House()
    vars(house.brain).update(change)
    async with house.open(MX) as port:
        client = await Raw.dial(port)
        assert (await client.reply()).startswith(code)
        assert await client.ended()
        await client.close()
    assert len(house.brain.seen(ObservationKind.REFUSED_CONNECTION)) == 1
    assert house.brain.present == 0


async def test_the_brain_is_not_ready_or_cannot_store() -> None:
    house = House(settings=settings())
    house.people()
    async with house.open(MX) as port:
        client = await Raw.dial(port)
        await client.hello()
        house.brain.not_ready = Reply.of(452, "4.3.1", "disk nearly full")
        assert (await client.say("MAIL FROM:<a@far.example>")).startswith("452 4.3.1")
        house.brain.not_ready = None
        house.brain.unstorable = Reply.of(451, "4.3.0", "storage failed")
        await client.say("MAIL FROM:<a@far.example>")
        await client.say("RCPT TO:<alice@local.example>")
        await client.say("DATA")
        assert (await client.say(MESSAGE + b".\r\n")).startswith("451 4.3.0")
        house.brain.unstorable = None
        await client.say("MAIL FROM:<a@far.example>")
        await client.say("RCPT TO:<alice@local.example>")
        await client.say("DATA")
        assert (await client.say(MESSAGE + b".\r\n")).startswith("250")
        await client.close()
    assert len(house.brain.seen(ObservationKind.REFUSED_MESSAGE)) == 1
