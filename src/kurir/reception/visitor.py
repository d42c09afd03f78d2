"""Who the client is, as far as is known by now, and what follows from it: its rights, who checks its mail."""

from kurir.identity import Account, is_within
from kurir.model import Origin
from kurir.senderauth.screening import Screener
from kurir.smtp.events import Hello

from .desk import Desk
from .ports import ServerStream
from .relay import Client, standing
from .settings import ListenerSettings, Role
from .xclient import Introduction

_NOBODY = Hello("", extended=False)


class Visitor:
    """The other side of one connection.

    `client` is what the relay rule looks at; `screener` checks what the client sends: None where it is one of
    ours, or exempt.
    """

    __slots__ = (
        "_desk",
        "_listener",
        "_origin",
        "_stream",
        "account",
        "client",
        "helo",
        "host",
        "insider",
        "port",
        "screener",
    )

    client: Client
    insider: bool
    screener: Screener | None

    def __init__(self, desk: Desk, listener: ListenerSettings, stream: ServerStream, host: str) -> None:
        self._desk = desk
        self._listener = listener
        self._stream = stream
        self._origin: Origin | None = None
        self.host = host
        self.port = stream.peer.port
        self.helo = _NOBODY
        self.account: Account | None = None
        self._look_again()

    def greeted(self, hello: Hello) -> None:
        """It told its name."""
        self.helo = hello
        self._origin = None

    def secured(self) -> None:
        """The handshake is done; what it said before does not count (RFC 3207 section 4.2)."""
        self.helo = _NOBODY
        self._look_again()

    def logged_in(self, account: Account) -> None:
        """It proved to be this account."""
        self.account = account
        self._look_again()

    def introduced(self, said: Introduction) -> None:
        """A front server told who stands behind it."""
        self.host = said.host or self.host
        self.port = said.port or self.port
        if said.login is not None:
            self.account = self._desk.directory.account(said.login)
        self.helo = Hello(said.helo, extended=True)
        self._look_again()

    def _look_again(self) -> None:
        settings, role = self._desk.settings, self._listener.role
        self.client = Client(role, self.name or None, is_within(self.host, settings.trusted))
        self.insider = standing(self.client).insider
        exempt = self.insider or is_within(self.host, settings.unscreened)
        self.screener = self._desk.screener if role is Role.MX and not exempt else None
        self._origin = None

    @property
    def name(self) -> str:
        """The account's name, or ""."""
        return self.account.name if self.account is not None else ""

    @property
    def stranger(self) -> str:
        """Whose messages are counted: the address of a client from the world that did not log in, else ""."""
        return self.host if self.account is None and self._listener.role is Role.MX else ""

    @property
    def origin(self) -> Origin:
        """Where mail of this client comes from, as the message keeps it."""
        if self._origin is None:
            self._origin = Origin(
                protocol=protocol_word(
                    lmtp=self._listener.role is Role.LMTP,
                    extended=self.helo.extended,
                    tls=self._stream.tls is not None,
                    auth=self.account is not None,
                ),
                listener=self._listener.name,
                client=self.host,
                port=self.port,
                helo=self.helo.name,
                account=self.name or None,
                tls=self._stream.tls,
                ours=self.insider,
            )
        return self._origin


def protocol_word(*, lmtp: bool, extended: bool, tls: bool, auth: bool) -> str:
    """Return the keyword for ``with`` in the Received field (RFC 3848): ``SMTP``, ``ESMTPSA``, ``LMTPS``..."""
    if not lmtp and not extended:
        return "SMTP"
    return ("LMTP" if lmtp else "ESMTP") + ("S" if tls else "") + ("A" if auth else "")
