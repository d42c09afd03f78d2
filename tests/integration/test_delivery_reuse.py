"""Connections: how many, how long, for whom; and what becomes of leases when the hand stops."""

import asyncio
from dataclasses import replace

import msgspec
import pytest

from kurir.delivery import DeliverySettings, Route, RouteKind
from kurir.model import Cause, OutcomeKind, Stage
from kurir.queue.asks import PlanRequest
from tests.harness import PATIENCE
from tests.integration.scripted_peer import CLOSE, SILENT, ehlo, peer
from tests.unit.delivery.doubles import FakeResolver, Harness, lease_for, ok, smarthost_settings

H = OutcomeKind.HANDED_OVER


def leases(s, count, **more):
    return [lease_for(s, n, ["a@example.org"], **more) for n in range(1, count + 1)]


async def test_one_connection_carries_many():
    async with peer() as p:
        s = smarthost_settings(p.port, concurrency=1)
        harness = Harness(s)
        results = await harness.deliver(leases(s, 30))
        await harness.drain()
    assert len(results) == 30 and p.connections == 1 and len(p.messages) == 30
    assert p.lines.count("EHLO client.example") == 1 and p.lines[-1] == "QUIT"


async def test_concurrency_is_a_limit():
    async with peer() as p:
        s = smarthost_settings(p.port, concurrency=4)
        harness = Harness(s)
        results = await harness.deliver(leases(s, 40))
        await harness.drain()
    assert len(results) == 40 and p.connections == 4


async def test_connections_end_after_their_share():
    async with peer() as p:
        s = smarthost_settings(p.port, concurrency=1, max_messages_per_connection=7)
        harness = Harness(s)
        await harness.deliver(leases(s, 21))
        await harness.drain()
    assert p.connections == 3 and p.lines.count("QUIT") == 3


async def test_a_connection_that_ended_is_replaced_while_work_waits():
    async with peer() as p:
        s = smarthost_settings(p.port, concurrency=3, max_messages_per_connection=5)
        harness = Harness(s)
        results = await harness.deliver(leases(s, 60))
        await harness.drain()
    assert len(results) == 60 and 12 <= p.connections <= 14


async def test_a_fault_of_ours_costs_an_attempt_and_no_lease(monkeypatch):
    async with peer() as p:
        s = smarthost_settings(p.port)
        harness = Harness(s)
        said = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context["message"]))
        with monkeypatch.context() as m:
            m.setattr("kurir.smtp.client.Client.transaction", lambda *_: 1 / 0)
            broken = (await harness.deliver(leases(s, 1)))[1, 0]
        whole = (await harness.deliver(leases(s, 1)))[1, 0]
        await harness.drain()
    assert broken.kind is OutcomeKind.DEFERRED and "ZeroDivisionError" in broken.detail
    assert whole.kind is H and said == ["delivery of message 1 failed"]


async def test_limits_mailmax_is_obeyed():
    async with peer({"EHLO": ehlo("PIPELINING", "LIMITS MAILMAX=2 RCPTMAX=10")}) as p:
        s = smarthost_settings(p.port, concurrency=1)
        harness = Harness(s)
        await harness.deliver(leases(s, 4))
        await harness.drain()
    assert p.connections == 2


async def test_idle_connections_end():
    async with peer() as p:
        s = smarthost_settings(p.port, idle=0.05)
        harness = Harness(s)
        await harness.deliver(leases(s, 1))
        async with asyncio.timeout(PATIENCE):
            while "QUIT" not in p.lines:
                await asyncio.sleep(0.01)
        await harness.deliver(leases(s, 1))
    assert p.connections == 2


async def test_a_connection_that_works_while_the_hand_stops_ends_with_its_work():
    async with peer() as p:
        taken = asyncio.Event()
        say = p.say

        async def slowly(reader, writer, answer):
            if answer == p.script["dot"]:
                await taken.wait()
            return await say(reader, writer, answer)

        p.say = slowly
        s = smarthost_settings(p.port, idle=60.0)
        harness = Harness(s)
        sending = asyncio.create_task(harness.deliver(leases(s, 1)))
        while "DATA" not in p.lines:
            await asyncio.sleep(0.01)
        stopping = asyncio.create_task(harness.drain())
        await asyncio.sleep(0.01)
        taken.set()
        async with asyncio.timeout(PATIENCE):
            await stopping
            results = await sending
    assert {o.kind for o in results.values()} == {H}
    assert p.lines[-1] == "QUIT"


@pytest.mark.parametrize("parting", [CLOSE, (b"421 4.4.2 idle too long\r\n", CLOSE)])
async def test_a_connection_that_the_peer_closed_while_idle_is_no_failure(parting):
    async with peer({"MAIL": [b"250 ok\r\n", parting, b"250 ok\r\n"]}) as p:
        s = smarthost_settings(p.port, concurrency=1)
        harness = Harness(s)
        results = await harness.deliver(leases(s, 2))
        await harness.drain()
    assert {o.kind for o in results.values()} == {H} and p.connections == 2


async def test_a_refused_second_connection_leaves_the_work_to_the_first():
    async with peer({"banner": [b"220 ok\r\n", b"421 4.7.0 too many connections\r\n"]}) as p:
        s = smarthost_settings(p.port, concurrency=5)
        harness = Harness(s)
        await harness.deliver(leases(s, 1))
        results = await harness.deliver(leases(s, 12))
        await harness.drain()
    assert {o.kind for o in results.values()} == {H}
    assert len(p.messages) == 13


async def test_domains_of_one_provider_share_their_connections():
    hosts = (10, "mx1.provider.example"), (20, "mx2.provider.example")
    resolver = FakeResolver(
        mx={f"d{n}.example": ok(*hosts[:: 1 if n % 2 else -1]) for n in range(50)},
        a={"mx1.provider.example": ok("127.0.0.1"), "mx2.provider.example": ok("127.0.0.1")},
    )
    async with peer() as p:
        s = DeliverySettings(
            hello_name="client.example",
            routes=(Route(name="mx", kind=RouteKind.MX, concurrency=2),),
            allow_loopback_peers=True,
            mx_port=p.port,
        )
        harness = Harness(s, resolver)
        harness.hand.plan([PlanRequest("client.example", f"d{n}.example") for n in range(50)])
        while len(harness.brain.plans) < 50:
            await harness.brain.done.wait()
            harness.brain.done.clear()
        roads = {plan.roads[0] for plan in harness.brain.plans}
        assert len(roads) == 1
        work = [
            msgspec.structs.replace(lease_for(s, n, [f"a@d{n}.example"]), road=next(iter(roads)))
            for n in range(50)
        ]
        results = await harness.deliver(work)
        await harness.drain()
    assert {o.kind for o in results.values()} == {H} and p.connections == 2


async def test_answers_come_in_batches():
    async with peer() as p:
        s = smarthost_settings(p.port)
        harness = Harness(s)
        refused = [lease_for(s, n, ["a@example.org"], require_tls=True) for n in range(1, 20)]
        await harness.deliver(refused)
        assert harness.brain.calls < 19


@pytest.mark.parametrize(("step", "possibly"), [("MAIL", False), ("dot", True)])
async def test_drain_gives_back_what_was_not_sent(step, possibly):
    async with peer({step: SILENT}) as p:
        s = smarthost_settings(p.port, concurrency=1)
        harness = Harness(s)
        harness.hand.work(leases(s, 3))
        async with asyncio.timeout(PATIENCE):
            await p.silent.wait()
        assert sorted(b.number for b in harness.hand.busy()) == [1, 2, 3]
        await harness.hand.drain(0.05)
    settled = {x.number: dict(x.results) for x in harness.brain.settlements}
    assert set(settled) == {1, 2, 3} and not settled[2] and not settled[3]
    assert not harness.hand.busy() and harness.hand.slots == 0
    if possibly:
        assert settled[1][0].possibly_delivered and settled[1][0].stage is Stage.BODY
        assert settled[1][0].cause is Cause.LOST_REPLY
    else:
        assert not settled[1]


async def test_a_sandbox_server_captures(tmp_path):
    async with peer() as p:
        server = await asyncio.start_unix_server(p.serve, tmp_path / "s")
        s = smarthost_settings(0, hop={"host": "", "path": str(tmp_path / "s")})
        s = replace(s, routes=(replace(s.routes[0], kind=RouteKind.SANDBOX),))
        harness = Harness(s)
        outcome = (await harness.deliver([lease_for(s, 1, ["a@example.org"])]))[1, 0]
        await harness.drain()
        server.close()
    assert (outcome.kind, outcome.cause) == (OutcomeKind.CAPTURED, Cause.SANDBOX)
