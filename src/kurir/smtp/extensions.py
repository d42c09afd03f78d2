"""What EHLO and LHLO list, as data (RFC 5321 section 4.1.1.1), and what HELP does."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from .settings import ServerSettings
from .states import MAIL_COMMANDS, Row, State


class _Extension(NamedTuple):
    keyword: str
    offered: Callable[[ServerSettings, bool], bool]  # (settings, is TLS on)
    argument: Callable[[ServerSettings], str] = lambda _: ""


def _always(_: ServerSettings, _tls: bool) -> bool:
    return True


def auth_offered(settings: ServerSettings, tls: bool) -> bool:
    """Tell whether AUTH is offered: passwords do not travel in the clear (RFC 4954 section 4, RFC 8314)."""
    return bool(settings.auth_mechanisms) and (tls or settings.auth_without_tls)


def _limits(settings: ServerSettings) -> str:
    mails = f" MAILMAX={settings.max_transactions}" if settings.max_transactions else ""
    return f"RCPTMAX={settings.max_recipients}{mails}"


OFFERED = (
    _Extension("PIPELINING", _always),  # RFC 2920
    _Extension("SIZE", _always, lambda s: str(s.max_size) if s.max_size else ""),  # RFC 1870
    _Extension("8BITMIME", _always),  # RFC 6152
    _Extension("SMTPUTF8", _always),  # RFC 6531
    _Extension("CHUNKING", _always),  # RFC 3030
    _Extension("BINARYMIME", lambda s, _: s.binarymime),  # RFC 3030
    _Extension("DSN", _always),  # RFC 3461
    _Extension("ENHANCEDSTATUSCODES", _always),  # RFC 2034
    _Extension("LIMITS", _always, _limits),  # RFC 9422
    _Extension("STARTTLS", lambda s, tls: s.offer_starttls and not tls),  # RFC 3207
    _Extension("AUTH", auth_offered, lambda s: " ".join(s.auth_mechanisms)),  # RFC 4954
    _Extension("REQUIRETLS", lambda s, tls: s.offer_requiretls and tls),  # RFC 8689
    _Extension("MT-PRIORITY", lambda s, _: s.offer_mt_priority),  # RFC 6710
    _Extension(
        "XCLIENT", lambda s, _: s.offer_xclient, lambda _: "NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT"
    ),
    _Extension("HELP", _always),  # RFC 5321
)


def hello_lines(settings: ServerSettings, tls: bool) -> tuple[str, ...]:
    """Return the lines of the 250 reply to EHLO or LHLO, our name first."""
    return (
        settings.hostname,
        *(f"{x.keyword} {x.argument(settings)}".rstrip() for x in OFFERED if x.offered(settings, tls)),
    )


def useful_commands(
    commands: Mapping[bytes, Row], settings: ServerSettings, tls: bool, authenticated: bool
) -> list[str]:
    """Return the commands that lead anywhere in a session as it is now: with its door, TLS and login."""
    useless = {
        b"STARTTLS": not settings.offer_starttls or tls,
        b"AUTH": not auth_offered(settings, tls) or authenticated,
        b"XCLIENT": not settings.offer_xclient,
        **dict.fromkeys(MAIL_COMMANDS, settings.auth_required and not authenticated),
    }
    return [
        verb.decode()
        for verb, row in commands.items()
        if not useless.get(verb, False) and any(isinstance(cell, State) for cell in row)
    ]
