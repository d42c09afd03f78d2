"""What a hand learns of limits while it works: from EHLO, from replies that name figures, from a goodbye.

Nothing here costs a message that goes well: EHLO is read once a connection, replies only where they refuse.
"""

from collections.abc import Sequence
from dataclasses import replace

from kurir.delivery.connecting.session import Offer
from kurir.delivery.routing.allowed import TOWARDS, Allowed, stranger, subject_of
from kurir.delivery.routing.plan import Destination
from kurir.delivery.settings import RouteKind
from kurir.limits import HELLO, Lesson, Per, Unit, limits_said
from kurir.model import Cause, Clock, Outcome, Reply

# Refusals that may name a figure.
_NAMES_A_LIMIT = frozenset(
    {Cause.RATE_LIMITED, Cause.QUOTA_SPENT, Cause.TOO_MANY_RECIPIENTS, Cause.BUSY, Cause.POLICY_RECEIVER}
)
_MAX_WORDS = 300


class Student:
    """Turns what a peer says into lessons."""

    def __init__(self, allowed: Allowed, clock: Clock) -> None:
        self._allowed = allowed
        self._clock = clock

    def hello(self, destination: Destination, offer: Offer) -> None:
        """Learn the SIZE of a smarthost (RFC 1870): it counts before the next message is even taken."""
        if offer.size and destination.route.kind is RouteKind.SMARTHOST:
            self._hear(destination, [(Unit.OCTETS, Per.MESSAGE, offer.size)], HELLO)

    def refused(self, destination: Destination, outcome: Outcome) -> bool:
        """Learn from a refusal; return whether a limit of this road is another one now."""
        if outcome.reply is None or outcome.cause not in _NAMES_A_LIMIT:
            return False
        said = limits_said(outcome.reply.text)
        return bool(said) and self._hear(destination, said, str(outcome.reply))

    def too_large(self, destination: Destination, offer: Offer, domain: str) -> None:
        """Learn that mail to `domain` may not be larger than this, so that the next one is refused before it is sent."""
        if offer.size and destination.route.kind is RouteKind.MX:
            lesson = Lesson(
                f"{TOWARDS}{domain}", Unit.OCTETS, Per.MESSAGE, offer.size, self._clock.now(), HELLO
            )
            self._allowed.learnt.hear([lesson])

    def goodbye(self, destination: Destination, carried: int, reply: Reply) -> Destination:
        """Learn from a 421 in the place of the next message how many of them a connection carries there."""
        words = reply.text.lower()
        if carried < 1 or not any(w in words for w in ("message", "mail", "transaction")):
            return destination
        if not any(w in words for w in ("connection", "session")):
            return destination
        self._hear(destination, [(Unit.MESSAGES, Per.CONNECTION, carried)], str(reply))
        return replace(destination, messages=carried)

    def _hear(self, destination: Destination, said: Sequence[tuple[Unit, Per, int]], words: str) -> bool:
        route, at = destination.route, self._clock.now()
        known = self._allowed.known(route, destination.hosts) or stranger(route, destination.hosts)
        if known is None:
            return False
        subject = subject_of(known, route)
        return self._allowed.learnt.hear(
            [Lesson(subject, unit, per, value, at, words[:_MAX_WORDS]) for unit, per, value in said]
        )
