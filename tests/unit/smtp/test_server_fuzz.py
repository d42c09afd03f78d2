"""Any bytes, cut anywhere: no exception, bounded memory, and as many messages as a plain reading finds."""

from hypothesis import given, settings
from hypothesis import strategies as st

from kurir.smtp import ServerSettings
from kurir.smtp import events as e

from .driver import Yes

LINES = [
    b"EHLO me\r\n",
    b"HELO me\r\n",
    b"MAIL FROM:<a@b.example>\r\n",
    b"MAIL FROM:<> SIZE=10 BODY=8BITMIME\r\n",
    b"RCPT TO:<c@d.example>\r\n",
    b"RCPT TO:<no@d.example>\r\n",
    b"DATA\r\n",
    b"x\r\n.\r\n",
    b"..\r\n.\r\n",
    b".\r\n",
    b"\r\n.\r\n",
    b"BDAT 3\r\nabc",
    b"BDAT 5 LAST\r\nab\r\n.",
    b"BDAT 0 LAST\r\n",
    b"RSET\r\n",
    b"NOOP\r\n",
    b"QUIT\r\n",
    b"STARTTLS\r\n",
    b"AUTH PLAIN\r\n",
    b"AGEAYg==\r\n",
    b"*\r\n",
    b"XCLIENT ADDR=192.0.2.1\r\n",
    b"VRFY x\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\x16\x03",
]
STREAMS = st.lists(st.one_of(st.sampled_from(LINES), st.binary(max_size=8)), max_size=40)
EVERYTHING = ServerSettings(
    "mx.test",
    offer_starttls=True,
    auth_mechanisms=("PLAIN",),
    auth_without_tls=True,
    offer_xclient=True,
    binarymime=True,
    max_size=1000,
)


def check(yes):
    starts = sum(isinstance(event, e.BodyStarted) for event in yes.events)
    ends = sum(isinstance(event, e.BodyEnded) for event in yes.events)
    assert len(yes.messages) <= ends <= starts
    closings = [i for i, event in enumerate(yes.events) if isinstance(event, e.Closing)]
    assert closings in ([], [len(yes.events) - 1])
    assert yes.server.buffered < 12300
    for line in yes.output.split(b"\r\n")[:-1]:
        assert line[:3].isdigit()
        assert line[3:4] in b" -"
        assert len(line) <= 512
    for _, recipients, _ in yes.messages:
        assert recipients


@settings(max_examples=300)
@given(STREAMS, st.booleans())
def test_grouped_as_sent(pieces, everything):
    yes = Yes(EVERYTHING if everything else ServerSettings("mx.test"))
    for piece in pieces:
        if piece:
            yes.feed(piece)
    yes.feed(b"")
    check(yes)
    assert yes.closed


@settings(max_examples=150)
@given(STREAMS, st.integers(1, 7))
def test_cut_evenly(pieces, step):
    stream = b"".join(pieces)
    yes = Yes(EVERYTHING).feed(*(stream[i : i + step] for i in range(0, len(stream), step)))
    check(yes)


def reference_messages(stream):
    """How many messages a patient, strict reading of one line at a time finds (only DATA, only good lines)."""
    count, state, recipients = 0, "new", 0
    while stream:
        if state == "data":
            body = b"\r\n" + stream
            end = body.find(b"\r\n.\r\n")
            if end < 0:
                return count
            count += 1
            state, stream = "idle", body[end + 5 :]
            continue
        line, _, stream = stream.partition(b"\r\n")
        match line.split(b" ")[0]:
            case b"EHLO" | b"HELO" | b"RSET":
                state = "idle" if state != "new" or line[0] != 82 else "new"
            case b"MAIL" if state == "idle":
                state, recipients = "mail", 0
            case b"RCPT" if state == "mail":
                recipients += b"<no" not in line
            case b"DATA" if state == "mail" and recipients:
                state = "data"
            case b"QUIT":
                return count
    return count


GOOD = [
    line
    for line in LINES
    if line.endswith(b"\r\n") and b"BDAT" not in line and line[:4] not in (b"STAR", b"XCLI")
]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(GOOD), max_size=25))
def test_number_of_messages_equals_the_reference(lines):
    lines = [line for line in lines if not line.startswith((b"AUTH", b"XCLIENT"))]
    stream = b"".join(lines)
    yes = Yes(ServerSettings("mx.test", max_errors=1000))
    yes.feed(
        *(stream[i : i + 1] for i in range(len(stream)))
    )  # one by one, so nothing is sent ahead of a reply
    assert len(yes.messages) == reference_messages(stream)


def test_an_idle_session_is_small():
    import tracemalloc

    sessions = []
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(200):
        yes = Yes().feed(
            b"EHLO me\r\n", b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n", b"x\r\n.\r\n"
        )
        sessions.append(yes.server)
    del yes
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert (after - before) / len(sessions) < 2048
