"""Reads a returned message as a server does: what was said of whom, and which message of ours it is about.

The words are `explain_all`'s.  Here is only the tie to the original: its Message-ID, from the returned part (RFC 3464
section 2, RFC 6522), from the lines behind "below is a copy" in free-form bounces, or from In-Reply-To and References.
"""

import re
from collections.abc import Iterator

import msgspec

from kurir.model import Cause

from .bounce import ORIGINALS, Kind, original_lines
from .mailparts import Mail, first, groups, read_mail
from .why import Why, explain_mail

_IDS = re.compile(r"<[^<>\s]{1,900}@[^<>\s]{1,255}>")
_REFUSALS = frozenset({Kind.BOUNCE, Kind.DELAYED})
MAX_IDS = 5


class Returned(msgspec.Struct, frozen=True):
    """What a bounce tells: the Message-IDs that the original may have, best evidence first, and what was said of whom."""

    message_ids: tuple[str, ...]
    told: tuple[Why, ...]


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
    return Returned(tuple(found), told)


def _message_ids(mail: Mail) -> Iterator[str]:
    for part in mail.parts:
        if part.kind in ORIGINALS:
            for fields in groups(part.lines[:400])[:1]:
                yield from _IDS.findall(first(fields, "message-id")[:1000])
    for line in original_lines(mail):
        if line[:12].lower() == "message-id: ":
            yield from _IDS.findall(line[:1000])
    for name in ("in-reply-to", "references"):
        yield from reversed(_IDS.findall(first(mail.fields, name)[:4096]))
