"""One AUTH exchange (RFC 4954): the brake first, then the proof, then the brake learns how it went.

An unknown user, a wrong password and a broken message get the same reply; only the trace knows more.
"""

from dataclasses import dataclass

from kurir.identity import Account, Login, rehashed
from kurir.identity.sasl import (
    Challenge,
    Failure,
    NeedsPassword,
    SaslContext,
    ServerMechanism,
    Step,
    Success,
    begin,
)
from kurir.model import Reply
from kurir.smtp.events import AuthAnswered, AuthStarted

from . import replies
from .desk import Desk


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The client is this account."""

    account: Account
    mechanism: str


@dataclass(frozen=True, slots=True)
class NotLoggedIn:
    """Say `reply`; with `close` end the session.  `name` and `reason` are for the trace."""

    reply: Reply
    name: str
    reason: str
    close: bool = False


class Exchange:
    """The exchanges of one session; a new `AuthStarted` begins afresh."""

    __slots__ = ("_cleared", "_client", "_context", "_desk", "_mechanism", "_name")

    def __init__(self, desk: Desk, client: str, endpoint: bytes | None) -> None:
        self._desk = desk
        self._client = client
        self._context = SaslContext(desk.directory.account, desk.secret, desk.random, endpoint)
        self._mechanism: ServerMechanism | None = None
        self._name = ""
        self._cleared = ""

    async def step(self, event: AuthStarted | AuthAnswered) -> Challenge | LoggedIn | NotLoggedIn:
        """Take what the client said."""
        if isinstance(event, AuthStarted):
            self._name = event.mechanism.upper()
            self._mechanism = begin(self._name, self._context)
            said: Step = self._mechanism.start(event.initial)
        else:
            assert self._mechanism is not None
            said = self._mechanism.answer(event.response)
        braked = await self._brake(self._mechanism.authcid)
        if braked is not None:
            return braked
        match said:
            case Challenge():
                return said
            case NeedsPassword(authcid, password):
                return await self._check(authcid, password)
            case Success(authcid):
                return self._welcome(self._desk.directory.account(authcid), authcid)
            case Failure(reason, authcid):
                return self._wrong(authcid, reason)

    async def _brake(self, name: str) -> NotLoggedIn | None:
        """Ask once per name, as soon as it is known and before any hash is computed."""
        if not name or name == self._cleared:
            return None
        wait = await self._desk.door.login_allowed(self._client, name)
        if wait > 0:
            reason = f"too many failed logins: {wait:.0f} s to wait"
            return NotLoggedIn(replies.TOO_MANY_LOGINS, name, reason, close=True)
        self._cleared = name
        return None

    async def _check(self, name: str, password: str) -> LoggedIn | NotLoggedIn:
        account = self._desk.directory.account(name)
        checked = await self._desk.passwords.check(account, password)
        if checked.login is Login.BUSY:
            return NotLoggedIn(replies.LOGIN_BUSY, name, "too many logins wait for their hash")
        if checked.login is Login.WRONG:
            return self._wrong(name, "wrong password" if account is not None else "no such account")
        if checked.rehashed and account is not None and self._desk.rehashed is not None:
            self._desk.rehashed(rehashed(account, checked.rehashed))
        return self._welcome(account, name)

    def _welcome(self, account: Account | None, name: str) -> LoggedIn | NotLoggedIn:
        if account is None:  # removed while it logged in
            return self._wrong(name, "no such account")
        self._desk.door.login_result(self._client, name, success=True)
        if account.disabled is not None:
            return NotLoggedIn(replies.ACCOUNT_DISABLED, name, f"disabled: {account.disabled}")
        return LoggedIn(account, self._name)

    def _wrong(self, name: str, reason: str) -> NotLoggedIn:
        self._cleared = ""
        self._desk.door.login_result(self._client, name, success=False)
        return NotLoggedIn(replies.WRONG_CREDENTIALS, name, reason)
