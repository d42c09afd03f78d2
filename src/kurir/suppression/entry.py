"""What is kept: entries of the list, strikes that are not proof yet, and what came back for which message."""

from datetime import UTC, datetime

import msgspec

from kurir.model import Address, Cause


def key_of(address: Address | str) -> str:
    """Return the one spelling of an address on the list: real servers do not tell case apart."""
    return str(address).lower()


def day_of(at: float) -> str:
    """Return the day (UTC) of a time, ``"2026-11-23"``."""
    return datetime.fromtimestamp(at, UTC).date().isoformat()


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One address that mail is not sent to.

    `cause` is what is known of it (`Cause.SUPPRESSED` where a person decided), `words` what was said, `source` the
    accept number of the message that showed it or None, `by` a person's name, ``"bounce"`` or ``"refusals"``.
    `until` is epoch seconds, None until a person removes it.
    """

    address: str
    cause: Cause
    words: str
    source: int | None
    by: str
    since: float
    until: float | None

    def holds(self, now: float) -> bool:
        """Whether it is in force."""
        return self.until is None or now < self.until


class Strike(msgspec.Struct, frozen=True, array_like=True):
    """A day on which an address was refused as dead; `number` is the message."""

    address: str
    day: str
    cause: Cause
    words: str
    number: int
    at: float


class Report(msgspec.Struct, frozen=True, array_like=True):
    """What a bounce (message `bounce`) said of a recipient of message `number`, long after it was handed over."""

    number: int
    recipient: int
    bounce: int
    at: float
    cause: Cause
    final: bool
    host: str
    words: str
