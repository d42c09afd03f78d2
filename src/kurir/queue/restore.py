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

from .book import Book
from .choice import kept_for_good
from .intake import errand_of, is_urgent, sender_domain
from .ports import Store, StoreFull
from .settings import QueueSettings
from .state import Mail, State, shared


def restore(store: Store, book: Book, settings: QueueSettings) -> int:
    """Fill `book` from the store, note the gap since it was written; return how many recipients wait."""
    wall, now = book.steady.wall(), book.steady.now()
    gaps = store.gaps()
    longest = max(settings.retry) * (1 + settings.jitter)
    below, _, latest = gaps[-1] if gaps else (0, 0.0, 0.0)
    since = 0.0  # the latest date of what came after that
    count = 0
    mails: list[Mail] = []
    accepted = 0.0
    for stored in store.waiting():
        accepted = max(accepted, stored.accepted_at)
        mail = Mail(
            stored.number,
            now - max(0.0, wall - accepted - _not_lived(stored.number, gaps)),
            sender_domain(stored.reverse_path),
            null=stored.reverse_path is None,
            proven=stored.proven_sender,
            account=stored.account is not None,
            owner=shared(stored.account or ""),
            urgent=is_urgent(settings.urgent, stored.account, stored.reverse_path),
            size=stored.size,
        )
        errands = []
        dates = [stored.accepted_at]
        for recipient, state in stored.recipients:
            errand = errand_of(mail, state.index, recipient)
            errand.attempts = state.attempts
            errand.told = state.told
            errands.append(errand)
            if state.held is not None:
                errand.state = State.HELD
                errand.held = state.held
                continue
            dates.append(state.next_at)
            errand.due = now + min(max(state.next_at - wall, 0.0), longest)
        latest = max(latest, *dates)
        if stored.number >= below:
            since = max(since, *dates)
        mail.errands = tuple(errands)
        mail.open = len(errands)
        if not errands:
            continue  # only its notices are open
        count += mail.open
        book.mails[mail.number] = mail
        mails.append(mail)
    if settings.alternatives:
        for number, index, road in store.lost_replies():
            found = book.mails[number].errand(index) if number in book.mails else None
            if found is not None:
                found.way = kept_for_good(found.way, road)
    gap = wall - (since or latest)
    if gap <= longest:
        gap = 0.0
    elif mails:
        _note(store, gap, wall)
    add = book.wheel.add
    for mail in mails:
        mail.born = min(now, mail.born + gap)
        for errand in mail.errands:
            if errand.state is State.WAITING:
                add(errand.due, errand)
        if any(e.state is State.WAITING for e in mail.errands):
            book.watch(mail, now)
    book.counters.loaded_recipients += count
    return count


def _not_lived(number: int, gaps: Sequence[tuple[int, float, float]]) -> float:
    return sum(seconds for below, seconds, _ in gaps if number < below)


def _note(store: Store, gap: float, wall: float) -> None:
    with suppress(StoreFull):  # then it counts for this start only
        store.note_gap(store.next_number(), gap, wall)
