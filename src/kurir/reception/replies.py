"""Every reply that reception gives by itself, once, with its enhanced code (RFC 3463, RFC 5248)."""

import math
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from kurir.limits import RoadSize, unencoded
from kurir.model import Cause, Reply
from kurir.queue import Forecast
from kurir.smtp import replies as framing
from kurir.suppression import Entry

_of = Reply.of

START_DATA = _of(354, None, "End data with <CR><LF>.<CR><LF>")
READY_FOR_TLS = _of(220, "2.0.0", "Ready to start TLS")
TLS_UNAVAILABLE = _of(454, "4.7.0", "TLS is not available at the moment")
TLS_FIRST = _of(530, "5.7.0", "Must issue a STARTTLS command first")
SENDER_OK = _of(250, "2.1.0", "Sender ok")
RECIPIENT_OK = _of(250, "2.1.5", "Recipient ok")

LOGGED_IN = _of(235, "2.7.0", "Authentication successful")
WRONG_CREDENTIALS = _of(535, "5.7.8", "Authentication credentials invalid")
ACCOUNT_DISABLED = _of(535, "5.7.13", "This account is disabled")
APP_PASSWORD_EXPIRED = _of(535, "5.7.8", "This app password has expired: have a new one made")
APP_PASSWORD_ELSEWHERE = _of(535, "5.7.8", "This app password does not work from your network")
ISSUER_AWAY = _of(454, "4.7.0", "Your token cannot be checked at the moment, try again in a minute")
LOGIN_BUSY = _of(454, "4.7.0", "Too many logins at the moment, try again in a minute")
LOGIN_FIRST = _of(530, "5.7.0", "Authentication required")

RELAY_DENIED = _of(
    550, "5.7.1", "Relaying denied: this server takes mail for its own domains, or from users who log in"
)
SENDER_ROUTING = _of(550, "5.7.1", "Relaying denied: an address that names a further hop is not passed on")
UNKNOWN_USER = _of(550, "5.1.1", "No such mailbox here")
ALIAS_BROKEN = _of(451, "4.3.5", "The alias for this address is not set up correctly, please try again later")
ONLY_BOUNCES = _of(550, "5.7.1", "This address only takes reports about forwarded mail, from <>")
BOUNCE_EXPIRED = _of(550, "5.1.6", "The mail that this address stands for was forwarded too long ago")
NOT_YOUR_SENDER = _of(553, "5.7.1", "Your account may not send from this address")
ONE_FOR_BOUNCES = _of(452, "4.5.3", "A message from <> has one recipient: send it again to the others")
TOO_MANY_TARGETS = _of(452, "4.5.3", "Too many recipients, send to the others in a new transaction")
VERIFY_FAILED = _of(
    450, "4.4.1", "The server behind could not be asked about this recipient, please try again later"
)

HEADER_CONTINUES = _of(
    550, "5.6.0", "The message begins with a continuation line, without a field to continue"
)
HEADER_TOO_LARGE = _of(552, "5.3.4", "The header of the message is too large")
DISK_FULL = _of(452, "4.3.1", "No space to store the message at the moment, please try again later")
STORAGE_FAILED = _of(451, "4.3.0", "The message could not be stored, please try again later")

VRFY = _of(252, "2.5.0", "Cannot verify, but will take mail for this server's users")
EXPN = _of(502, "5.5.1", "Lists are not shown")
NO_XCLIENT = _of(550, "5.7.0", "XCLIENT is not allowed from here")
BAD_XCLIENT = _of(501, "5.5.4", "XCLIENT attributes cannot be understood")

TOO_SLOW = _of(421, "4.4.2", "Timeout, closing the connection")
SESSION_OVER = _of(421, "4.4.2", "This session has lasted long enough, please connect again")
SHUTTING_DOWN = _of(421, "4.3.2", "Shutting down, please try again in a minute")
TOO_BUSY = _of(421, "4.3.2", "Too many connections at the moment, please try again later")
TOO_MANY_LOGINS = _of(421, "4.7.0", "Too many failed logins, please try again later")
INTERNAL_ERROR = _of(421, "4.3.0", "Something went wrong here, please try again later")

CAUSES: dict[Reply, Cause] = {
    TLS_FIRST: Cause.TLS_REQUIRED,
    LOGIN_FIRST: Cause.AUTH_REQUIRED,
    WRONG_CREDENTIALS: Cause.AUTH_FAILED,
    ACCOUNT_DISABLED: Cause.DISABLED_USER,
    APP_PASSWORD_EXPIRED: Cause.AUTH_FAILED,
    APP_PASSWORD_ELSEWHERE: Cause.AUTH_FAILED,
    ISSUER_AWAY: Cause.BUSY,
    LOGIN_BUSY: Cause.BUSY,
    TOO_MANY_LOGINS: Cause.LOGIN_BRAKED,
    RELAY_DENIED: Cause.RELAY_DENIED,
    SENDER_ROUTING: Cause.RELAY_DENIED,
    UNKNOWN_USER: Cause.UNKNOWN_USER,
    ONLY_BOUNCES: Cause.RELAY_DENIED,
    BOUNCE_EXPIRED: Cause.UNKNOWN_USER,
    ALIAS_BROKEN: Cause.CONFIGURATION,
    NOT_YOUR_SENDER: Cause.SENDER_NOT_YOURS,
    ONE_FOR_BOUNCES: Cause.TOO_MANY_RECIPIENTS,
    TOO_MANY_TARGETS: Cause.TOO_MANY_RECIPIENTS,
    VERIFY_FAILED: Cause.UNREACHABLE,
    HEADER_TOO_LARGE: Cause.TOO_LARGE,
    HEADER_CONTINUES: Cause.MALFORMED,
    framing.BARE_IN_BODY: Cause.MALFORMED,
    framing.BARE_IN_CHUNK: Cause.MALFORMED,
    framing.NUL_IN_BODY: Cause.MALFORMED,
    framing.TEXT_LINE_TOO_LONG: Cause.MALFORMED,
    DISK_FULL: Cause.DISK_FULL,
    STORAGE_FAILED: Cause.STORAGE_FAILED,
    TOO_SLOW: Cause.TIMEOUT,
    SESSION_OVER: Cause.TIMEOUT,
    SHUTTING_DOWN: Cause.SHUTDOWN,
    TOO_BUSY: Cause.BUSY,
    framing.TOO_MANY_LOGINS: Cause.LOGIN_BRAKED,
}
"""What a refusal of ours means in the closed list of causes."""


def slow_down(code: int, why: str) -> Reply:
    """Too many connections (421) or messages (450) in a while; `why` are the words of the brake."""
    return Reply.of(
        code, "4.7.1" if code == 450 else "4.7.0", f"{why[0].upper()}{why[1:]}; please come back later"
    )


def cause_of_brake(reply: Reply) -> Cause | None:
    """Return the cause of a refusal by a brake; None for others, which `CAUSES` knows."""
    return Cause.RATE_LIMITED if (reply.code, reply.enhanced) in _BRAKES else None


_BRAKES = {(421, "4.7.0"), (450, "4.7.1")}


def accepted(
    queue_id: str, forecasts: Sequence[Forecast] = (), recipients: int = 0, *, unsure: str = ""
) -> Reply:
    """The promise: said only after the commit.

    What has to wait for limits of others is said with it, and in `unsure` why nobody knows yet whether it can
    travel sealed.
    """
    text = f"{queue_id} accepted, safe on disk"
    now: Counter[str] = Counter()
    for forecast in forecasts:
        if not (forecast.limit or forecast.closed):
            now[forecast.label] += forecast.recipients
    limited, closed = [f for f in forecasts if f.limit], [f for f in forecasts if f.closed]
    parts = []
    if now and (limited or closed or len(now) > 1):
        (first, most), *others = now.items()
        parts = [f"{_go(most, most)} now by {_plain(first)}", *(f"{n} by {_plain(x)}" for x, n in others)]
    if limited:
        parts.append(_later(limited, recipients, "by a limit of", "the last "))
    if closed:
        parts.append(_later(closed, recipients, "after an outage of", "the next try "))
    if parts:
        text += f"; {', '.join(parts)}"
    if unsure:
        text += f"; whether it can travel sealed shows when it is sent: {unsure}"
    return Reply(250, "2.0.0", (text,))


def _later(later: Sequence[Forecast], recipients: int, why: str, what: str) -> str:
    """Say how many of all recipients go later, why, and until when."""
    count, whose = sum(f.recipients for f in later), ", ".join(dict.fromkeys(f.label for f in later))
    last = max(f.at or math.inf for f in later)
    until = (
        f", {what if count != 1 else what.removeprefix('the last ')}on {datetime.fromtimestamp(last, UTC):%Y-%m-%d %H:%M} UTC"
        if last < math.inf
        else ""
    )
    return f"{_go(count, recipients)} later, {why} {_plain(whose)}{until}"


def _go(count: int, recipients: int) -> str:
    """Say that `count` of `recipients` go."""
    who = str(count) if count == recipients else f"{count} of {recipients}"
    return f"{who} recipient{'s' if recipients != 1 else ''} {'go' if count != 1 else 'goes'}"


def _plain(label: str) -> str:
    """Return the name of a provider fit for a reply: ASCII, and short."""
    return label.encode("ascii", "replace").decode()[:100]


def not_sealed(refusals: Sequence[Reply]) -> Reply:
    """Sealed or not at all: one recipient's domain that cannot be reached so is enough, and each of them is named."""
    worst = max(refusals, key=lambda reply: reply.code)
    return Reply(worst.code, worst.enhanced, tuple(line for reply in refusals for line in reply.lines))


def too_large_for_road(octets: int, road: RoadSize) -> Reply:
    """The road that this recipient's mail takes does not carry so much: both sizes, whose limit it is, and what to do instead.

    RFC 1870 section 6.1 allows it after RCPT, where the size was announced with MAIL.
    """
    return _too_large(octets, "mail to this recipient", road)


def too_large_for_every_road(octets: int, road: RoadSize) -> Reply:
    """No road that mail of this sender takes carries so much; `road` is the widest (RFC 1870 section 6.1)."""
    return _too_large(octets, "mail of this sender", road)


def _too_large(octets: int, what: str, road: RoadSize) -> Reply:
    whose = road.provider or road.road
    attachments = unencoded(road.octets) // 100_000 / 10
    return _of(
        552,
        "5.3.4",
        f"The message has {octets} octets; {what} goes by {whose}, which takes at most {road.octets};"
        f" attachments grow by 37 % on the way, so that about {attachments} MB of them fit: send less at once, or a link",
    )


_SUPPRESSED = "is on the suppression list since"


def suppressed(entry: Entry) -> Reply:
    """Mail to this address is not sent: since when, why, until when, and how to lift it.

    The words are a person's or another server's: the reply keeps one line of ASCII of them (RFC 5321 section 4.2).
    """
    since = datetime.fromtimestamp(entry.since, UTC).date()
    until = "" if entry.until is None else f" until {datetime.fromtimestamp(entry.until, UTC).date()}"
    why = f"{entry.by} put it there" if entry.cause is Cause.SUPPRESSED else "mail to it was refused"
    words = " ".join(entry.words.split())[:200].encode("ascii", "replace").decode()
    return _of(
        550,
        "5.1.1",
        f"<{entry.address}> {_SUPPRESSED} {since}{until}: {why}: {words}"
        f" - if the address is right, ask the administrator for: kurir suppress remove {entry.address}",
    )


def cause_of(reply: Reply) -> Cause | None:
    """Return what a refusal of ours means, or None where it is not one of these."""
    cause = CAUSES.get(reply)
    if cause is None and reply.code == 552 and reply.enhanced == "5.3.4":
        return Cause.TOO_LARGE
    if cause is None and reply.code == 550 and _SUPPRESSED in reply.text:
        return Cause.SUPPRESSED
    return cause


def looping(why: str) -> Reply:
    """The message runs in a circle (RFC 5321 section 6.3)."""
    return Reply.of(554, "5.4.6", f"Mail loop: {why}")
