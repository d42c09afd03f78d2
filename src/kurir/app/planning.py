"""What ``kurir serve`` does before it serves, and again at each reload: examine, bind, write the plan.

It loads everything, and lives in a process that does not stay (`serve` says why).
"""

import os
import pickle
import sys
from pathlib import Path

from kurir import __version__
from kurir.app.process import logs, privileges
from kurir.app.process.bound import Bound
from kurir.app.process.descriptors import make_room
from kurir.app.process.plan import Plan
from kurir.app.wiring import settings
from kurir.app.wiring.setup import certificates, examined
from kurir.config import Config, ConfigError
from kurir.net import BindError

# Below this many cores one process is faster (docs/explanation/architecture.md).
CORES_FOR_WORKERS = 4
# Seconds to end in: sessions and deliveries have `server.drain`, then the queue has; this is for all that is short.
GRACE = 30.0


def first(path: Path) -> tuple[Plan, Bound] | None:
    """Plan a start, with what only a start does: folders, certificates, limits, another user.

    Returns None where it cannot be (it has said why).  Raises `ConfigError`.
    """
    config = examined(path)
    (config.server.state / "run").mkdir(parents=True, exist_ok=True, mode=0o750)
    certificates(config)
    _make_room(config)
    bound = Bound()
    try:
        plan = _planned(path, config, bound)
        _become(config)
    except (BindError, privileges.PrivilegeError) as e:
        print(f"kurir: {e}", file=sys.stderr)
        return None
    return plan, bound


def again(path: Path, bound: Bound, log: logs.Log) -> Plan | None:
    """Plan a reload; `bound` takes what is new.  None where the old plan stays in force (it has said why)."""
    try:
        return _planned(path, examined(path), bound)
    except (ConfigError, BindError) as e:
        _refuse(log, [str(m) for m in getattr(e, "mistakes", [e])])
        return None


def _refuse(log: logs.Log, mistakes: list[str]) -> None:
    for mistake in mistakes:
        log.error("reload_refused", mistake=mistake)
    log.error("reload_failed", next="the old configuration stays in force; mend the file and try again")


def workers(config: Config) -> int:
    """Return how many reception and delivery processes there are; 0 is one process for everything."""
    if config.workers == "auto":
        cores = len(os.sched_getaffinity(0))
        return 0 if cores < CORES_FOR_WORKERS else min(cores // 2, 16)
    return config.workers


def _planned(path: Path, config: Config, bound: Bound) -> Plan:
    """Bind what is listened at and return the plan of it.  Raises `BindError`."""
    before, count, listen = bound.copy(), workers(config), config.listen
    for door in settings.doors(config):
        bound.take(door.spec, max(count, 1), door.mode)
    for spec in (*listen.admin, *listen.http, *listen.https):
        bound.take(spec, 1)
    bound.take(settings.control_place(config), 1, 0o600)
    if count:
        bound.take(settings.brain_place(config), 1, 0o600)
    return Plan(
        file=str(path),
        workers=count,
        config=pickle.dumps(config),
        places=tuple(bound.newer(before)),
        greeting=_greeting(config, count),
        log_format=config.log.format,
        log_level=config.log.level,
        patience=2 * config.server.drain + GRACE,
    )


def _make_room(config: Config) -> None:
    limit = make_room(config.reception.sessions)
    if limit is not None:
        log = logs.make(config.log.format, config.log.level, os.environ, "supervisor", forks=True)
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


def _greeting(config: Config, count: int) -> str:
    """Return what runs where: the first lines of ``kurir serve``."""
    shape = f"{2 * count + 2} processes" if count else "one process (workers = 0)"
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
    return "\n".join(lines) + os.environ.get("KURIR_PLAYGROUND_HINT", "")
