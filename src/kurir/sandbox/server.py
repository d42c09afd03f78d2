"""The doors of the sandbox: one main unix socket, and beside it one for each part that begins before RCPT."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

from kurir.model import Clock
from kurir.net import (
    BindError,
    Endpoint,
    Listener,
    NetError,
    ServerTls,
    ServerTlsSettings,
    SocketStream,
    bind,
    serve,
)

from .bounces import Regretted, bounce_of
from .roles import EARLY_PARTS, EARLY_SUFFIX, Part, parse_part
from .session import Attempts, Session, Sleep, Stage
from .settings import SandboxSettings
from .store import SandboxStore

Submit = Callable[[str, str, bytes], Awaitable[None]]


def early_doors(socket: Path) -> Mapping[str, Path]:
    """Return, by domain, the sockets that play parts beginning before RCPT: ``notls.test`` and its like.

    `socket` is the main one.  Mail to these domains is to be routed to their sockets, all other to the main one.
    Their paths are numbered, so that none is longer than ``<main>.sock``: unix sockets have 107 octets.
    """
    return {
        f"{name}{EARLY_SUFFIX}": socket.with_name(f"{socket.stem}.{number:02}")
        for number, name in enumerate(EARLY_PARTS, 1)
    }


class SandboxServer:
    """The sandbox as a server.

    Captured mail goes to `folder`.  `socket` is a path, or a bind spec such as
    ``127.0.0.1:0`` (then there are no early doors).  `tls` are the certificates STARTTLS shows.
    `submit(sender, recipient, message)` hands a bounce in; `sleep` is for tests.
    """

    def __init__(
        self,
        folder: Path,
        socket: Path | str,
        *,
        hostname: str,
        tls: ServerTlsSettings | None,
        clock: Clock,
        submit: Submit,
        settings: SandboxSettings = SandboxSettings(),  # noqa: B008  a frozen value
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._socket = socket
        self._submit = submit
        self._sleep = sleep
        self._listeners: list[Listener] = []
        self._bounces: set[asyncio.Task[None]] = set()
        self._numbers = 0
        self._stage = Stage(
            store=SandboxStore(folder, max_messages=settings.max_messages, max_octets=settings.max_octets),
            settings=settings,
            hostname=hostname,
            tls=ServerTls(tls) if tls else None,
            clock=clock,
            sleep=sleep,
            bounce=self._bounce_later,
            attempts=Attempts(settings.attempts),
        )

    @property
    def store(self) -> SandboxStore:
        """What is captured."""
        return self._stage.store

    @property
    def address(self) -> Endpoint:
        """Where the main door is (the kernel may have chosen the port)."""
        return self._listeners[0].address

    async def start(self) -> None:
        """Open the doors.  Raises `BindError`."""
        doors: list[tuple[str, Part | None]]
        if isinstance(self._socket, Path):
            early = early_doors(self._socket).items()
            doors = [(f"unix:{self._socket}", None)]
            doors += [
                (f"unix:{path}", parse_part(domain.removesuffix(EARLY_SUFFIX))) for domain, path in early
            ]
        else:
            doors = [(self._socket, None)]
        try:
            for spec, part in doors:
                (sock,) = bind(spec)
                self._listeners.append(serve(sock, partial(self._session, part)))
        except (BindError, ValueError):
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close the doors and what is under way; bounces that are still to come are dropped."""
        for task in self._bounces:
            task.cancel()
        await asyncio.gather(*self._bounces, return_exceptions=True)
        await asyncio.gather(*(listener.close() for listener in self._listeners))
        self._listeners.clear()
        if isinstance(self._socket, Path):
            for path in (self._socket, *early_doors(self._socket).values()):
                path.unlink(missing_ok=True)

    async def _session(self, part: Part | None, stream: SocketStream) -> None:
        await Session(self._stage, stream, part).run()

    def _bounce_later(self, mail: Regretted, seconds: float) -> None:
        if len(self._bounces) >= self._stage.settings.pending_bounces:
            return
        task = asyncio.get_running_loop().create_task(self._bounce(mail, seconds))
        self._bounces.add(task)
        task.add_done_callback(self._bounces.discard)

    async def _bounce(self, mail: Regretted, seconds: float) -> None:
        await self._sleep(seconds)
        self._numbers += 1
        now = self._stage.clock.now()
        token = f"sandbox.{now:.6f}.{self._numbers}"
        message = bounce_of(mail, hostname=self._stage.hostname, at=now, token=token)
        try:
            await self._submit("", str(mail.sender), message)
        except (OSError, NetError):
            return  # who submits has said why
