"""What the brain remembers: one `Mail` per waiting message, one `Errand` per recipient of it.

Rule: half a kilobyte per waiting recipient.  Hence slots, shared domain strings, and no addresses,
headers or bodies: what an attempt needs is the *letter*, kept only while it is fresh (`FreshLetters`)
and read back from the store afterwards.
"""

import sys
from collections import OrderedDict
from enum import Enum
from typing import TYPE_CHECKING

from kurir.model import Cause, Fate, OutcomeKind, Urgency
from kurir.queue.ports import NewMessage, StoredLetter

if TYPE_CHECKING:
    from kurir.queue.roads.choice import Way
    from kurir.queue.turns.lease import OpenLease
    from kurir.queue.turns.site import Site

Letter = NewMessage | StoredLetter

NOT_SAID = -1  # no NOTIFY parameter


class State(Enum):
    """Where an errand is.  An errand has one owner at most: only LEASED ones are with a hand."""

    PLANNING = "planning"  # a hand is asked for the roads
    READY = "ready"  # in the queue of a site
    LEASED = "leased"  # with a hand
    SETTLING = "settling"  # its outcome is known, its letter is being read
    WAITING = "waiting"  # for its next attempt
    HELD = "held"  # for a person
    ENDED = "ended"


class Place(Enum):
    """Where an errand stands in line at its site."""

    LAST = "last"  # behind those of its owner
    KEPT = "kept"  # before those of its owner that had no turn yet: it had one, and it came to nothing
    FIRST = "first"  # before all: a person wants it now


class Errand:
    """One recipient of a message on its way.  `due` and all times here are queue time.

    `together` is the most recipients that share its lease, 0 for the usual number.  It is not stored: after a
    restart one more attempt of them all finds it out again.  Nor is `blocked_at`: the day of a block begins anew then.
    """

    __slots__ = (
        "attempts",
        "blocked_at",
        "cause",
        "domain",
        "due",
        "held",
        "index",
        "lease",
        "mail",
        "notify",
        "place",
        "site",
        "state",
        "together",
        "told",
        "way",
    )

    def __init__(self, mail: "Mail", index: int, domain: str, notify: int) -> None:
        self.mail = mail
        self.index = index
        self.domain = domain
        self.notify = notify
        self.state = State.WAITING
        self.attempts = 0
        self.told = 0
        self.together = 0
        self.due = 0.0
        self.place = Place.LAST
        self.held: str | None = None
        self.cause: Cause | None = None
        self.blocked_at: float | None = None  # when the block that lasts was first met
        self.site: Site | None = None
        self.lease: OpenLease | None = None
        self.way: Way | None = None  # where it has several roads


class Mail:
    """A message with recipients that have not ended.  `born` is its acceptance in queue time."""

    __slots__ = (
        "account",
        "born",
        "date",
        "errands",
        "fresh",
        "null",
        "number",
        "open",
        "owner",
        "proven",
        "sender",
        "size",
        "urgency",
    )

    def __init__(
        self,
        number: int,
        born: float,
        sender: str,
        *,
        null: bool,
        proven: bool,
        account: bool,
        owner: str = "",
        urgency: Urgency = Urgency.ORDINARY,
        size: int = 0,
    ) -> None:
        self.number = number
        self.born = born
        self.sender = sender  # the reverse-path's domain, "" for the null sender
        self.null = null
        self.proven = proven
        self.account = account
        self.owner = owner or sender  # who takes turns with others where a road has limits
        self.urgency = urgency
        self.size = size  # octets of the body, which decides where roads have limits
        self.errands: tuple[Errand, ...] = ()
        self.open = 0  # errands that have not ended
        self.fresh: NewMessage | None = None
        self.date: int | None = None  # in the calendar of milestones

    @property
    def urgent(self) -> bool:
        """Whether it may use the reserve of a limit."""
        return self.urgency is Urgency.URGENT

    def errand(self, index: int) -> Errand | None:
        """Return the errand of recipient `index` if it has not ended."""
        errands = self.errands
        found: Errand | None
        if index < len(errands) and errands[index].index == index:
            found = errands[index]
        else:  # read back after a start: only those that waited are here
            found = next((e for e in errands if e.index == index), None)
        return found if found is not None and found.state is not State.ENDED else None

    def wants_delay_notices(self) -> bool:
        """Say whether anybody may have to be told that it takes longer (RFC 3461 section 4.1): `duties` decides."""
        if self.null or not self.proven:
            return False
        return self.account or any(
            (e.notify > 0 and e.notify & 4) or e.cause is Cause.TLS_LOST for e in self.errands
        )


def shared(text: str) -> str:
    """Return the one copy of a domain that all records share."""
    return sys.intern(text)


class FreshLetters:
    """Letters of new messages, kept for their first attempt within a budget of octets; oldest go first."""

    __slots__ = ("_budget", "_kept", "held")

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._kept: OrderedDict[int, Mail] = OrderedDict()
        self.held = 0

    def keep(self, mail: Mail, letter: NewMessage) -> None:
        """Keep `letter`; drop the oldest ones where that is too much."""
        mail.fresh = letter
        self._kept[mail.number] = mail
        self.held += _weight(letter)
        while self.held > self._budget and self._kept:
            self.drop(next(iter(self._kept.values())))

    def drop(self, mail: Mail) -> None:
        """Forget the letter of `mail`."""
        letter = mail.fresh
        if letter is not None:
            mail.fresh = None
            del self._kept[mail.number]
            self.held -= _weight(letter)


def _weight(letter: NewMessage) -> int:
    body = letter.body
    return len(letter.trace_block) + 600 + 300 * len(letter.recipients) + (len(body) if body else 0)


class Counters:
    """What is counted since the start, for metrics."""

    __slots__ = (
        "accepted_messages",
        "accepted_recipients",
        "attempts",
        "duplicates",
        "fates",
        "ignored_results",
        "loaded_recipients",
        "notices_met",
        "possibly_delivered",
        "recovered",
        "refused_full",
        "slowed",
    )

    def __init__(self) -> None:
        self.accepted_messages = 0
        self.accepted_recipients = 0
        self.loaded_recipients = 0
        self.fates: dict[Fate, int] = dict.fromkeys(Fate, 0)
        self.attempts: dict[OutcomeKind, int] = dict.fromkeys(OutcomeKind, 0)
        self.possibly_delivered = 0
        self.recovered = 0
        self.duplicates = 0  # a second success for a recipient that had already ended
        self.ignored_results = 0
        self.notices_met = 0
        self.refused_full = 0
        self.slowed = 0  # how often a peer was spared from then on
