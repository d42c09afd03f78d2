"""Connections that are counted together: never more at once, and nobody waits for ever."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from kurir.delivery.sending.ceiling import Ceiling, Ceilings
from kurir.limits import Quota, Unit
from kurir.queue import Road
from tests.harness import PATIENCE


class Site:
    """Opens connections under a ceiling and keeps them idle until it is asked for them."""

    def __init__(self, ceiling: Ceiling) -> None:
        self.ceiling = ceiling
        self.idle = 0
        ceiling.sharers[self] = None

    async def work(self) -> None:
        await self.ceiling.enter()
        self.idle += 1
        if self.ceiling.wanted:
            self.spare()

    def spare(self) -> bool:
        if not self.idle:
            return False
        self.idle -= 1
        asyncio.get_running_loop().call_soon(self.ceiling.leave)
        return True


@given(most=st.integers(1, 4), turns=st.lists(st.integers(0, 2), max_size=30))
def test_never_more_than_allowed_and_all_get_their_turn(most: int, turns: list[int]) -> None:
    async def run() -> None:
        ceiling = Ceiling(most)
        sites = [Site(ceiling) for _ in range(3)]
        for i in turns:
            await asyncio.wait_for(sites[i].work(), PATIENCE)
            assert sum(site.idle for site in sites) <= most

    asyncio.run(run())


def test_who_gives_up_waiting_takes_nobodys_place() -> None:
    async def run() -> None:
        ceiling = Ceiling(1)
        await ceiling.enter()
        first, second = (asyncio.ensure_future(ceiling.enter()) for _ in range(2))
        await asyncio.sleep(0)
        ceiling.leave()
        first.cancel()  # its turn had come already
        await asyncio.gather(first, return_exceptions=True)
        await asyncio.wait_for(second, PATIENCE)
        ceiling.leave()
        assert not ceiling.wanted
        await ceiling.enter()

    asyncio.run(run())


def test_sites_of_one_receiver_share_one() -> None:
    once = Quota("at-g/connections/once", Unit.CONNECTIONS, 3, 0.0, 3)
    a_day = Quota("at-g/messages/day", Unit.MESSAGES, 9, 86400.0, 9)
    ceilings = Ceilings()
    one = ceilings.of(Road("mx", "a.example", quotas=(a_day, once)))
    assert one is not None
    assert one.most == 3
    assert ceilings.of(Road("mx", "b.example", quotas=(once,))) is one
    assert ceilings.of(Road("mx", "c.example", quotas=(a_day,))) is None
