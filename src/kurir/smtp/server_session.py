"""What every part of a server session shares: its memory, its voice, its patience and its end."""

from collections.abc import Mapping

from kurir.model import Body, Reply

from . import events as e
from . import replies
from .bdat import ChunkReader
from .data import DataReader
from .reader import Inbox
from .settings import ServerSettings
from .states import LMTP_COMMANDS, SMTP_COMMANDS, Mode, Row, State


class ServerSession:
    """The state of one session, and the few ways in which it changes."""

    __slots__ = (
        "_auth_failures",
        "_authenticated",
        "_body",
        "_body_kind",
        "_commands",
        "_errors",
        "_events",
        "_extended",
        "_idle",
        "_inbox",
        "_last_chunk",
        "_left",
        "_long",
        "_lost",
        "_messages",
        "_mode",
        "_out",
        "_recipients",
        "_refusal",
        "_refused_rcpt",
        "_settings",
        "_smtputf8",
        "_state",
        "_tls",
        "_waiting",
    )

    def __init__(self, settings: ServerSettings, *, tls: bool = False) -> None:
        self._settings = settings
        self._commands: Mapping[bytes, Row] = LMTP_COMMANDS if settings.lmtp else SMTP_COMMANDS
        self._tls = tls
        self._inbox = Inbox()
        self._out: list[bytes] = []
        self._events: list[e.ServerEvent] = []
        self._waiting: type[e.ServerEvent] | None = None
        self._mode = Mode.SILENT
        self._state = State.CONNECTED
        self._extended = False  # the Hello that waits was EHLO or LHLO
        self._lost = False
        self._authenticated = False
        self._errors = self._idle = self._long = self._auth_failures = self._messages = 0
        self._body: DataReader | ChunkReader | None = None
        self._left = 0  # octets of the chunk that are still to come
        self._last_chunk = False
        self._refusal: Reply | None = None  # the reply once a refused chunk is swallowed
        self._recipients = 0
        self._refused_rcpt = False
        self._smtputf8 = False
        self._body_kind = Body.SEVEN

    def receive(self, data: bytes) -> None:
        """Store bytes from the peer; ``b""`` is end of file."""
        if not data:
            self._lost = True
        elif self._mode is not Mode.CLOSED:
            self._inbox.add(data)

    def take_output(self) -> bytes:
        """Return and forget what is to be written now."""
        out = self._out
        if not out:
            return b""
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data

    @property
    def buffered(self) -> int:
        """Octets received and not understood yet: a driver that answers slowly stops reading while this is large."""
        return len(self._inbox)

    def _await(self, event: e.ServerEvent) -> None:
        self._events.append(event)
        self._waiting = type(event)

    def _answered(self, *kinds: type[e.ServerEvent]) -> bool:
        """Note that the event that waits is answered; False where the session ended in the meantime."""
        if self._mode is Mode.CLOSED:
            return False
        if self._waiting not in kinds:
            raise RuntimeError(f"{kinds[0].__name__} is answered, but {self._waiting} waits")
        self._waiting = None
        return True

    def _say(self, reply: Reply) -> None:
        self._out.append(replies.wire(reply))

    def _reject(self, command: str, reply: Reply, *, closing: bool = False, counted: bool = True) -> None:
        self._say(reply)
        self._events.append(e.Rejected(command, reply))
        if closing:
            self._end(reply, say=False)
        elif counted:
            self._count_error(reply)

    def _count_error(self, reply: Reply) -> None:
        self._errors += 1
        if self._errors >= self._settings.max_errors and reply.code != 421:
            self._end(replies.TOO_MANY_ERRORS)

    def _too_idle(self) -> bool:
        self._idle += 1
        if self._idle <= self._settings.max_idle_commands:
            return False
        self._end(replies.TOO_MANY_IDLE)
        return True

    def _end(self, reply: Reply, *, say: bool = True) -> None:
        if say:
            self._say(reply)
        self._reset_transaction()
        self._events.append(e.Closing(reply, polite=reply.code == 221))
        self._mode, self._waiting, self._body = Mode.CLOSED, None, None
        self._inbox.clear()

    def _reset_transaction(self) -> None:
        if State.MAIL <= self._state <= State.CHUNKS:
            self._events.append(e.TransactionReset())
        if self._state is not State.CONNECTED:
            self._state = State.IDLE
        self._body = None

    def _talks_early(self, command: str) -> bool:
        """Close when something stands behind a command that must be the last of a group (RFC 2920 section 3.1)."""
        if not len(self._inbox):
            return False
        self._reject(command, replies.EARLY_TALK, closing=True)
        return True
