"""Our client talks to our server: whatever goes in comes out, byte for byte, with a verdict for each recipient."""

from hypothesis import given, settings
from hypothesis import strategies as st

from kurir.model import Body, Envelope, MailParams, Notify, Recipient, Ret, parse_address
from kurir.smtp import Client, ServerSettings
from kurir.smtp.client import BodyWanted, TransactionDone

from .driver import Yes

ADDRESSES = st.sampled_from(
    [
        "a@b.example",
        "no@b.example",
        "no.one@x.example",
        '"a b"@c.example',
        "ü@bücher.example",
        "x@[192.0.2.1]",
        '"q\\"\\\\>"@d.example',
    ]
).map(parse_address)
RECIPIENTS = st.builds(
    Recipient,
    ADDRESSES,
    st.sampled_from([None, Notify.NEVER, Notify.SUCCESS | Notify.FAILURE | Notify.DELAY]),
    st.sampled_from([None, "rfc822;a+b=c@d.example", "utf-8;ü+\\@d.example"]),
)
LINES = st.lists(st.sampled_from([b"", b".", b"..", b".x", b"x", b"\xff\0", b"hello " * 20]), max_size=12)
BODIES = st.lists(LINES.map(lambda lines: b"".join(line + b"\r\n" for line in lines)), min_size=0, max_size=3)


def talk(client, yes, pieces, step):
    """Carry bytes both ways, at most `step` at a time, until the transaction is done."""
    for _ in range(100_000):
        while (event := client.next_event()) is not None:
            if isinstance(event, BodyWanted):
                for piece in pieces:
                    client.body(piece)
                client.end_body()
            elif isinstance(event, TransactionDone):
                return event
            else:
                raise AssertionError(event)
        up = b"".join(client.take_output())
        for i in range(0, len(up), step):
            yes.feed(up[i : i + step])
        down, yes.output = yes.output, b""
        assert up or down
        for i in range(0, len(down), step):
            client.receive(down[i : i + step])
    raise AssertionError("endless")


def connect(yes, lmtp):
    client = Client("me.test", lmtp=lmtp)
    client.receive(b"220 x\r\n")
    client.next_event()
    client.hello()
    yes.feed(b"".join(client.take_output()))
    client.receive(yes.output)
    yes.output = b""
    assert client.next_event().reply.code == 250
    return client


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), ADDRESSES),
            st.lists(RECIPIENTS, min_size=1, max_size=5),
            BODIES,
            st.binary(max_size=60),
        ),
        min_size=1,
        max_size=3,
    ),
    st.booleans(),
    st.booleans(),
    st.sampled_from([1, 3, 17, 100_000]),
)
def test_byte_identical(mails, lmtp, binary, step):
    yes = Yes(ServerSettings("mx.test", lmtp=lmtp, binarymime=True, max_errors=1000))
    client = connect(yes, lmtp)
    for sender, recipients, text, octets in mails:
        pieces = [*text, octets] if binary else text
        params = MailParams(
            body=Body.BINARY if binary else Body.EIGHT,
            smtputf8=True,
            size=sum(map(len, pieces)),
            ret=Ret.HDRS,
            envid="q+ü"[:2],
        )
        before = len(yes.messages)
        client.transaction(Envelope(sender, tuple(recipients), params), params.size)
        done = talk(client, yes, pieces, step)
        expected = [("rcpt", 550) if r.address.local.startswith("no") else ("body", 250) for r in recipients]
        assert [(stage, reply.code) for stage, reply in done.results] == expected
        if ("body", 250) in expected:
            assert yes.messages[before:] == [
                (sender, [r for r in recipients if not r.address.local.startswith("no")], b"".join(pieces))
            ]
        else:
            assert len(yes.messages) == before
        assert not yes.closed
        assert client.idle
