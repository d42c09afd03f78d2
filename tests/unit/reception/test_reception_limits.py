"""Large bodies, slow clients, lost connections, and the drain: on both event loops."""

import asyncio
import errno
import hashlib
from collections.abc import Awaitable, Callable

import pytest
import uvloop
from reception_fakes import LOOPBACK, MESSAGE, MX, House, Raw, settings
from tests.harness import PATIENCE

from kurir.limits import RoadSize
from kurir.model import Cause, ObservationKind, Reply
from kurir.reception import Deadlines, ListenerSettings, Role

Case = Callable[[], Awaitable[None]]
IMPATIENT = Deadlines(command=1.0, data=1.0, session=PATIENCE, write=1.0, min_rate=1e9)


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Case], None]:
    def go(case: Case) -> None:
        factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(case())

    return go


async def ready_for_data(client: Raw) -> None:
    await client.hello()
    await client.say("MAIL FROM:<a@far.example>")
    assert (await client.say("RCPT TO:<alice@local.example>")).startswith("250")
    assert (await client.say("DATA")).startswith("354")


def test_a_large_body_goes_to_a_file(run: Callable[[Case], None]) -> None:
    async def case() -> None:
        house = House()
        house.people()
        body = b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\n" + (b"y" * 76 + b"\r\n") * 40_000
        async with house.open(MX) as port:
            client = await Raw.dial(port)
            await ready_for_data(client)
            client.send(body)
            assert (await client.say(b".\r\n")).startswith("250")
            await client.close()
        (got,) = house.brain.incoming
        assert got.body is None
        assert got.body_file is not None
        assert house.files.finished[got.body_file] == body
        assert got.sha256 == hashlib.sha256(body).digest()
        assert got.size == len(body)
        assert got.subject == "large"
        # asyncio hands over 256 KiB at a time, libuv up to 32 such reads in one turn of the loop.
        assert house.files.largest_write <= 8 * 1024 * 1024
        assert house.files.discarded == 0

    run(case)


@pytest.mark.parametrize(("code", "expected"), [(errno.ENOSPC, "452 4.3.1"), (errno.EIO, "451 4.3.0")])
async def test_a_disk_that_fails(code: int, expected: str) -> None:
    house = House()
    house.people()
    house.files.error = OSError(code, "no")
    async with house.open(MX) as port:
        client = await Raw.dial(port)
        await ready_for_data(client)
        client.send(b"Subject: x\r\n\r\n" + (b"y" * 76 + b"\r\n") * 10_000)
        assert (await client.say(b".\r\n")).startswith(expected)
        assert (await client.say("NOOP")).startswith("250")
        await client.close()
    assert house.brain.incoming == []
    assert house.files.discarded >= 1


async def test_a_header_without_end() -> None:
    house = House()
    house.people()
    async with house.open(MX) as port:
        client = await Raw.dial(port)
        await ready_for_data(client)
        client.send(b"X-Field: value\r\n" * 20_000)
        assert (await client.say(b".\r\n")).startswith("552 5.3.4")
        await client.close()
    assert house.brain.incoming == []
    assert house.files.finished == {}


async def test_loops() -> None:
    house = House()
    house.people()
    far = b"Received: from a by b.example; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
    own = b"Received: from a by mx.local.example; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
    async with house.open(MX) as port:
        client = await Raw.dial(port)
        await client.hello()
        for header, expected in (
            (far * 51, "554 5.4.6"),
            (own * 9, "554 5.4.6"),
            (far * 20, "250"),
            (own * 2, "250"),
        ):
            await client.say("MAIL FROM:<a@far.example>")
            await client.say("RCPT TO:<alice@local.example>")
            await client.say("DATA")
            assert (await client.say(header + MESSAGE + b".\r\n")).startswith(expected)
        await client.close()


def test_slow_commands(run: Callable[[Case], None]) -> None:
    async def case() -> None:
        house = House(settings=settings(deadlines=IMPATIENT))
        async with house.open(MX) as port:
            client = await Raw.dial(port)
            await client.hello()
            # One octet now and then is no progress: the deadline is of the whole command.
            reply = asyncio.create_task(client.reply())
            while not reply.done():
                client.send("N")
                await asyncio.sleep(0.02)
            assert (await reply).startswith("421 4.4.2")
            await client.close()
        (seen,) = house.brain.seen(ObservationKind.DROPPED_CONNECTION)
        assert seen.cause is Cause.TIMEOUT

    run(case)


async def test_slow_bodies() -> None:
    house = House(settings=settings(deadlines=IMPATIENT))
    house.people()
    async with house.open(MX) as port:
        client = await Raw.dial(port)
        await ready_for_data(client)
        reply = asyncio.create_task(client.reply())
        while not reply.done():
            client.send("x\r\n")
            await asyncio.sleep(0.02)
        assert (await reply).startswith("421 4.4.2")
        await client.close()
    assert house.brain.incoming == []
    assert house.brain.present == 0


async def test_a_client_that_never_reads() -> None:
    house = House(settings=settings(deadlines=IMPATIENT, max_idle_commands=10**9))
    async with house.open(MX) as port:
        client = await Raw.dial(port)
        await client.hello()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.send(b"HELP\r\n" * 2_000_000)
        async with asyncio.timeout(PATIENCE):
            while not house.brain.seen(ObservationKind.DROPPED_CONNECTION):
                await asyncio.sleep(0.05)
        client.writer.transport.abort()
    (seen,) = house.brain.seen(ObservationKind.DROPPED_CONNECTION)
    assert seen.cause is Cause.TIMEOUT


def test_a_connection_lost_in_a_body_leaves_nothing(run: Callable[[Case], None]) -> None:
    async def case() -> None:
        house = House()
        house.people()
        async with house.open(MX) as port:
            client = await Raw.dial(port)
            await ready_for_data(client)
            client.send(b"Subject: x\r\n\r\n" + (b"y" * 76 + b"\r\n") * 20_000)
            await client.writer.drain()
            client.writer.transport.abort()
            async with asyncio.timeout(PATIENCE):
                while house.brain.present:
                    await asyncio.sleep(0.01)
        assert house.brain.incoming == []
        assert house.files.finished == {}
        assert house.brain.present == 0
        assert house.brain.seen(ObservationKind.DROPPED_CONNECTION)

    run(case)


def test_the_drain_lets_a_body_finish_and_ends_the_idle(run: Callable[[Case], None]) -> None:
    async def case() -> None:
        house = House()
        house.people()
        async with house.open(MX) as port:
            idle, busy = await Raw.dial(port), await Raw.dial(port)
            await idle.hello()
            await ready_for_data(busy)
            busy.send(MESSAGE[:40])
            await asyncio.sleep(0.05)
            draining = asyncio.create_task(house.reception.drain(PATIENCE))
            assert (await idle.reply()).startswith("421 4.3.2")
            assert await idle.ended()
            assert (await busy.say(MESSAGE[40:] + b".\r\n")).startswith("250")
            assert (await busy.reply()).startswith("421 4.3.2")
            await busy.close()
            await idle.close()
            await asyncio.wait_for(draining, PATIENCE)
        assert len(house.brain.incoming) == 1
        assert house.reception.open == 0

    run(case)


async def test_a_brain_that_waits_is_waited_for_in_the_drain() -> None:
    house = House()
    house.people()
    house.brain.gate = asyncio.Event()
    async with house.open(MX) as port:
        client = await Raw.dial(port)
        await ready_for_data(client)
        client.send(MESSAGE + b".\r\n")
        await asyncio.sleep(0.05)
        draining = asyncio.create_task(house.reception.drain(PATIENCE))
        await asyncio.sleep(0.05)
        assert not draining.done()
        house.brain.gate.set()
        assert (await client.reply()).startswith("250")
        assert (await client.reply()).startswith("421")
        await client.close()
        await draining


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionError("gone"), "451 4.3.0"),
        (TimeoutError(), "451 4.3.0"),
        (ValueError("a bug"), "421 4.3.0"),
    ],
)
async def test_a_file_that_the_brain_was_told_of_is_never_removed(error: Exception, expected: str) -> None:
    """The answer is lost, the commit may have happened: removing the file would lose an accepted message."""
    house = House()
    house.people()
    problems: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context["exception"]))

    async def lost(incoming: object) -> object:
        raise error

    house.brain.accept = lost  # type: ignore[method-assign,assignment]
    async with house.open(MX) as port:
        client = await Raw.dial(port)
        await ready_for_data(client)
        client.send(b"Subject: x\r\n\r\n" + (b"y" * 76 + b"\r\n") * 10_000)
        assert (await client.say(b".\r\n")).startswith(expected)
        await client.close()
    assert len(house.files.finished) == 1
    assert house.files.discarded == 0
    assert [type(p) for p in problems] == ([ValueError] if expected.startswith("421") else [])
    assert house.brain.present == 0


@pytest.mark.parametrize(("reply", "in_doubt"), [("452 4.3.1", False), ("451 4.3.0", True)])
async def test_a_file_that_the_brain_refused_is_removed_unless_in_doubt(reply: str, in_doubt: bool) -> None:
    house = House()
    house.people()
    house.brain.unstorable = Reply.of(int(reply[:3]), reply[4:], "no")
    house.brain.in_doubt = in_doubt
    async with house.open(MX) as port:
        client = await Raw.dial(port)
        await ready_for_data(client)
        client.send(b"Subject: x\r\n\r\n" + (b"y" * 76 + b"\r\n") * 10_000)
        assert (await client.say(b".\r\n")).startswith(reply)
        await client.close()
    assert (house.files.discarded >= 1) is not in_doubt


async def test_too_many_sessions() -> None:
    house = House(settings=settings(max_sessions=1))
    async with house.open(MX) as port:
        first, second = await Raw.dial(port), await Raw.dial(port)
        await first.hello()
        assert (await second.reply()).startswith("421 4.3.2")
        await first.close()
        await second.close()


async def test_talking_before_the_banner() -> None:
    house = House()
    gate = asyncio.Event()

    async def slowly(client: str, listener: str) -> object:
        await gate.wait()
        return await type(house.brain).admit(house.brain, client, listener)

    house.brain.admit = slowly  # type: ignore[method-assign,assignment]
    async with house.open(MX) as port:
        client = await Raw.dial(port)
        client.send("EHLO early.example\r\n")
        await asyncio.sleep(0.05)
        gate.set()
        assert (await client.reply()).startswith("554 5.5.1")
        await client.close()


async def test_observations_are_bounded() -> None:
    house = House(settings=settings(max_errors=10_000))
    async with house.open(MX) as port:
        client = await Raw.dial(port)
        await client.hello()
        await client.say("MAIL FROM:<a@far.example>")
        client.send("".join(f"RCPT TO:<n{i}@local.example>\r\n" for i in range(500)))
        for _ in range(500):
            assert (await client.reply()).startswith("550")
        await client.say("QUIT")
        await client.close()
    seen = house.brain.seen(ObservationKind.REFUSED_RECIPIENT)
    assert len(seen) == 51
    assert sum(o.count for o in seen) == 500


async def test_xclient_from_a_trusted_front() -> None:
    front = ListenerSettings("mx", Role.MX, xclient=LOOPBACK)
    house = House(settings=settings(trusted=LOOPBACK))
    house.people()
    async with house.open(front) as port:
        client = await Raw.dial(port)
        assert "XCLIENT" in await client.hello()
        assert (await client.say("XCLIENT ADDR=192.0.2.7 PORT=4711 HELO=real.example")).startswith("220")
        await client.say("EHLO real.example")
        await client.say("MAIL FROM:<a@far.example>")
        # No longer trusted: the client is somebody else.
        assert (await client.say("RCPT TO:<x@far.example>")).startswith("550 5.7.1")
        await client.say("RCPT TO:<alice@local.example>")
        await client.say("DATA")
        assert (await client.say(MESSAGE + b".\r\n")).startswith("250")
        house.brain.refusal = Reply.of(421, "4.7.0", "too many")
        assert (await client.say("XCLIENT ADDR=192.0.2.8")).startswith("421 4.7.0")
        await client.close()
    (got,) = house.brain.incoming
    assert (got.origin.client, got.origin.port) == ("192.0.2.7", 4711)
    assert house.brain.present == 0


class SmallRoads:
    """Mail to far.example goes by a provider that takes a kilobyte."""

    least = 0
    counted = False

    def towards(self, sender: str, domain: str) -> RoadSize | None:
        return RoadSize(1000, "road", "Tiny Mail", "a page") if domain == "far.example" else None

    def anywhere(self, sender: str) -> RoadSize | None:
        return None

    async def prove(self, sender: str) -> None:
        self.proved = sender


class ForgedOnTheWideRoad(SmallRoads):
    """A wide road is there, too; that mail would look forged by it shows when somebody asks."""

    def __init__(self, *, here: bool) -> None:
        self.here = here  # some mail stays on this machine
        self.proved = ""

    def towards(self, sender: str, domain: str) -> RoadSize | None:
        narrow = super().towards(sender, domain)
        return narrow if self.proved == sender else narrow and RoadSize(5000, "wide", "Wide Mail")

    def anywhere(self, sender: str) -> RoadSize | None:
        return None if self.here else self.towards(sender, "far.example")


def test_a_message_no_road_carries_is_refused_before_its_data(run: Callable[[Case], None]) -> None:
    async def case() -> None:
        house = House(settings=settings(trusted=LOOPBACK))
        house.desk.roads = SmallRoads()
        house.people()
        async with house.open(MX) as port:
            client = await Raw.dial(port)
            await client.hello()
            await client.say("MAIL FROM:<a@local.example> SIZE=1001")
            said = await client.say("RCPT TO:<b@far.example>")
            assert said.startswith(
                "552 5.3.4 The message has 1001 octets; mail to this recipient goes by Tiny Mail"
            )
            assert "at most 1000" in said
            assert (await client.say("RCPT TO:<alice@local.example>")).startswith("250")
            await client.say("RSET")
            await client.say("MAIL FROM:<a@local.example> SIZE=1000")
            assert (await client.say("RCPT TO:<b@far.example>")).startswith("250")
            await client.close()
        (seen,) = [o for o in house.brain.observations if o.kind is ObservationKind.REFUSED_RECIPIENT]
        assert seen.cause is Cause.TOO_LARGE

    run(case)


def test_a_size_that_was_not_announced_is_seen_at_the_end(run: Callable[[Case], None]) -> None:
    async def case() -> None:
        house = House(settings=settings(trusted=LOOPBACK))
        house.desk.roads = SmallRoads()
        house.people()
        async with house.open(MX) as port:
            client = await Raw.dial(port)
            await client.hello()
            for others, code in (((), "552 5.3.4"), (("alice@local.example",), "250")):
                await client.say("MAIL FROM:<a@local.example>")
                for to in ("b@far.example", *others):
                    assert (await client.say(f"RCPT TO:<{to}>")).startswith("250")
                await client.say("DATA")
                assert (await client.say("Subject: x\r\n\r\n" + "y" * 990 + "\r\n.")).startswith(code)
            await client.close()

    run(case)


def test_a_road_where_the_sender_would_look_forged_is_no_reason_to_take_a_large_message(
    run: Callable[[Case], None],
) -> None:
    async def case() -> None:
        house = House(settings=settings(trusted=LOOPBACK))
        house.people()
        async with house.open(MX) as port:
            client = await Raw.dial(port)
            await client.hello()
            house.desk.roads = ForgedOnTheWideRoad(here=False)
            said = await client.say("MAIL FROM:<a@local.example> SIZE=1001")
            assert said.startswith(
                "552 5.3.4 The message has 1001 octets; mail of this sender goes by Tiny Mail"
            )
            house.desk.roads = ForgedOnTheWideRoad(here=True)
            assert (await client.say("MAIL FROM:<a@local.example> SIZE=1001")).startswith("250")
            assert (await client.say("RCPT TO:<b@far.example>")).startswith("552 5.3.4")
            await client.say("RSET")
            for here in (True, False):
                house.desk.roads = ForgedOnTheWideRoad(here=here)
                await client.say("MAIL FROM:<a@local.example>")
                assert (await client.say("RCPT TO:<b@far.example>")).startswith("250")
                await client.say("DATA")
                assert (await client.say("Subject: x\r\n\r\n" + "y" * 990 + "\r\n.")).startswith("552 5.3.4")
            await client.close()
        seen = [o.cause for o in house.brain.observations if o.kind is ObservationKind.REFUSED_SENDER]
        assert seen == [Cause.TOO_LARGE]

    run(case)


def test_dns_is_not_asked_for_strangers(run: Callable[[Case], None]) -> None:
    async def case() -> None:
        house = House()
        house.people()
        house.desk.roads = roads = ForgedOnTheWideRoad(here=True)
        async with house.open(MX) as port:
            client = await Raw.dial(port)
            await client.hello()
            assert (await client.say("MAIL FROM:<a@far.example> SIZE=1001")).startswith("250")
            assert (await client.say("RCPT TO:<alice@local.example>")).startswith("250")
            await client.close()
        assert roads.proved == ""

    run(case)
