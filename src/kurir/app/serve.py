"""``kurir serve``: bind, fork the roles, and the tables of who they are."""

import asyncio
import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from kurir import __version__
from kurir.app.ipc.link import BrainLink
from kurir.app.ipc.reporting import Reporting
from kurir.app.process import logs, privileges
from kurir.app.process.descriptors import make_room
from kurir.app.process.logs import Log
from kurir.app.process.part import Part, Stop, run
from kurir.app.process.supervisor import Lifeline, Role, Supervisor
from kurir.app.roles.brain import BrainPart
from kurir.app.roles.control import ControlPart, WebDoors
from kurir.app.roles.delivery import DeliveryPart
from kurir.app.roles.reception import Doors, ReceptionPart
from kurir.app.wiring import settings
from kurir.app.wiring.setup import certificates, examined
from kurir.config import Config, ConfigError
from kurir.net import BindError, bind
from kurir.net.systemd import notify
from kurir.web import Figures

# Below this many cores one process is faster (docs/explanation/architecture.md).
CORES_FOR_WORKERS = 4


@dataclass(slots=True)
class Bound:
    """Sockets by the place they listen at; kept over reloads, at least one for each worker.

    `taken` are the places that were asked for.  A place that is still listened at keeps all its sockets when there
    are fewer workers: closing one would reset the connections that wait in it.
    """

    sockets: dict[str, list[socket.socket]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def copy(self) -> "Bound":
        """Return what a reload may add to: until `adopt` nothing that is in use changes."""
        return Bound({spec: list(sockets) for spec, sockets in self.sockets.items()})

    def take(self, spec: str, count: int, mode: int = 0o660) -> list[socket.socket]:
        """Return the sockets of a place, `count` or more, binding those that are missing.  Raises `BindError`."""
        have = self.sockets.get(spec, [])
        missing = count - len(have)
        if missing > 0:
            have = self.sockets[spec] = [*have, *bind(spec, missing, mode=mode, beside=have)]
        self.taken.add(spec)
        return have

    def adopt(self, fresh: "Bound") -> None:
        """Take over what a copy has taken; close what it did not ask for."""
        kept = {spec: sockets for spec, sockets in fresh.sockets.items() if spec in fresh.taken}
        self._close(fresh.sockets, kept)
        self.sockets = kept

    def reject(self, fresh: "Bound") -> None:
        """Forget a copy that came to nothing: close what it has bound."""
        self._close(fresh.sockets, self.sockets)

    @staticmethod
    def _close(sockets: dict[str, list[socket.socket]], kept: dict[str, list[socket.socket]]) -> None:
        stay = {id(s) for some in kept.values() for s in some}
        for some in sockets.values():
            for s in some:
                if id(s) not in stay:
                    s.close()


def workers(config: Config) -> int:
    """Return how many reception and delivery processes there are; 0 is one process for everything."""
    if config.workers == "auto":
        cores = len(os.sched_getaffinity(0))
        return 0 if cores < CORES_FOR_WORKERS else min(cores // 2, 16)
    return config.workers


def serve(path: Path) -> int:
    """Run the server until SIGTERM; return the exit code.  Raises `ConfigError`."""
    config = examined(path)
    log = logs.make(config.log.format, config.log.level, os.environ, "supervisor", forks=True)
    state = config.server.state
    (state / "run").mkdir(parents=True, exist_ok=True, mode=0o750)
    certificates(config)
    _make_room(config, log)
    bound = Bound()
    try:
        roles = _roles(config, bound)
        _become(config)
    except (BindError, privileges.PrivilegeError) as e:
        print(f"kurir: {e}", file=sys.stderr)
        return 1

    def reload() -> list[Role] | None:
        try:
            fresh = examined(path)
            new = _roles(fresh, bound)
        except (ConfigError, BindError) as e:
            mistakes = [str(m) for m in getattr(e, "mistakes", [e])]
            _refuse_reload(log, mistakes)
            return None
        log.info("reloaded", file=str(path))
        return new

    def ready(supervisor: Supervisor) -> None:
        _greet(config, supervisor.pids())
        log.info("serving", version=__version__, workers=workers(config), pids=supervisor.pids())
        notify(os.environ, "READY=1")

    return Supervisor(roles, ready, reload, log.info).run()


def _refuse_reload(log: Log, mistakes: list[str]) -> None:
    for mistake in mistakes:
        log.error("reload_refused", mistake=mistake)
    log.error("reload_failed", next="the old configuration stays in force; mend the file and try again")


def _make_room(config: Config, log: Log) -> None:
    limit = make_room(config.reception.sessions)
    if limit is not None:
        log.warning(
            "few_descriptors",
            limit=limit,
            sessions=config.reception.sessions,
            next="raise LimitNOFILE or ulimit -n",
        )


def _become(config: Config) -> None:
    if os.geteuid() != 0:
        return
    if config.server.user:
        privileges.give(config.server.state, config.server.user)
        privileges.drop(config.server.user)
    else:
        print(
            "kurir: WARNING: running as root, because server.user is not set; "
            "make a user (useradd --system kurir) and name it in the configuration",
            file=sys.stderr,
        )


def _roles(config: Config, bound: Bound) -> list[Role]:
    """Bind what is listened at and return the processes.  Raises `BindError`, and then nothing has changed."""
    fresh = bound.copy()
    try:
        roles = _processes(config, fresh)
    except BaseException:
        bound.reject(fresh)
        raise
    bound.adopt(fresh)
    return roles


def _processes(config: Config, bound: Bound) -> list[Role]:
    count = workers(config)
    shares = max(count, 1)
    listening = [(d.listener, bound.take(d.spec, shares, d.mode)) for d in settings.doors(config)]
    listen = config.listen
    web = WebDoors(
        *([bound.take(spec, 1)[0] for spec in s] for s in (listen.admin, listen.http, listen.https))
    )
    brain_spec = f"unix:{config.server.state / settings.BRAIN_SOCKET}"
    if count == 0:
        mine = [(listener, s) for listener, sockets in listening for s in sockets]
        return [Role("all", partial(_everything, config, mine, web))]
    brain = bound.take(brain_spec, 1, 0o600)[0]
    roles = [Role("brain", partial(_brain, config, brain))]
    for i in range(count):
        mine = [(listener, s) for listener, sockets in listening for s in sockets[i::count]]
        roles.append(Role(f"reception-{i + 1}", partial(_reception, config, mine)))
    roles += [Role(f"delivery-{i + 1}", partial(_delivery, config)) for i in range(count)]
    roles.append(Role("control", partial(_control, config, web)))
    return roles


def _log(config: Config, role: str) -> Log:
    return logs.make(config.log.format, config.log.level, os.environ, role)


def _everything(config: Config, doors: Doors, web: WebDoors, line: Lifeline) -> int:
    log = _log(config, "all")

    async def parts(stop: Stop) -> Sequence[Part]:
        brain = BrainPart(config, log, stop)
        return [brain, _Rest(config, log, brain, doors, web)]

    return run(parts, line, log)


class _Rest:
    """Everything but the brain, in the brain's process: made once the brain has its door."""

    name = "rest"

    def __init__(self, config: Config, log: Log, brain: BrainPart, doors: Doors, web: WebDoors) -> None:
        self._make = (config, log, brain, doors, web)
        self._started: list[Part] = []

    async def start(self) -> None:
        config, log, brain, doors, web = self._make

        async def gather() -> Sequence[Figures]:
            return brain.gather()

        delivery = DeliveryPart(config, log, brain.door)
        reception = ReceptionPart(config, log, brain.door, doors)
        control = ControlPart(config, log, brain.operate, gather, web)
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


def _brain(config: Config, listener: socket.socket, line: Lifeline) -> int:
    log = _log(config, "brain")

    async def parts(stop: Stop) -> Sequence[Part]:
        return [BrainPart(config, log, stop, listener)]

    return run(parts, line, log)


def _link(config: Config, role: str) -> BrainLink:
    return BrainLink(str(config.server.state / settings.BRAIN_SOCKET), role)


def _reception(config: Config, doors: Doors, line: Lifeline) -> int:
    log = _log(config, "reception")

    async def parts(_: Stop) -> Sequence[Part]:
        link = _link(config, "reception")
        part = ReceptionPart(config, log, link, doors)
        return [_Connected(link), part, Reporting(link, part.figures)]

    return run(parts, line, log)


def _delivery(config: Config, line: Lifeline) -> int:
    log = _log(config, "delivery")

    async def parts(_: Stop) -> Sequence[Part]:
        link = _link(config, "delivery")
        part = DeliveryPart(config, log, link)
        return [_Connected(link, part), Reporting(link, part.figures)]

    return run(parts, line, log)


def _control(config: Config, web: WebDoors, line: Lifeline) -> int:
    log = _log(config, "control")

    async def parts(_: Stop) -> Sequence[Part]:
        link = _link(config, "control")
        part = ControlPart(config, log, link.operate, link.gather, web)
        return [_Connected(link), part]

    return run(parts, line, log)


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
            await self._delivery.stop()
        await asyncio.sleep(0)  # what was settled in the last turn goes out first
        await self._link.close()


def _greet(config: Config, pids: dict[str, int]) -> None:
    """Say what runs where: the first lines of ``kurir serve``."""
    count = workers(config)
    shape = f"{len(pids)} processes" if count else "one process (workers = 0)"
    listen = config.listen
    lines = [
        f"Kurir {__version__} serves {', '.join(config.domains) or config.server.hostname} with {shape}."
    ]
    for name, specs in (
        ("smtp", listen.smtp), ("submission", listen.submission), ("submissions", listen.submissions),
        ("lmtp", listen.lmtp), ("http", listen.http), ("https", listen.https), ("admin", listen.admin),
    ):  # fmt: skip
        if specs:
            lines.append(f"  {name:<12} {', '.join(specs)}")
    hint = os.environ.get("KURIR_PLAYGROUND_HINT", "")
    print("\n".join(lines) + hint, file=sys.stdout, flush=True)
