"""The second part of a report: what a program reads (RFC 3464 sections 2.2 and 2.3; RFC 6533 for non-ASCII addresses)."""

import re

from kurir.limits import LimitNames, Wait
from kurir.message.dates import format_date
from kurir.message.words import disarm
from kurir.model import Address
from kurir.queue.asks import NoticeReason, NoticeWork
from kurir.trace import Catalogue, limit_words

from .settings import ReportSettings
from .statuses import LIMITED, status_of

_FIELD_LINE = 900  # folded before a line grows beyond what RFC 5322 section 2.1.1 allows
_HOST = re.compile(r"[^\[\]:]+")
_ORCPT = re.compile(r"([A-Za-z0-9-]{1,32});(.*)", re.DOTALL)
# RFC 6533 section 3: what utf-8-addr-xtext may hold as it is.
_NOT_XCHAR = re.compile(r"[^!-*,-<>-\[\]-~]")


def is_global(work: NoticeWork, header: bytes) -> bool:
    """Tell whether the report needs the forms of RFC 6533: its reader asked for SMTPUTF8, and an address or the `header` needs it."""
    if not work.to.is_ascii:
        return True
    mentioned = [r.recipient.address for r in work.reasons] + [r.recipient.wanted for r in work.reasons]
    international = not header.isascii() or any(a is not None and not a.is_ascii for a in mentioned)
    return work.original.params.smtputf8 and international


def render(work: NoticeWork, settings: ReportSettings, names: LimitNames, *, utf8: bool) -> bytes:
    """Return the fields of the message and, behind empty lines, of each recipient."""
    groups = [_message_fields(work, settings)]
    groups += [_recipient_fields(reason, settings, names, utf8=utf8) for reason in work.reasons]
    return b"\r\n".join(b"".join(_field(k, v, utf8=utf8) for k, v in group) for group in groups)


def _message_fields(work: NoticeWork, settings: ReportSettings) -> list[tuple[str, str]]:
    fields = []
    if work.original.params.envid:
        fields.append(("Original-Envelope-Id", work.original.params.envid))
    fields.append(("Reporting-MTA", f"dns; {settings.hostname}"))
    fields.append(("Arrival-Date", format_date(work.accepted_at, settings.offset_minutes)))
    return fields


def _recipient_fields(
    reason: NoticeReason, settings: ReportSettings, names: LimitNames, *, utf8: bool
) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    original = _original(reason, utf8=utf8)
    if original:
        fields.append(("Original-Recipient", original))
    fields.append(("Final-Recipient", _typed(reason.recipient.address, utf8=utf8)))
    fields.append(("Action", reason.action))
    outcome = reason.outcome
    if reason.limit is not None:
        fields += [("Status", LIMITED), ("Diagnostic-Code", f"x-kurir; {_limit(reason.limit, names)}")]
        if outcome is not None:  # an earlier attempt: not what it waits for now
            fields.append(("Last-Attempt-Date", format_date(outcome.at, settings.offset_minutes)))
    else:
        fields += _attempt_fields(reason, settings)
    if reason.action == "delayed" and reason.give_up_at is not None:
        fields.append(("Will-Retry-Until", format_date(reason.give_up_at, settings.offset_minutes)))
    return fields


def _limit(wait: Wait, names: LimitNames) -> str:
    """Return what mail waits for, in English: for programs, and for those who search for it."""
    told = names.told(wait)
    if told.limit is None:
        return f"waits because mail to {told.label} goes more slowly at present"
    limit = limit_words(Catalogue.load(), "en", told.limit)
    kept = f", {told.reserve} of them kept for urgent mail" if told.reserve else ""
    return f"waits for a limit of {told.label}: {limit}; {told.used} of {told.stop + told.reserve} used{kept}"


def _attempt_fields(reason: NoticeReason, settings: ReportSettings) -> list[tuple[str, str]]:
    """Return what the last attempt came to."""
    outcome = reason.outcome
    fields = [("Status", status_of(reason.action, outcome))]
    if outcome is not None:
        host = _HOST.match(outcome.host)
        if host and not outcome.host.startswith("unix:"):
            fields.append(("Remote-MTA", f"dns; {host[0].strip()}"))
        if outcome.reply is not None:
            fields.append(("Diagnostic-Code", f"smtp; {str(outcome.reply)[: settings.max_reply]}"))
        elif outcome.detail:
            fields.append(("Diagnostic-Code", f"x-kurir; {outcome.detail[: settings.max_reply]}"))
        fields.append(("Last-Attempt-Date", format_date(outcome.at, settings.offset_minutes)))
    return fields


def _original(reason: NoticeReason, *, utf8: bool) -> str | None:
    """ORCPT as the sender gave it (RFC 3461 section 4.2), or the address an alias stood for."""
    if reason.recipient.orcpt:
        m = _ORCPT.fullmatch(reason.recipient.orcpt)
        if m is None:
            return None
        kind, text = m[1].lower(), m[2]
        if text.isascii() or utf8:
            return f"{kind}; {text}"
        return f"utf-8; {_xtext(text)}"
    return _typed(reason.recipient.wanted, utf8=utf8) if reason.recipient.wanted else None


def _typed(address: Address, *, utf8: bool) -> str:
    text = str(address)
    if address.is_ascii:
        return f"rfc822; {text}"
    return f"utf-8; {text if utf8 else _xtext(text)}"


def _xtext(text: str) -> str:
    return _NOT_XCHAR.sub(lambda m: f"\\x{{{ord(m[0]):02X}}}", text)


def _field(name: str, value: str, *, utf8: bool) -> bytes:
    text = disarm(value).strip() or "unknown"
    octets = f"{name}: {text}".encode("utf-8" if utf8 else "ascii", "replace")
    if len(octets) <= _FIELD_LINE:
        return octets + b"\r\n"
    # Cut at characters: 200 have 800 octets at most.
    text = octets.decode()
    pieces = [text[i : i + 200] for i in range(0, len(text), 200)]
    return "\r\n ".join(pieces).encode() + b"\r\n"
