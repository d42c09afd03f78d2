"""Reading the queue back at start.

Rules
1. The time during which nobody could try does not count against a message: where even the latest date in
   the store lies in the past by more than a step of the schedule, the server was off (or its clock jumped),
   and all ages are taken back by that gap.  So no message expires without having been tried.  Gaps are noted
   in the store, because a date says nothing of them: also those of a clock that jumped while we ran.
   Which date is the latest is told by what was written last, not by the greatest: a clock that had been ahead
   for a while leaves dates behind that are still to come.
2. Numbers tell the order: a message is not older than one with a smaller number, even where the clock had gone
   back when it came.
3. What may have been delivered stays on its road, where roads have alternatives.
4. A date further away than the longest step (a clock that went back) is brought near.
"""

from collections.abc import Sequence
from contextlib import suppress

from kurir.model import Recipient
from kurir.queue.ports import RecipientState, Store, StoredMessage, StoreFull
from kurir.queue.roads.choice import kept_for_good
from kurir.queue.settings import QueueSettings
from kurir.queue.waiting.book import Book
from kurir.queue.waiting.state import Errand, Mail, State, shared

from .intake import errand_of, sender_domain

Gaps = Sequence[tuple[int, float, float]]
"""As `Store.gaps` returns them."""


def restore(store: Store, book: Book, settings: QueueSettings) -> int:
    """Fill `book` from the store, note the gap since it was written; return how many recipients wait."""
    reading = _Reading(book, settings, store.gaps())
    for stored in store.waiting():
        reading.take(stored)
    mails = reading.mails
    if settings.alternatives:
        for number, index, road in store.lost_replies():
            found = book.mails[number].errand(index) if number in book.mails else None
            if found is not None:
                found.way = kept_for_good(found.way, road)
    gap = reading.gap()
    if gap and mails:
        _note(store, gap, book.steady.wall())
    now = book.steady.now()
    for mail in mails:
        mail.born = min(now, mail.born + gap)
        _wait(book, mail, now)
    count = sum(mail.open for mail in mails)
    book.counters.loaded_recipients += count
    return count


class _Reading:
    """What was read so far: the mails that have recipients waiting, and the dates that tell when we ran last."""

    def __init__(self, book: Book, settings: QueueSettings, gaps: Gaps) -> None:
        self._book = book
        self._gaps = gaps
        self._wall, self._now = book.steady.wall(), book.steady.now()
        self._longest = max(settings.retry) * (1 + settings.jitter)
        self._below, _, self._latest = gaps[-1] if gaps else (0, 0.0, 0.0)
        self._since = 0.0  # the latest date of what came after that
        self._accepted = 0.0
        self.mails: list[Mail] = []

    def take(self, stored: StoredMessage) -> None:
        """Put a message into the book, and remember its dates."""
        self._accepted = max(self._accepted, stored.accepted_at)
        lived = self._wall - self._accepted - _not_lived(stored.number, self._gaps)
        mail = Mail(
            stored.number,
            self._now - max(0.0, lived),
            sender_domain(stored.reverse_path),
            null=stored.reverse_path is None,
            proven=stored.proven_sender,
            account=stored.account is not None,
            owner=shared(stored.account or ""),
            urgency=stored.urgency,
            size=stored.size,
        )
        mail.errands = tuple(self._errand(mail, *pair) for pair in stored.recipients)
        mail.open = len(mail.errands)
        self._date(stored)
        if mail.errands:  # else only its notices are open
            self._book.mails[mail.number] = mail
            self.mails.append(mail)

    def _errand(self, mail: Mail, recipient: Recipient, state: RecipientState) -> Errand:
        errand = errand_of(mail, state.index, recipient)
        errand.attempts = state.attempts
        errand.told = state.told
        if state.held is not None:
            errand.state = State.HELD
            errand.held = state.held
        else:
            errand.due = self._now + min(max(state.next_at - self._wall, 0.0), self._longest)
        return errand

    def _date(self, stored: StoredMessage) -> None:
        dates = (state.next_at for _, state in stored.recipients if state.held is None)
        latest = max((stored.accepted_at, *dates))
        self._latest = max(self._latest, latest)
        if stored.number >= self._below:
            self._since = max(self._since, latest)

    def gap(self) -> float:
        """Return for how long nobody could try; 0 where that is within a step of the schedule."""
        gap = self._wall - (self._since or self._latest)
        return gap if gap > self._longest else 0.0


def _wait(book: Book, mail: Mail, now: float) -> None:
    waiting = [errand for errand in mail.errands if errand.state is State.WAITING]
    for errand in waiting:
        book.wheel.add(errand.due, errand)
    if waiting:
        book.watch(mail, now)


def _not_lived(number: int, gaps: Gaps) -> float:
    return sum(seconds for below, seconds, _ in gaps if number < below)


def _note(store: Store, gap: float, wall: float) -> None:
    with suppress(StoreFull):  # then it counts for this start only
        store.note_gap(store.next_number(), gap, wall)
