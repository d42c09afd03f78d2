"""Back-off memory, what an EHLO answer means, what refusals mean, login exchanges, notices."""

import asyncio

import pytest

from kurir.delivery.connecting.backoff import HostMemory
from kurir.delivery.connecting.classify import classify
from kurir.delivery.connecting.session import Offer, read_offer
from kurir.delivery.notices import NoticeDesk
from kurir.model import Cause, Envelope, OutcomeKind, Recipient, Reply, Stage, parse_address
from kurir.queue.asks import NoticeWork
from kurir.smtp.client import PeerExtensions

from .doubles import Brain, FakeClock, MemoryBodies

D, F = OutcomeKind.DEFERRED, OutcomeKind.FAILED


def test_back_off_doubles_and_ends():
    clock = FakeClock()
    memory = HostMemory(clock, 10.0, 60.0, 100)
    waits = []
    for _ in range(5):
        memory.failed("h", "refused")
        left, text = memory.resting("h")
        assert text == "refused"
        waits.append(left)
        memory.failed("h", "again while resting")
        clock.at += left
        assert memory.resting("h") is None
    assert waits == pytest.approx([10, 20, 40, 60, 60])
    memory.worked("h")
    memory.failed("h", "x")
    assert memory.resting("h")[0] == pytest.approx(10)


def test_back_off_memory_is_bounded():
    memory = HostMemory(FakeClock(), 10.0, 60.0, 3)
    for n in range(10):
        memory.failed(f"h{n}", "x")
    assert [n for n in range(10) if memory.resting(f"h{n}")] == [7, 8, 9]


@pytest.mark.parametrize(
    ("keywords", "offer"),
    [
        ({}, Offer()),
        ({"SIZE": ("1000",), "8BITMIME": ()}, Offer(size=1000, eightbit=True)),
        ({"SIZE": ()}, Offer()),
        ({"SIZE": ("x1",)}, Offer()),
        ({"SIZE": ("9" * 40,)}, Offer()),
        ({"LIMITS": ("RCPTMAX=5", "mailmax=7")}, Offer(recipients=5, messages=7)),
        ({"BINARYMIME": ()}, Offer()),
        ({"BINARYMIME": (), "CHUNKING": (), "DSN": ()}, Offer(binarymime=True, dsn=True)),
    ],
)
def test_offers(keywords, offer):
    assert read_offer(PeerExtensions("x", keywords)) == offer


@pytest.mark.parametrize(
    ("stage", "reply", "kind", "cause"),
    [
        (Stage.RCPT, (550, "5.1.1", "no such user"), F, Cause.UNKNOWN_USER),
        (Stage.RCPT, (452, "4.2.2", "over quota"), D, Cause.MAILBOX_FULL),
        (Stage.RCPT, (450, "4.7.1", "Greylisted"), D, Cause.GREYLISTED),
        (Stage.BODY, (550, "5.4.5", "Daily user sending limit exceeded"), D, Cause.QUOTA_SPENT),
        (Stage.BODY, (552, "5.3.4", "message too big"), F, Cause.TOO_LARGE),
        (Stage.BANNER, (554, None, "go away"), D, None),
        (Stage.AUTH, (535, "5.7.8", "wrong password"), D, Cause.AUTH_FAILED),
        (Stage.RCPT, (354, None, "what"), D, Cause.PROTOCOL_ERROR),
        (Stage.RCPT, (599, None, "zzz"), F, None),
        (Stage.RCPT, (499, None, "zzz"), D, None),
    ],
)
def test_refusals(stage, reply, kind, cause):
    meaning = classify(stage, Reply.of(*reply))
    assert meaning.kind is kind and (cause is None or meaning.cause is cause)


@pytest.mark.parametrize(
    ("stage", "reply", "kind", "lasting"),
    [
        (
            Stage.BANNER,
            (421, "4.7.1", "[TS03] All messages from 192.0.2.1 will be permanently deferred"),
            D,
            True,
        ),
        (
            Stage.MAIL,
            (421, "4.7.1", "[TS03] All messages from 192.0.2.1 will be permanently deferred"),
            F,
            False,
        ),
        (Stage.BANNER, (554, "5.7.1", "192.0.2.1 is listed at zen.spamhaus.org"), D, True),
        (Stage.RCPT, (451, "4.7.1", "Client host [192.0.2.1] blocked using zen.spamhaus.org"), D, True),
        (Stage.BANNER, (421, "4.3.2", "Too busy, try again later"), D, False),
        (Stage.RCPT, (550, "5.4.5", "Daily user sending limit exceeded"), D, False),
        (Stage.RCPT, (550, None, "Connection frequency limited"), D, False),
        (Stage.AUTH, (535, "5.7.8", "wrong password"), D, False),
    ],
)
def test_quotas_said_for_good_come_back_and_blocks_said_for_now_are_known_to_last(
    stage, reply, kind, lasting
):
    meaning = classify(stage, Reply.of(*reply))
    assert (meaning.kind, meaning.lasting) == (kind, lasting)


class Writer:
    def __init__(self, full):
        self.full = full
        self.seen = None

    def wants_full(self, work):
        return self.full

    def write(self, work, original):
        self.seen = original
        return f"report on {work.number}"


ORIGINAL = b"Subject: x\r\n\r\nbody\r\n"


@pytest.mark.parametrize(
    ("full", "file", "damaged", "seen"),
    [(True, False, False, ORIGINAL), (False, False, False, ORIGINAL[:14]), (True, True, False, ORIGINAL), (True, False, True, b""),
     (True, True, True, b"")],
)  # fmt: skip
async def test_notices(full, file, damaged, seen):
    writer, brain = Writer(full), Brain()
    brain.done = asyncio.Event()
    sender = parse_address("me@client.example")
    work = NoticeWork(
        id="5-failed-1",
        epoch=1,
        number=5,
        to=sender,
        original=Envelope(sender, (Recipient(sender),)),
        reasons=(),
        accepted_at=0.0,
        trace_block=b"",
        size=len(ORIGINAL),
        body_file="f" if file else None,
        header_end=14,
    )
    bodies = MemoryBodies({5: ORIGINAL}, damaged=[5] if damaged else [])
    await NoticeDesk(bodies, brain, writer, 64 * 1024).fulfil(work)
    assert writer.seen == seen and brain.accepted == ["report on 5"]


async def test_a_brain_that_goes_away_leaves_the_notice_open():
    class Away(Brain):
        async def accept(self, incoming):
            raise ConnectionError("the brain is gone")

    sender = parse_address("me@client.example")
    work = NoticeWork(
        id="5-failed-1",
        epoch=1,
        number=5,
        to=sender,
        original=Envelope(sender, (Recipient(sender),)),
        reasons=(),
        accepted_at=0.0,
        trace_block=b"",
        size=len(ORIGINAL),
        header_end=14,
    )
    desk = NoticeDesk(MemoryBodies({5: ORIGINAL}), Away(), Writer(True), 64 * 1024)
    assert await desk.fulfil(work) is None
