"""What is mailed in the morning: the summary of an account's day, and mail that is held for somebody to decide.

Pure: the facts, the time zone and the Message-ID's token are parameters.  What strangers wrote (subjects, names) is
disarmed, one line each.  ``Auto-Submitted: auto-generated`` (RFC 3834) keeps out-of-office replies away.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from kurir.message import compose
from kurir.message.dates import format_date
from kurir.message.words import disarm
from kurir.model import Address, Cause
from kurir.trace import Catalogue, DaySummary, Lang, Teller, day_text

_LISTED = 50
_SUBJECT = 120


@dataclass(frozen=True, slots=True)
class Held:
    """A message that is held: from whom (as its header says), to whom, and why."""

    id: str
    at: float
    sender: str
    recipients: tuple[str, ...]
    subject: str
    cause: Cause | None


@dataclass(frozen=True, slots=True)
class Morning:
    """What all mails of a morning share: who writes, when, in which time zone; `token` is new for each."""

    contact: Address
    at: float
    zone: tzinfo
    token: str


def summary_mail(day: DaySummary, to: Address, lang: Lang, morning: Morning) -> bytes:
    """Return the summary of a day as mail."""
    teller = _teller(lang, morning)
    subject = teller.say("morning.summary_subject", date=teller.date(day.at))
    close = teller.say("morning.summary_close", account=day.account, contact=morning.contact)
    return _mail(to, subject, f"{day_text(day, lang, morning.zone)}\n{close}\n", morning)


def held_mail(found: Sequence[Held], all_held: int, lang: Lang, morning: Morning) -> bytes:
    """Return what is newly held as mail to the operator."""
    teller = _teller(lang, morning)
    lines = [teller.say("morning.held_intro"), ""]
    for held in found[:_LISTED]:
        lines += [
            *_facts(held, teller, to=True),
            f"  kurir queue release {held.id}",
            f"  kurir queue drop {held.id}",
            "",
        ]
    lines += _rest(found, teller)
    lines.append(teller.say("morning.held_all", count=all_held))
    subject = teller.say("morning.held_subject", count=len(found))
    return _mail(morning.contact, subject, "\n".join(lines) + "\n", morning)


def owner_mail(found: Sequence[Held], to: Address, lang: Lang, morning: Morning) -> bytes:
    """Return what is newly held as mail to whom it is addressed."""
    teller = _teller(lang, morning)
    lines = [teller.say("morning.owner_intro", contact=morning.contact), ""]
    for held in found[:_LISTED]:
        lines += [*_facts(held, teller, to=False), ""]
    lines += _rest(found, teller)
    subject = teller.say("morning.owner_subject", count=len(found))
    return _mail(to, subject, "\n".join(lines) + "\n", morning)


def _teller(lang: Lang, morning: Morning) -> Teller:
    return Teller(Catalogue.load(), lang, morning.zone)


def _facts(held: Held, teller: Teller, *, to: bool) -> Iterator[str]:
    yield held.id
    rows = [
        ("from", held.sender),
        *([("to", ", ".join(held.recipients))] if to else []),
        ("subject", held.subject[:_SUBJECT]),
        ("came", teller.moment(held.at)),
        ("why", teller.label(held.cause)),
    ]
    for key, value in rows:
        yield f"  {teller.say(f'morning.{key}')}: {disarm(value)}"


def _rest(found: Sequence[Held], teller: Teller) -> list[str]:
    more = len(found) - _LISTED
    return [teller.say("day.more", count=more), ""] if more > 0 else []


def _mail(to: Address, subject: str, text: str, morning: Morning) -> bytes:
    offset = datetime.fromtimestamp(morning.at, UTC).astimezone(morning.zone).utcoffset()
    minutes = int(offset.total_seconds() // 60) if offset is not None else 0
    fields = [
        compose.field("Date", format_date(morning.at, minutes)),
        compose.address_field("From", [("", morning.contact)]),
        compose.address_field("To", [("", to)], utf8=not to.is_ascii),
        compose.field("Subject", subject),
        compose.field("Message-ID", f"<morning.{morning.token}@{morning.contact.domain}>"),
        compose.field("Auto-Submitted", "auto-generated"),
    ]
    return compose.message(fields, compose.text_part(text))
