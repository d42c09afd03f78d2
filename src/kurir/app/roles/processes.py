"""Which parts run in which process: what a role becomes once it has been forked.

This is where all the code of the server is loaded: in the role itself where there is one, before the fork, so that
it is shared, where there are several.
"""

import asyncio
import os
import pickle
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kurir.app.ipc.link import BrainLink
from kurir.app.ipc.reporting import Reporting
from kurir.app.process import logs
from kurir.app.process.logs import Log
from kurir.app.process.part import Part, Stop, run
from kurir.app.process.plan import Plan
from kurir.app.process.supervisor import Lifeline
from kurir.app.wiring import settings
from kurir.config import Config
from kurir.web import Figures

from .brain import BrainPart
from .control import ControlPart, WebDoors
from .delivery import DeliveryPart
from .reception import Doors, ReceptionPart


@dataclass(frozen=True, slots=True)
class Post:
    """Where a process stands: its configuration and log, the sockets by their place, and which of `workers` it is."""

    config: Config
    log: Log
    sockets: Mapping[str, Sequence[socket.socket]]
    number: int
    workers: int

    def doors(self) -> Doors:
        """Return its share of what mail comes in by."""
        return [
            (door.listener, s)
            for door in settings.doors(self.config)
            for s in self.sockets[door.spec][self.number :: self.workers]
        ]

    def web(self) -> WebDoors:
        """Return what is served by HTTP: one socket for each place."""
        listen = self.config.listen
        return WebDoors(
            *([self.sockets[spec][0] for spec in s] for s in (listen.admin, listen.http, listen.https))
        )

    def asked(self) -> socket.socket:
        """Return where commands ask."""
        return self.sockets[settings.control_place(self.config)][0]

    def link(self, role: str) -> BrainLink:
        """Return a link to the brain's process."""
        return BrainLink(str(self.config.server.state / settings.BRAIN_SOCKET), role)


def work(plan: Plan, name: str, sockets: Mapping[str, Sequence[socket.socket]], line: Lifeline) -> int:
    """Be the process of that name until SIGTERM; return the exit code."""
    role, _, number = name.partition("-")
    post = Post(
        pickle.loads(plan.config),  # noqa: S301 - our own process made it
        logs.make(plan.log_format, plan.log_level, os.environ, role),
        sockets,
        int(number or 1) - 1,
        max(plan.workers, 1),
    )

    async def parts(stop: Stop) -> Sequence[Part]:
        return _PARTS[role](post, stop)

    return run(parts, line, post.log)


def _all(post: Post, stop: Stop) -> list[Part]:
    brain = BrainPart(post.config, post.log, stop)
    return [brain, _Rest(post, brain)]


def _brain(post: Post, stop: Stop) -> list[Part]:
    return [BrainPart(post.config, post.log, stop, post.sockets[settings.brain_place(post.config)][0])]


def _reception(post: Post, _: Stop) -> list[Part]:
    link = post.link("reception")
    part = ReceptionPart(post.config, post.log, link, post.doors())
    return [_Connected(link), part, Reporting(link, part.figures)]


def _delivery(post: Post, _: Stop) -> list[Part]:
    link = post.link("delivery")
    part = DeliveryPart(post.config, post.log, link)
    return [_Connected(link, part), Reporting(link, part.figures)]


def _control(post: Post, _: Stop) -> list[Part]:
    link = post.link("control")
    part = ControlPart(post.config, post.log, link.operate, link.gather, post.web(), post.asked())
    return [_Connected(link), part]


_PARTS: Mapping[str, Callable[[Post, Stop], list[Part]]] = {
    "all": _all,
    "brain": _brain,
    "reception": _reception,
    "delivery": _delivery,
    "control": _control,
}


class _Rest:
    """Everything but the brain, in the brain's process: made once the brain has its door."""

    name = "rest"

    def __init__(self, post: Post, brain: BrainPart) -> None:
        self._post = post
        self._brain = brain
        self._started: list[Part] = []

    async def start(self) -> None:
        post, brain = self._post, self._brain

        async def gather() -> Sequence[Figures]:
            return brain.gather()

        delivery = DeliveryPart(post.config, post.log, brain.door)
        reception = ReceptionPart(post.config, post.log, brain.door, post.doors())
        control = ControlPart(post.config, post.log, brain.operate, gather, post.web(), post.asked())
        for part in (delivery, control, reception):
            await part.start()
            self._started.append(part)
        brain.gather_local += [delivery.figures, reception.figures]
        brain.brain.hand_connected(delivery.hand, ())

    async def stop(self) -> None:
        """All at once, so that one deadline holds for all of them."""
        ends = await asyncio.gather(*(part.stop() for part in self._started), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end


class _Connected:
    """The link as a part; with `delivery` it offers the hand first, and stays until that has settled its last lease."""

    name = "link"

    def __init__(self, link: BrainLink, delivery: DeliveryPart | None = None) -> None:
        self._link = link
        self._delivery = delivery

    async def start(self) -> None:
        if self._delivery is not None:
            await self._delivery.start()
            self._link.attach(self._delivery.hand, self._delivery.hand.busy)
        await self._link.start()

    async def stop(self) -> None:
        if self._delivery is not None:
            self._link.leave()
            await self._delivery.stop()
        await asyncio.sleep(0)  # what was settled in the last turn goes out first
        await self._link.close()
