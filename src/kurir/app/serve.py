"""``kurir serve``: from the first line to the last.

Two kinds of process have opposite needs.  Examining a configuration loads nearly all of the code; the supervisor
stays for months, does little, and must stay small, or it holds as much memory as the server itself.  So whoever
plans does not stay: at a start this process plans, drops privileges and then *becomes* a supervisor that has
loaded nothing (`exec`, with the plan and the sockets handed over); at a reload the supervisor forks a planner,
which ends.  A role loads its code after the fork; where there are several, it is loaded before, to be shared.
"""

import gc
import importlib
import os
import signal
import socket
import sys
from functools import partial
from pathlib import Path
from typing import NoReturn

import setproctitle

from kurir import __version__
from kurir.app.process import logs
from kurir.app.process.bound import Bound
from kurir.app.process.plan import BRAIN, Plan, channel, receive, send
from kurir.app.process.supervisor import Lifeline, Role, Supervisor
from kurir.app.process.systemd import notify

PLANNING_SECONDS = 60  # for a reload; it takes about one


def serve(path: Path) -> int:
    """Run the server until SIGTERM; return the exit code.  Raises `ConfigError`."""
    # What is asked for before there is a supervisor waits for it; on its own, the first reload would end the server.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGTERM})
    planned = None
    try:
        from kurir.app import planning

        planned = planning.first(path)
    finally:
        if planned is None:  # there will be none
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if planned is None:
        return 1
    plan, bound = planned
    if _can_begin_anew():
        _begin_anew(plan, bound)
    return _supervise(plan, bound)


def _can_begin_anew() -> bool:
    """Whether this user may read what is loaded; a program below the home of root goes on with what it has."""
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return os.access(sys.executable, os.X_OK) and all(os.access(file, os.R_OK) for file in files if file)


def _begin_anew(plan: Plan, bound: Bound) -> None:
    """Become a process that has loaded nothing but this module; same process id, same environment."""
    ours, theirs = channel()
    send(theirs, plan, bound.newest(plan.places))
    ours.set_inheritable(True)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", __name__, str(ours.fileno())])  # noqa: S606 - it is us


def _supervise(plan: Plan, bound: Bound) -> int:
    setproctitle.setproctitle("kurir: supervisor")
    log = logs.make(plan.log_format, plan.log_level, os.environ, "supervisor", forks=True)

    def ready(supervisor: Supervisor) -> None:
        print(plan.greeting, flush=True)
        log.info("serving", version=__version__, workers=plan.workers, pids=supervisor.pids())
        notify(os.environ, "READY=1")

    def reload() -> list[Role] | None:
        fresh = bound.copy()
        new = _planned_apart(plan.file, fresh, log)
        if new is None:
            return None
        bound.adopt(fresh)
        log.info("reloaded", file=new.file)
        return _roles(new, bound)

    return Supervisor(_roles(plan, bound), ready, reload, log.info).run()


def _planned_apart(file: str, bound: Bound, log: logs.Log) -> Plan | None:
    """Let a process that ends plan a reload; `bound` takes what that has bound.  None where it refused."""
    ours, theirs = channel()
    pid = os.fork()
    if pid == 0:
        _plan_and_end(file, bound, log, theirs)
    theirs.close()
    handed = receive(ours)
    _, status = os.waitpid(pid, 0)
    if handed is None:
        if status:
            log.error(
                "reload_failed", why="it could not be examined", next="the old configuration stays in force"
            )
        return None
    plan, sockets = handed
    bound.add(plan.places, sockets)
    return plan


def _plan_and_end(file: str, bound: Bound, log: logs.Log, end: socket.socket) -> NoReturn:
    signal.alarm(PLANNING_SECONDS)  # nobody else watches over the roles meanwhile
    code = 1
    try:
        from kurir.app import planning

        plan = planning.again(Path(file), bound, log)
        if plan is not None:
            send(end, plan, bound.newest(plan.places))
        code = 0
    except BaseException:  # noqa: BLE001 - the last line of a process: say it and end
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def _roles(plan: Plan, bound: Bound) -> list[Role]:
    if plan.workers:
        importlib.import_module("kurir.app.roles.processes")  # once, for all of them
    sockets = dict(bound.sockets)
    return [
        Role(name, partial(_work, plan, name, sockets), last=name == BRAIN, patience=plan.patience)
        for name in plan.names()
    ]


def _work(plan: Plan, name: str, sockets: dict[str, list[socket.socket]], line: Lifeline) -> int:
    gc.disable()  # what is loaded now is no garbage; a part that has started turns it on again
    from kurir.app.roles.processes import work

    return work(plan, name, sockets, line)


def _main() -> int:
    """Go on as the supervisor, with what `_begin_anew` has handed over."""
    handed = receive(socket.socket(fileno=int(sys.argv[1])))
    if handed is None:
        return 1
    plan, sockets = handed
    bound = Bound()
    bound.add(plan.places, sockets)
    return _supervise(plan, bound)


if __name__ == "__main__":
    sys.exit(_main())
