"""What waits in the queue, as ``kurir queue`` shows it: read beside a running server, which is asked about the next attempts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from kurir.app.wiring import settings
from kurir.config import Config
from kurir.model import Event, Recipient, Standing, decode_id, encode_id
from kurir.queue import StoreError
from kurir.queue.ports import RecipientState
from kurir.storage import StoredTrace, head, waiting
from kurir.trace import Catalogue, Lang, awaited

from .control import ControlError
from .reading import MOST_ASKED, reader, standings, typed


@dataclass(frozen=True, slots=True)
class QueueRecipient:
    """One waiting recipient; `state` is waiting, trying or held, `reason` the last cause in words."""

    index: int
    address: str
    state: str
    next_at: float | None
    attempts: int
    reason: str


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """One message with waiting recipients."""

    id: str
    number: int
    size: int
    accepted_at: float
    sender: str
    subject: str
    recipients: tuple[QueueRecipient, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return dict(msgspec.to_builtins(self))


@dataclass(frozen=True, slots=True)
class Queue:
    """The listed entries, and how much there is in all."""

    entries: tuple[QueueEntry, ...]
    messages: int
    recipients: int


def queue(config: Config, *, to: str = "", held: bool = False, limit: int = 1000, lang: Lang = "en") -> Queue:
    """Return what waits, oldest first; `to` is part of an address.  Raises `ControlError`."""
    to = typed(to)
    try:
        page = waiting(settings.layout(config), to=to, held=held, limit=limit)
    except StoreError as e:
        raise ControlError(str(e)) from None
    entries = tuple(
        _entry(trace, lang, to.lower(), standings(config, trace.id) if i < MOST_ASKED else {}, held=held)
        for i, trace in enumerate(page.traces)
    )
    return Queue(entries, page.messages, page.recipients)


def queue_entry(config: Config, text: str, lang: Lang = "en") -> QueueEntry | None:
    """Return one message of the queue, None where it does not wait (any more)."""
    number = decode_id(text)
    found = reader(config).trace(number) if number is not None else None
    if found is None:
        return None
    entry = _entry(found, lang, "", standings(config, found.id), held=False)
    return entry if entry.recipients else None


def _entry(
    trace: StoredTrace, lang: Lang, to: str, standing: Mapping[int, Standing], *, held: bool
) -> QueueEntry:
    waiting = [
        _waiting(i, recipient, state, trace.events, standing.get(i), lang)
        for i, (recipient, state) in enumerate(trace.recipients)
        if state.fate is None and (state.held or not held) and to in str(recipient.address).lower()
    ]
    letter = trace.letter
    return QueueEntry(
        id=encode_id(trace.number),
        number=trace.number,
        size=letter.size,
        accepted_at=letter.accepted_at,
        sender=str(letter.reverse_path or ""),
        subject=letter.subject,
        recipients=tuple(waiting),
    )


def _waiting(
    index: int,
    recipient: Recipient,
    state: RecipientState,
    events: Iterable[Event],
    now: Standing | None,
    lang: Lang,
) -> QueueRecipient:
    reason = state.held or ""
    next_at: float | None = state.next_at
    if now is not None and not reason:
        next_at = now.next_at
        reason = awaited(Catalogue.load(), lang, now.limit) if now.limit is not None else ""
    if not reason:
        outcomes = [e.outcome for e in events if e.recipient == index and e.outcome is not None]
        reason = Catalogue.load().label(outcomes[-1].cause, lang) if outcomes else ""
    return QueueRecipient(
        index=index,
        address=str(recipient.address),
        state="held" if state.held else "trying" if now is not None and now.trying else "waiting",
        next_at=None if state.held else next_at,
        attempts=state.attempts,
        reason=reason,
    )


def head_of(config: Config, number: int) -> bytes:
    """Return the header block of a waiting message, trace lines in front."""
    return head(settings.layout(config), number)
