"""One AUTH exchange (RFC 4954): the brake first, then the proof, then the brake learns how it went.

An unknown user, a wrong password and a broken message get the same reply; only the trace knows more.
"""

from dataclasses import dataclass

from kurir.identity import (
    Account,
    AppPassword,
    Login,
    certificate_owner,
    peer_certificate,
    rehashed,
    scoped,
    why_not,
)
from kurir.identity.sasl import (
    Bearer,
    Challenge,
    Failure,
    NeedsCertificate,
    NeedsPassword,
    NeedsToken,
    SaslContext,
    ServerMechanism,
    Step,
    Success,
    begin,
)
from kurir.model import Reply
from kurir.net.tls import ClientShown
from kurir.smtp.events import AuthAnswered, AuthStarted

from . import replies
from .desk import Desk


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The client is this account (with an app password, what is left of it); `how` is for the trace."""

    account: Account
    how: str


@dataclass(frozen=True, slots=True)
class NotLoggedIn:
    """Say `reply`; with `close` end the session.  `name` and `reason` are for the trace."""

    reply: Reply
    name: str
    reason: str
    close: bool = False


class Exchange:
    """The exchanges of one session; a new `AuthStarted` begins afresh."""

    __slots__ = ("_cleared", "_client", "_context", "_desk", "_mechanism", "_name", "_shown")

    def __init__(
        self, desk: Desk, client: str, endpoint: bytes | None, shown: ClientShown | None = None
    ) -> None:
        self._desk = desk
        self._client = client
        self._shown = shown
        tokens = desk.tokens
        self._context = SaslContext(
            desk.directory.account,
            desk.secret,
            desk.random,
            endpoint,
            token_scope=tokens.scope if tokens is not None else "",
            token_configuration=tokens.configuration if tokens is not None else "",
        )
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
        nameless = isinstance(said, NeedsToken | NeedsCertificate) and not said.authcid
        braked = await self._brake(self._nobody() if nameless else self._mechanism.authcid)
        if braked is not None:
            return braked
        match said:
            case Challenge():
                return said
            case NeedsToken(authcid, token):
                return await self._check_token(authcid, token)
            case NeedsCertificate(authcid):
                return self._check_certificate(authcid)
            case NeedsPassword(authcid, password):
                return await self._check(authcid, password)
            case Success(authcid, app):
                return self._welcome(self._desk.directory.account(authcid), authcid, app)
            case Failure(reason, authcid):
                return self._wrong(authcid, reason)

    def _nobody(self) -> str:
        """Whom failures of clients that name nobody are counted for: of this client alone, so that it slows no other."""
        return f"({self._client})"

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
            current = self._desk.directory.account(name)  # an app password may have been revoked meanwhile
            if current is not None and current.password_hash == account.password_hash:
                self._desk.rehashed(rehashed(current, checked.rehashed))
        return self._welcome(account, name, checked.app)

    async def _check_token(self, name: str, token: str) -> Challenge | LoggedIn | NotLoggedIn:
        assert self._desk.tokens is not None
        assert isinstance(self._mechanism, Bearer)
        checked = await self._desk.tokens.check(token)
        if checked.later:
            return NotLoggedIn(replies.ISSUER_AWAY, name, checked.reason)
        account = self._desk.directory.account(checked.name) if checked.name else None
        reason = checked.reason
        if account is None and checked.name:
            reason = f"the token is for {checked.name!r}, who has no account here"
        elif account is not None and not self._is(name, account):
            reason = f"the token is for {checked.name!r}, not for who asked"
            account = None
        if account is None:
            return Challenge(self._mechanism.refusal(checked.error or "invalid_token", reason))
        return self._welcome(account, account.name)

    def _check_certificate(self, name: str) -> LoggedIn | NotLoggedIn:
        directory, shown = self._desk.directory, self._shown
        peer = peer_certificate(shown.certificate, by_authority=shown.by_authority) if shown else None
        found = certificate_owner(peer, directory.accounts(), directory.account, self._desk.clock.now())
        if found.account is None:
            return self._wrong(name, found.reason)
        if not self._is(name, found.account):
            return self._wrong(name, f"the client's certificate is that of {found.account.name}")
        return self._welcome(found.account, found.account.name)

    def _is(self, name: str, account: Account) -> bool:
        """Whether who asked (nobody in particular, where it said nothing) is this account."""
        asked = self._desk.directory.account(name) if name else account
        return asked is not None and asked.name == account.name

    def _welcome(
        self, account: Account | None, name: str, app: AppPassword | None = None
    ) -> LoggedIn | NotLoggedIn:
        if account is None:  # removed while it logged in
            return self._wrong(name, "no such account")
        if app is not None:
            reason = why_not(app, self._client, self._desk.clock.now())
            if reason is not None:
                expired = app.expires_at is not None and self._desk.clock.now() >= app.expires_at
                said = replies.APP_PASSWORD_EXPIRED if expired else replies.APP_PASSWORD_ELSEWHERE
                return self._wrong(name, f"{reason}: {app.label}", said)
        self._desk.door.login_result(self._client, name, success=True)
        if account.disabled is not None:
            return NotLoggedIn(replies.ACCOUNT_DISABLED, name, f"disabled: {account.disabled}")
        if app is None:
            return LoggedIn(account, self._name)
        return LoggedIn(scoped(account, app), f"{self._name}, app password {app.label}")

    def _wrong(self, name: str, reason: str, reply: Reply = replies.WRONG_CREDENTIALS) -> NotLoggedIn:
        self._cleared = ""
        self._desk.door.login_result(self._client, name or self._nobody(), success=False)
        return NotLoggedIn(reply, name, reason)
