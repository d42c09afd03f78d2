"""The steps of a conversation with an authority: what its driver has to do next, and what it answers with."""

from collections.abc import Generator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TypeVar

from .settings import RETRY_AFTER_MOST, Challenge


@dataclass(frozen=True, slots=True)
class Ask:
    """Send this; the answer is a `Said`.  A `body` is a JWS (``application/jose+json``)."""

    method: str
    url: str
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Said:
    """What came back; names of `headers` in lower case."""

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: tuple[tuple[str, str], ...] = ()

    def header(self, name: str) -> str:
        """Return the first header of this name, "" where there is none."""
        return next((value for known, value in self.headers if known == name), "")

    @property
    def retry_after(self) -> float:
        """Seconds to wait as the server wants it, 0.0 where it does not say (RFC 9110 section 10.2.3)."""
        text = self.header("retry-after").strip()
        if text.isascii() and text.isdigit():
            return min(float(text[:9]), RETRY_AFTER_MOST)
        try:  # a date, by the server's own clock
            until, now = parsedate_to_datetime(text), parsedate_to_datetime(self.header("date"))
            return min(max((until - now).total_seconds(), 0.0), RETRY_AFTER_MOST)
        except (TypeError, ValueError):
            return 0.0


@dataclass(frozen=True, slots=True)
class Proof:
    """That `name` is ours: for http-01 the file `token` that says `value`, for dns-01 a TXT record `value`."""

    challenge: Challenge
    name: str
    token: str
    value: str

    @property
    def record(self) -> str:
        """Where the TXT record stands (RFC 8555 section 8.4)."""
        return f"_acme-challenge.{self.name}"


@dataclass(frozen=True, slots=True)
class Publish:
    """Make these visible, all of them, before the next step; take them away when the conversation has ended, however it did."""

    proofs: tuple[Proof, ...]


@dataclass(frozen=True, slots=True)
class Rest:
    """Do nothing for so many seconds."""

    seconds: float


Step = Ask | Publish | Rest
_Result = TypeVar("_Result")
Talk = Generator[Step, Said | None, _Result]
"""A conversation: `send` it a `Said` after an `Ask`, None after other steps."""
