"""Takes in evidence and decides by the rules: bounces that come in, and our own refused deliveries."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import msgspec

from kurir.model import Address, Fate, Outcome
from kurir.trace import Returned, Why, read_returned

from .entry import Entry, Report, Strike, day_of, key_of
from .ports import SuppressionStore
from .rules import Weight, of_bounce, of_outcome
from .settings import SuppressionSettings

ARRIVED = frozenset({Fate.HANDED_OVER, Fate.CAPTURED})  # what other servers can send back
SAME = 5.0  # seconds between our Received field and the accepting, at most
MAX_RECIPIENTS = 5  # whose mails are searched for one with that name
NAME = 8  # characters that an envelope's name has at least, or it can be guessed
MAX_WORDS = 500  # characters kept of what was said


class SentTo(msgspec.Struct, frozen=True, array_like=True):
    """One recipient of a message of ours: `wanted` is what the sender typed, `address` where it went."""

    index: int
    address: Address
    wanted: Address | None
    fate: Fate | None


class SentMail(msgspec.Struct, frozen=True, array_like=True):
    """A message that this server took; `envid` is what its sender called the envelope."""

    number: int
    accepted_at: float
    recipients: tuple[SentTo, ...]
    envid: str | None = None


class History(Protocol):
    """Knows what was sent."""

    def sent(self, message_id: str, since: float) -> Sequence[SentMail]:
        """Return messages with that Message-ID accepted since then, the newest first.  Raises `StoreError`."""
        ...

    def numbered(self, number: int) -> SentMail | None:
        """Return the message with that accept number.  Raises `StoreError`."""
        ...

    def addressed(self, address: str, since: float) -> Sequence[SentMail]:
        """Return the latest messages that have to do with that address, accepted since then.  Raises `StoreError`."""
        ...


class Desk:
    """Blocking: call it from a thread.  Raises `StoreError` where the store does."""

    def __init__(
        self,
        settings: SuppressionSettings,
        store: SuppressionStore,
        history: History,
        now: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._store = store
        self._history = history
        self._now = now

    def returned(self, bounce: int, text: str) -> tuple[Report, ...]:
        """Read message `bounce` where it is one: tie it to the original, note what it says.  Return what is new."""
        read = read_returned(text)
        if read is None:
            return ()
        now = self._now()
        found = (m for m in self._originals(read, now - self._settings.window) if m.number != bounce)
        original = next(found, None)
        return tuple(self._noted(bounce, original, read.told, now)) if original is not None else ()

    def _originals(self, read: Returned, since: float) -> Iterator[SentMail]:
        """Return messages that a bounce may be about, the likeliest first.

        Numbers can be guessed, so one counts only with the time at which it was given.  Of several messages with the same
        Message-ID it is the one whose envelope the bounce names; where nothing else came back, that name alone tells which of
        the messages to the same recipient it is.
        """
        for passage in read.passages:
            mail = self._history.numbered(passage.number)
            if mail is not None and mail.accepted_at >= since and abs(mail.accepted_at - passage.at) < SAME:
                yield mail
        for message_id in read.message_ids:
            sent = self._history.sent(message_id, since)
            yield from sorted(sent, key=lambda mail: not mail.envid or mail.envid != read.envelope_id)
        if len(read.envelope_id) >= NAME:
            for recipient in sorted({why.recipient for why in read.told} - {""})[:MAX_RECIPIENTS]:
                sent = self._history.addressed(recipient, since)
                yield from (m for m in sent if m.envid == read.envelope_id and _named(m, recipient))

    def _noted(self, bounce: int, mail: SentMail, told: Sequence[Why], now: float) -> list[Report]:
        new = []
        for why in told:
            named = _named(mail, why.recipient)
            to = named or (mail.recipients[0] if len(mail.recipients) == 1 else None)
            if to is None or to.fate not in ARRIVED:
                continue
            words = _words(why.code, why.enhanced, why.said)
            report = Report(mail.number, to.index, bounce, now, why.cause, why.final, why.host, words)
            if not self._store.report(report):
                continue
            new.append(report)
            if named is not None:  # another address is one that we did not send to: it was forwarded there
                weight = of_bounce(why, to.fate, len(mail.recipients))
                self._weigh(
                    weight, Strike(key_of(to.address), day_of(now), why.cause, words, mail.number, now)
                )
        return new

    def refused(self, number: int, address: Address, outcome: Outcome) -> None:
        """Note a delivery of ours that was refused."""
        weight = of_outcome(outcome)
        if weight is not Weight.NOTHING:
            now = self._now()
            words = str(outcome.reply)[:MAX_WORDS]
            self._weigh(weight, Strike(key_of(address), day_of(now), outcome.cause, words, number, now))

    def _weigh(self, weight: Weight, strike: Strike) -> None:
        settings = self._settings
        if weight is Weight.NOTHING or not settings.automatic:
            return
        if weight is Weight.STRIKE and (
            self._store.strike(strike, day_of(strike.at - settings.window)) < settings.days
        ):
            return
        self._store.put(
            Entry(
                address=strike.address,
                cause=strike.cause,
                words=strike.words,
                source=strike.number,
                by="bounce" if weight is Weight.PROOF else "refusals",
                since=strike.at,
                until=strike.at + settings.keep,
            )
        )


def _named(mail: SentMail, recipient: str) -> SentTo | None:
    key = key_of(recipient)
    return next(
        (to for to in mail.recipients if key in (key_of(to.address), key_of(to.wanted or to.address))), None
    )


def _words(code: int, enhanced: str | None, said: str) -> str:
    return " ".join(filter(None, (str(code) if code else "", enhanced or "", said)))[:MAX_WORDS]
