"""A road with several addresses of ours: spread, kept for a greylist, and one that is refused is left at once."""

from collections import Counter
from dataclasses import replace

import pytest
from msgspec import structs

from kurir.delivery import SourceTurn
from kurir.model import Cause, OutcomeKind, Stage
from kurir.queue.asks import Road
from tests.integration.scripted_peer import DEFAULTS, Peer, peer
from tests.unit.delivery.doubles import FakeClock, Harness, lease_for, smarthost_settings

H = OutcomeKind.HANDED_OVER
A, B = "127.0.0.21", "127.0.0.22"
LISTED = b"554 5.7.1 Service unavailable; Client host blocked using bl.example\r\n"


class Receiver(Peer):
    """Refuses the addresses in `listed` at `stage`; `came_from` are the clients in order."""

    def __init__(self, *a, **kw):
        super().__init__(*a, **kw)
        self.listed, self.stage, self.came_from = set(), "RCPT", []

    async def serve(self, reader, writer):
        client = writer.get_extra_info("peername")[0]
        self.came_from.append(client)
        await Session(self, client).serve(reader, writer)


class Session(Peer):
    """One client of a receiver."""

    def __init__(self, receiver, client):
        super().__init__(receiver.script)
        self.receiver, self.client = receiver, client
        self.lines, self.messages, self.tasks = receiver.lines, receiver.messages, receiver.tasks

    def answer(self, *steps):
        receiver = self.receiver
        if self.client in receiver.listed and receiver.stage in steps:
            return LISTED
        return super().answer(*steps)


def settings(port, *sources, **changes):
    return smarthost_settings(port, route={"source": sources or (A, B)}, **changes)


def leases(s, *numbers, id_from=0):
    made = (lease_for(s, n, [f"b{n}@example.org"]) for n in numbers)
    return [structs.replace(lease, id=lease.id + id_from) for lease in made]


async def test_messages_are_spread_and_each_leaves_from_the_same_address_again():
    clients: dict[int, set[str]] = {n: set() for n in range(1, 13)}
    async with peer(kind=Receiver) as p:
        s = settings(p.port, idle=0.0)
        for turn in range(3):  # a new hand each time: nothing has to be remembered
            harness = Harness(s)
            for n in clients:
                before = len(p.came_from)
                await harness.deliver(leases(s, n, id_from=100 * turn))
                clients[n] |= set(p.came_from[before:])
            await harness.drain()
    assert all(len(used) == 1 for used in clients.values()), clients
    assert {*clients[1], *(a for used in clients.values() for a in used)} == {A, B}


@pytest.mark.parametrize("stage", ["RCPT", "banner"])
async def test_an_address_that_is_listed_is_left_at_once_and_comes_back(stage):
    turns: list[SourceTurn] = []
    clock = FakeClock()
    async with peer(kind=Receiver) as p:
        p.listed, p.stage = {B}, stage
        s = settings(p.port, idle=0.0)
        harness = Harness(s, clock=clock, left=turns.append)
        for n in range(1, 13):
            results = await harness.deliver(leases(s, n))
            assert [o.kind for o in results.values()] == [H], results
        assert Counter(p.came_from) == {A: 12, B: 1}  # one refusal, then it rests
        assert [(t.source, t.left) for t in turns] == [(B, True)]
        assert "blocked using bl.example" in turns[0].words
        p.listed = set()
        clock.at += s.source_rest + 1
        for n in range(1, 13):
            await harness.deliver(leases(s, n, id_from=100))
        await harness.drain()
    assert Counter(p.came_from)[B] > 1
    assert [(t.source, t.left) for t in turns] == [(B, True), (B, False)]


async def test_the_outcome_says_which_address_was_refused():
    async with peer(kind=Receiver) as p:
        p.listed = {B}
        s = settings(p.port)
        harness = Harness(s)
        results = await harness.deliver(leases(s, *range(1, 13)))
        await harness.drain()
    told = [o.detail for o in results.values() if o.detail]
    assert told and all(
        t.startswith(f"sent from our address {A}, since another was refused: {B}: 554 5.7.1") for t in told
    )


async def test_where_all_are_refused_the_queue_hears_it_once():
    async with peer(kind=Receiver) as p:
        p.listed = {A, B}
        s = settings(p.port, idle=0.0)
        harness = Harness(s)
        for n in (1, 2, 3):
            (outcome,) = (await harness.deliver(leases(s, n))).values()
            assert (outcome.kind, outcome.cause) == (OutcomeKind.FAILED, Cause.BLOCKLISTED)
        await harness.drain()
    # the first lease tries both, and later ones, which find both at rest, their own
    assert len(p.came_from) == 4


async def test_a_host_that_refuses_one_road_at_the_greeting_is_tried_by_another():
    """The second road leaves from another address: what the first one heard there says nothing about it."""
    async with peer(kind=Receiver) as p:
        p.listed, p.stage = {A}, "banner"
        s = settings(p.port, A)
        spare = replace(s.routes[0], name="spare", source=(B,))
        s = replace(s, routes=(*s.routes, spare))
        harness = Harness(s, clock=FakeClock())
        (first,) = (await harness.deliver(leases(s, 1))).values()
        assert (first.stage, first.cause) == (Stage.BANNER, Cause.BLOCKLISTED)
        (lease,) = leases(s, 2)
        again = structs.replace(lease, road=Road("spare", lease.road.site, lease.road.concurrency))
        (second,) = (await harness.deliver([again])).values()
        await harness.drain()
    assert second.kind is H, second
    assert p.came_from == [A, B] and DEFAULTS["dot"].decode().strip() == str(second.reply)
