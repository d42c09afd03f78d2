"""What an outcome means: state, events and duties of one message, put into one change.

The table: delivered / handed over / captured end the recipient; FAILED ends it as bounced, or holds it where
nobody may be told; DEFERRED waits for the next try, or expires, or fails where a block lasts.  Nothing here leases, plans or sends.
"""

from collections.abc import Callable, Iterable

import msgspec

from kurir.limits import Wait
from kurir.model import Address, Cause, Event, EventKind, Fate, Outcome, OutcomeKind
from kurir.queue.asks import NoticeReason
from kurir.queue.ports import Change, Notice, RecipientState
from kurir.queue.roads.choice import kept_for_good
from kurir.queue.settings import QueueSettings
from kurir.queue.waiting.retry import Again, GiveUp, RetryPolicy, WaitForTheEnd
from kurir.queue.waiting.state import Counters, Errand, Letter, Mail, State
from kurir.queue.waiting.steady import Steady

from .duties import Duty, Owed, after_delay, after_failure, after_success

SUCCESS = {
    OutcomeKind.DELIVERED: Fate.DELIVERED,
    OutcomeKind.HANDED_OVER: Fate.HANDED_OVER,
    OutcomeKind.CAPTURED: Fate.CAPTURED,
}
# Kinds of notices: the word in their id.
FAILED, SUCCEEDED, DELAYED, HELD = "failed", "success", "delayed", "held"
_LETTER_GONE = "the stored message is missing, so that no notice can be written"


class Sheet:
    """The change of one message while it is being written."""

    __slots__ = ("events", "letter", "mail", "now", "reasons", "states", "wall")

    def __init__(self, mail: Mail, letter: Letter | None, wall: float, now: float) -> None:
        self.mail = mail
        self.letter = letter
        self.wall = wall
        self.now = now
        self.states: list[RecipientState] = []
        self.events: list[Event] = []
        self.reasons: dict[str, list[tuple[Errand, NoticeReason]]] | None = None

    def event(
        self,
        errand: Errand,
        kind: EventKind,
        *,
        outcome: Outcome | None = None,
        fate: Fate | None = None,
        cause: Cause | None = None,
        next_at: float | None = None,
        by: str = "",
        reason: str = "",
    ) -> None:
        """Add one line to the trace."""
        self.events.append(
            Event(
                number=self.mail.number,
                kind=kind,
                at=self.wall,
                recipient=errand.index,
                outcome=outcome,
                fate=fate,
                cause=cause,
                next_at=next_at,
                by=by,
                reason=reason,
            )
        )

    def state(self, errand: Errand, fate: Fate | None = None) -> None:
        """Add the state that `errand` is in now."""
        self.states.append(
            RecipientState(
                self.mail.number,
                errand.index,
                fate,
                self.at_wall(errand.due),
                errand.attempts,
                errand.held,
                0,
                errand.told,
            )
        )

    def at_wall(self, at: float) -> float:
        """Return a queue time as wall time."""
        return self.wall + (at - self.now)

    def owe(
        self,
        kind: str,
        errand: Errand,
        action: str,
        outcome: Outcome | None,
        limit: Wait | None = None,
        **times: float | None,
    ) -> None:
        """Note that a notice of `kind` has to tell of this recipient, and of the `limit` (in queue time) that it waits for."""
        letter = self.letter
        if letter is None:
            self.event(errand, EventKind.NOTICE_WAIVED, reason=_LETTER_GONE)
            return
        if self.reasons is None:
            self.reasons = {}
        if limit is not None and limit.goes_at is not None:
            limit = msgspec.structs.replace(limit, goes_at=self.at_wall(limit.goes_at))
        reason = NoticeReason(
            letter.recipients[errand.index],
            action,
            outcome,
            self.wall,
            index=errand.index,
            limit=limit,
            **times,
        )
        self.reasons.setdefault(kind, []).append((errand, reason))


class Settler:
    """Turns outcomes into changes.  The errands are moved at once; the change is for the store."""

    def __init__(
        self, settings: QueueSettings, steady: Steady, roll: Callable[[], float], counters: Counters
    ) -> None:
        self._settings = settings
        self._steady = steady
        self._roll = roll
        self._count = counters
        self._ordinary = RetryPolicy.ordinary(settings)
        self._null = RetryPolicy.null_sender(settings)

    def policy(self, mail: Mail) -> RetryPolicy:
        """Return the retry policy of `mail`."""
        return self._null if mail.null else self._ordinary

    def sheet(self, mail: Mail, letter: Letter | None) -> Sheet:
        """Start the change of one message."""
        return Sheet(mail, letter, self._steady.wall(), self._steady.now())

    def needs_letter(self, mail: Mail, results: Iterable[tuple[Errand, Outcome]]) -> bool:
        """Say whether settling `results` may owe a notice, which needs the letter."""
        if mail.null:
            return False
        policy = self._ordinary
        age = self._steady.now() - mail.born
        late = age >= policy.lifetime
        passed = policy.told_by(age)
        for errand, outcome in results:
            if outcome.kind is OutcomeKind.FAILED or outcome.lasting or late or errand.notify > 0:
                return True
            deferred = outcome.kind is OutcomeKind.DEFERRED
            news = errand.told < passed or (outcome.clear_from is not None and not errand.told)
            if deferred and news and _wants_delay_notice(errand, outcome.cause):
                return True
        return False

    def settle(self, mail: Mail, letter: Letter | None, results: Iterable[tuple[Errand, Outcome]]) -> Change:
        """Apply one attempt's outcomes to errands of `mail` (not ended, not waiting in a site's queue)."""
        sheet = self.sheet(mail, letter)
        counters = self._count
        roll = self._roll()  # one for all, so that recipients of a message stay together
        for errand, outcome in results:
            errand.attempts += 1
            errand.cause = outcome.cause
            errand.together = outcome.together or errand.together
            counters.attempts[outcome.kind] += 1
            fate = SUCCESS.get(outcome.kind)
            if fate is not None:
                self._succeeded(sheet, errand, outcome, fate)
            elif outcome.kind is OutcomeKind.FAILED:
                self._failed(sheet, errand, outcome)
            else:
                self._deferred(sheet, errand, outcome, roll)
        return self.close(sheet)

    def _succeeded(self, sheet: Sheet, errand: Errand, outcome: Outcome, fate: Fate) -> None:
        mail = sheet.mail
        sheet.event(errand, EventKind.ATTEMPTED, outcome=outcome, fate=fate)
        self.end(sheet, errand, fate)
        if errand.notify > 0:
            relayed = outcome.dsn_relayed
            owed = after_success(
                null=mail.null, proven=mail.proven, notify=errand.notify, fate=fate, dsn_relayed=relayed
            )
            action = "relayed" if fate is Fate.HANDED_OVER else "delivered"
            self._owe(sheet, owed, SUCCEEDED, errand, action, outcome)

    def _failed(self, sheet: Sheet, errand: Errand, outcome: Outcome) -> None:
        mail = sheet.mail
        owed = after_failure(null=mail.null, proven=mail.proven, notify=errand.notify)
        if owed.duty is Duty.TELL_POSTMASTER:
            sheet.event(errand, EventKind.ATTEMPTED, outcome=outcome)
            self._hold_for_postmaster(sheet, errand, owed, outcome)
            return
        sheet.event(errand, EventKind.ATTEMPTED, outcome=outcome, fate=Fate.BOUNCED)
        self.end(sheet, errand, Fate.BOUNCED)
        self._owe(sheet, owed, FAILED, errand, "failed", outcome)

    def _deferred(self, sheet: Sheet, errand: Errand, outcome: Outcome, roll: float) -> None:
        mail = sheet.mail
        if outcome.possibly_delivered:
            self._count.possibly_delivered += 1
            errand.way = kept_for_good(errand.way, outcome.road)
        if not outcome.lasting:
            errand.blocked_at = None
        elif errand.blocked_at is None:
            errand.blocked_at = sheet.now
        age = sheet.now - mail.born
        policy = self.policy(mail)
        decision = policy.after(
            attempts=errand.attempts,
            age=age,
            cause=outcome.cause,
            hint=outcome.retry_after,
            roll=roll,
            blocked_for=None if errand.blocked_at is None else sheet.now - errand.blocked_at,
        )
        if isinstance(decision, GiveUp) and age < policy.lifetime:
            self._failed(sheet, errand, outcome)
            return
        if isinstance(decision, GiveUp):
            sheet.event(errand, EventKind.ATTEMPTED, outcome=outcome)
            self.expire(sheet, errand, outcome)
            return
        assert isinstance(decision, Again | WaitForTheEnd)
        errand.due = sheet.now + decision.delay
        errand.state = State.WAITING
        next_at = sheet.at_wall(errand.due)
        sheet.event(errand, EventKind.ATTEMPTED, outcome=outcome, next_at=next_at)
        self.tell_delay(sheet, errand, outcome)
        sheet.state(errand)

    def tell_delay(
        self, sheet: Sheet, errand: Errand, outcome: Outcome | None, limit: Wait | None = None
    ) -> bool:
        """Owe the delay notice whose time has passed, if any; the caller writes the state.

        `limit` is what the recipient waits for, in queue time: then that says when it goes, not the calendar of attempts.
        """
        mail = sheet.mail
        policy = self.policy(mail)
        passed = policy.told_by(sheet.now - mail.born)
        if outcome is not None and outcome.clear_from is not None:
            # The last try that protects it: afterwards there would be nothing left to do for who is told.
            passed = max(passed, int(sheet.at_wall(errand.due) >= outcome.clear_from))
        if passed <= errand.told:
            return False
        if not _wants_delay_notice(errand, errand.cause):
            return False  # nor is it told: what it waits for may become another thing
        errand.told = passed
        sheet.owe(
            DELAYED,
            errand,
            "delayed",
            outcome,
            limit,
            next_at=sheet.at_wall(errand.due) if limit is None else None,
            give_up_at=sheet.at_wall(mail.born + policy.lifetime),
        )
        return True

    def expire(
        self, sheet: Sheet, errand: Errand, outcome: Outcome | None, limit: Wait | None = None
    ) -> None:
        """The lifetime is over; `limit` is what it waited for to the end."""
        mail = sheet.mail
        owed = after_failure(null=mail.null, proven=mail.proven, notify=errand.notify)
        if owed.duty is Duty.TELL_POSTMASTER:
            errand.told += 1
            sheet.event(errand, EventKind.EXPIRED, cause=Cause.EXPIRED)
            self._hold_for_postmaster(sheet, errand, owed, outcome)
            return
        sheet.event(errand, EventKind.EXPIRED, fate=Fate.EXPIRED, cause=Cause.EXPIRED)
        self.end(sheet, errand, Fate.EXPIRED)
        self._owe(sheet, owed, FAILED, errand, "failed", outcome, limit)

    def _hold_for_postmaster(self, sheet: Sheet, errand: Errand, owed: Owed, outcome: Outcome | None) -> None:
        errand.state = State.HELD
        errand.held = owed.reason
        sheet.event(
            errand, EventKind.HELD, cause=Cause.NO_BACKSCATTER, by="no-backscatter", reason=owed.reason
        )
        sheet.state(errand)
        sheet.owe(HELD, errand, "failed", outcome)

    def _owe(
        self,
        sheet: Sheet,
        owed: Owed,
        kind: str,
        errand: Errand,
        action: str,
        outcome: Outcome | None,
        limit: Wait | None = None,
    ) -> None:
        if owed.duty is Duty.TELL_SENDER:
            sheet.owe(kind, errand, action, outcome, limit)
        elif owed.duty is Duty.WAIVED:
            sheet.event(errand, EventKind.NOTICE_WAIVED, reason=owed.reason)

    def end(self, sheet: Sheet, errand: Errand, fate: Fate) -> None:
        """The recipient's last state."""
        errand.state = State.ENDED
        errand.held = None
        sheet.mail.open -= 1
        self._count.fates[fate] += 1
        sheet.state(errand, fate)

    def close(self, sheet: Sheet, notices_met: tuple[str, ...] = ()) -> Change:
        """Return the change that the sheet has become."""
        notices = self._notices(sheet) if sheet.reasons else ()
        return Change(
            events=tuple(sheet.events),
            recipients=tuple(sheet.states),
            notices=notices,
            notices_met=notices_met,
            finished=sheet.mail.open == 0,
        )

    def _notices(self, sheet: Sheet) -> tuple[Notice, ...]:
        letter = sheet.letter
        assert letter is not None
        assert sheet.reasons is not None
        notices = []
        for kind, entries in sheet.reasons.items():
            first = entries[0][0]
            # Each thing to tell comes with one more attempt or one more telling, so that its id is new.
            step = first.told if kind == DELAYED else first.attempts + first.told
            held = kind == HELD
            to: Address | None = self._settings.postmaster if held else letter.reverse_path
            assert to is not None  # rule 1 of the duties
            notice = Notice(
                id=f"{sheet.mail.number}-{kind}-{first.index}.{step}",
                number=sheet.mail.number,
                to=to,
                reasons=tuple(reason for _, reason in entries),
                held=held,
            )
            notices.append(notice)
            for errand, _ in entries:
                sheet.event(errand, EventKind.NOTICE_DUE, by=notice.told, reason=kind)
        return tuple(notices)


def _wants_delay_notice(errand: Errand, cause: Cause | None) -> bool:
    mail = errand.mail
    owed = after_delay(
        null=mail.null, proven=mail.proven, account=mail.account, notify=errand.notify, cause=cause
    )
    return owed.duty is Duty.TELL_SENDER
