"""The parent of all roles: binds sockets, forks, restarts what falls, passes signals on.  It parses nothing.

It is a plain loop around ``sigtimedwait`` without threads or an event loop, so that forking is safe and a
role that dies can always be started again.  Each role holds the reading end of one pipe whose writing end
only the supervisor has: when the supervisor is killed, the pipe closes and every role ends, so no orphan
keeps a port or the queue's lock.
"""

import contextlib
import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import setproctitle

_SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
# A role that dies is started again after this many seconds, doubling to the cap while it keeps dying.
# One that did serve comes back soon however often it falls: until then its connections wait unanswered.
RESTART_FIRST = 0.1
RESTART_SERVED = 1.0
RESTART_MAX = 10.0
HEALTHY_AFTER = 30.0


@dataclass(frozen=True, slots=True)
class Lifeline:
    """What a forked role is given: end when `parent` reads end of file; write one byte to `ready` when serving."""

    parent: int
    ready: int


@dataclass(slots=True)
class Role:
    """One process: its name and what it runs.  `run` returns the exit code; it must not return to the caller's stack.

    `last` is a role that the others still need while they end.  A process that has been asked to end is killed after
    `patience` seconds: what it held is as safe as in a power cut, and nobody waits for ever.  `served` says that it
    has been ready once: from then on its end is an accident, and it is started again.
    """

    name: str
    run: Callable[[Lifeline], int]
    last: bool = False
    patience: float = float("inf")
    pid: int = 0
    started: float = 0.0
    failures: int = 0
    due: float | None = 0.0
    ready: int = -1
    served: bool = False


@dataclass(slots=True)
class Supervisor:
    """Runs `roles` until SIGTERM.

    `on_ready` is called once when all roles serve; `reload` is called on SIGHUP, once they do, and returns the new
    roles, or None to keep the old ones (it has said why); `log` takes an event name and values.
    """

    roles: list[Role]
    on_ready: Callable[["Supervisor"], None]
    reload: Callable[[], list[Role] | None]
    log: Callable[..., None]
    _pipe: tuple[int, int] = (-1, -1)
    _stopping: bool = False
    _announced: bool = False
    _reload_wanted: bool = False
    _old: dict[int, Role] = field(default_factory=dict)
    _asked: dict[int, tuple[float, float]] = field(default_factory=dict)
    """When each process that is to end was asked to, and its patience."""
    exit_code: int = 0

    def run(self) -> int:
        """Start everything, wait, and return the exit code after the last role has ended."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        self._pipe = os.pipe()
        gc.collect()
        gc.freeze()  # what is loaded now is shared with the roles and never moved by their collectors
        while self.roles or self._old:
            self._start_due()
            self._look_for_ready()
            self._reload()
            info = signal.sigtimedwait(_SIGNALS, self._patience())
            if info is not None:
                self._signal(info.si_signo)
            self._reap()
            self._usher()
        return self.exit_code

    def pids(self) -> dict[str, int]:
        """Return the process of each role."""
        return {r.name: r.pid for r in self.roles if r.pid}

    # -- starting ---------------------------------------------------------------

    def _start_due(self) -> None:
        now = time.monotonic()
        for role in self.roles:
            due = self._due(role)
            if due is not None and due <= now and not self._stopping:
                self._fork(role)

    def _due(self, role: Role) -> float | None:
        """Return when a role is to be started; None while it runs, or is new and those before it still drain."""
        takes_over = bool(self._old) and role.started == 0.0
        return role.due if role.pid == 0 and not takes_over else None

    def _fork(self, role: Role) -> None:
        reading, writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            self._become(role, reading, writing)
        os.close(writing)
        os.set_blocking(reading, False)
        role.pid, role.started, role.due, role.ready = pid, time.monotonic(), None, reading

    def _become(self, role: Role, reading: int, writing: int) -> None:
        code = 1
        try:
            os.close(reading)
            os.close(self._pipe[1])
            for other in [*self.roles, *self._old.values()]:
                self._hang_up(other)
            setproctitle.setproctitle(f"kurir: {role.name}")
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            code = role.run(Lifeline(self._pipe[0], writing))
        except KeyboardInterrupt:
            code = 0
        except BaseException:  # noqa: BLE001 - the last line of a process: say it and end
            sys.excepthook(*sys.exc_info())
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _look_for_ready(self) -> None:
        for role in self.roles:
            self._hear(role)
        if self._announced or self._stopping:
            return
        if all(r.pid and r.ready == -1 and r.due is None for r in self.roles):
            self._announced = True
            self.on_ready(self)

    @staticmethod
    def _hear(role: Role) -> None:
        """Note it when a role has said that it serves; end of file says that it never will."""
        if role.ready < 0:
            return
        try:
            said = os.read(role.ready, 1)
        except BlockingIOError:
            return
        os.close(role.ready)
        role.ready = -1 if said else -2
        role.served |= bool(said)

    @staticmethod
    def _hang_up(role: Role) -> None:
        if role.ready >= 0:
            os.close(role.ready)

    def _patience(self) -> float:
        """Return for how many seconds nothing has to be done without a signal."""
        if any(r.ready >= 0 for r in self.roles):
            return 0.02
        now = time.monotonic()
        due = [at - now for at in map(self._due, self.roles) if at is not None]
        due += [asked + patience - now for asked, patience in self._asked.values()]
        return max(0.0, min([*due, 5.0]))

    # -- signals ----------------------------------------------------------------

    def _signal(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            if not self._stopping:
                self.log("stopping")
            self._stop()
        elif number == signal.SIGHUP:
            self._reload_wanted = True

    def _reload(self) -> None:
        """Reload where it is wanted.  A start is finished first: who ends in it has failed."""
        if self._reload_wanted and self._announced and not self._stopping:
            self._reload_wanted = False
            fresh = self.reload()
            if fresh is not None:
                self._replace(fresh)

    def _stop(self) -> None:
        again = self._stopping
        self._stopping = True
        self.roles = [r for r in self.roles if r.pid]
        if again:
            for pid in [*self.pids().values(), *self._old]:
                self._kill(pid, signal.SIGKILL)

    def _replace(self, fresh: list[Role]) -> None:
        """Let the old roles drain; each new one starts when the old one of its name has ended."""
        old = {r.name: r for r in self.roles}
        for role in fresh:
            before = old.pop(role.name, None)
            if before is not None and before.pid:
                role.pid, role.started, role.ready, role.due = before.pid, before.started, before.ready, None
                role.failures = -1  # the coming end is wanted, not a failure
                self._ask_to_end(before)
        for gone in old.values():
            if gone.pid:
                self._old[gone.pid] = gone
        self.roles = fresh

    def _usher(self) -> None:
        """Ask those to end whose turn it is: a role that others need when they are gone.  Kill who had its time."""
        leaving = {r.pid: r for r in self.roles} | self._old if self._stopping else self._old
        needed = any(not role.last for role in leaving.values())
        for role in leaving.values():
            if not (role.last and needed):
                self._ask_to_end(role)
        now = time.monotonic()
        for pid, (asked, patience) in self._asked.items():
            if now - asked > patience:
                self.log(
                    "role_killed", pid=pid, seconds=round(now - asked), why="it was asked to end and did not"
                )
                self._asked[pid] = now, patience
                self._kill(pid, signal.SIGKILL)

    def _ask_to_end(self, role: Role) -> None:
        if role.pid not in self._asked:
            self._asked[role.pid] = time.monotonic(), role.patience
            self._kill(role.pid, signal.SIGTERM)

    @staticmethod
    def _kill(pid: int, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    # -- ends -------------------------------------------------------------------

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._asked.pop(pid, None)
            if pid in self._old:
                self._hang_up(self._old.pop(pid))
                continue
            for role in self.roles:
                if role.pid == pid:
                    self._ended(role, os.waitstatus_to_exitcode(status))
                    break

    def _ended(self, role: Role, code: int) -> None:
        pid, role.pid = role.pid, 0
        self._hear(role)
        self._hang_up(role)
        most = RESTART_SERVED if role.ready == -1 else RESTART_MAX
        role.ready = -1
        if self._stopping:
            self.roles = [r for r in self.roles if r.pid]
            if code not in (0, -signal.SIGTERM):
                self.exit_code = 1
            return
        if not self._announced and not role.served and code > 0:
            # It has never worked, and has said why: end, rather than trying for ever.
            self.exit_code = 1
            self._stop()
            return
        now = time.monotonic()
        if role.failures < 0:
            role.failures, role.due = 0, now
            return
        if now - role.started > HEALTHY_AFTER:
            role.failures = 0
        role.due = now + min(RESTART_FIRST * 2**role.failures, most)
        role.failures += 1
        self.log("role_ended", process=role.name, pid=pid, code=code, restart_in=round(role.due - now, 1))
