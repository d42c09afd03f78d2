"""Reads a returned message as a server does: what was said of whom, and which message of ours it is about.

The words are `explain_all`'s.  Here is only the tie to the original: its Message-ID, from the returned part (RFC 3464
section 2, RFC 6522), from the lines behind "below is a copy" in free-form bounces, or from In-Reply-To and References;
the number and the time that our own Received field gave it; and what the sender called its envelope (ENVID, RFC 3461).
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from itertools import islice

import msgspec

from kurir.model import Cause, decode_id

from .bounce import ORIGINALS, REPORTS, Kind, original_lines
from .mailparts import Mail, first, groups, read_mail
from .why import Why, explain_mail

# The end of our own Received field (`kurir.message.received`): our queue id, whom it is for, the date.
_PASSED = re.compile(r"\bid (k[0-9a-z]{7,20})\b[^;]{0,1000};[ \t]*([^;]{10,60})\Z")
_IDS = re.compile(r"<[^<>\s]{1,900}@[^<>\s]{1,255}>")
_REFUSALS = frozenset({Kind.BOUNCE, Kind.DELAYED})
MAX_IDS = 5


class Passage(msgspec.Struct, frozen=True):
    """A Received field of the original that may be ours: the accept number, and when (epoch seconds)."""

    number: int
    at: float


class Returned(msgspec.Struct, frozen=True):
    """What a bounce tells: the Message-IDs that the original may have, best evidence first, and what was said of whom.

    `passages` and `envelope_id` ("" where there is none) are further ties to the original.
    """

    message_ids: tuple[str, ...]
    told: tuple[Why, ...]
    passages: tuple[Passage, ...] = ()
    envelope_id: str = ""


def read_returned(text: str) -> Returned | None:
    """Read `text` as a bounce or a delay notice; None where it is something else.  Never raises."""
    mail = read_mail(text)
    if mail is None:
        return None
    told = tuple(
        why for why in explain_mail(mail) if why.kind in _REFUSALS and why.cause is not Cause.UNKNOWN
    )
    if not told:
        return None
    found: dict[str, None] = {}
    for message_id in _message_ids(mail):
        found.setdefault(message_id)
        if len(found) >= MAX_IDS:
            break
    return Returned(tuple(found), told, tuple(islice(_passages(mail), MAX_IDS)), _envelope_id(mail))


def _passages(mail: Mail) -> Iterator[Passage]:
    for name, value in _original_fields(mail):
        m = _PASSED.search(value[:2000]) if name == "received" else None
        number = decode_id(m[1]) if m else None
        if m and number is not None:
            with suppress(ValueError, OverflowError):
                yield Passage(number, parsedate_to_datetime(m[2]).timestamp())


def _envelope_id(mail: Mail) -> str:
    """Return what the first block of the report calls the envelope (RFC 3464 section 2.2.1)."""
    reports = (groups(part.lines[:100])[:1] for part in mail.parts if part.kind in REPORTS)
    return next((first(g, "original-envelope-id").strip() for found in reports for g in found), "")[:200]


def _original_fields(mail: Mail) -> Iterator[tuple[str, str]]:
    for part in mail.parts:
        if part.kind in ORIGINALS:
            for fields in groups(part.lines[:400])[:1]:
                yield from fields


def _message_ids(mail: Mail) -> Iterator[str]:
    yield from _IDS.findall(first(tuple(_original_fields(mail)), "message-id")[:1000])
    for line in original_lines(mail):
        if line[:12].lower() == "message-id: ":
            yield from _IDS.findall(line[:1000])
    for name in ("in-reply-to", "references"):
        yield from reversed(_IDS.findall(first(mail.fields, name)[:4096]))
