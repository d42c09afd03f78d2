"""What a limit is: a number, of what, in which time, for whom, what happens beyond it, and who says so.

`Limit` is a line of the atlas, for people and for arithmetic; `Quota` is what of it the brain counts: one
limit applied to one account, already with its safety margin, small enough to travel with every plan.
"""

from dataclasses import dataclass
from enum import Enum

import msgspec

SECOND, MINUTE, HOUR, DAY = 1.0, 60.0, 3600.0, 86400.0
MONTH = 31 * DAY  # every calendar or billing month lies within a window of this length


class Unit(str, Enum):
    """What is counted."""

    MESSAGES = "messages"
    RECIPIENTS = "recipients"
    NEW_RECIPIENTS = "new_recipients"  # never written to before
    CONNECTIONS = "connections"
    OCTETS = "octets"

    @property
    def by_recipient(self) -> bool:
        """Whether each recipient of a message counts; all may be new."""
        return self in (Unit.RECIPIENTS, Unit.NEW_RECIPIENTS)


class Per(str, Enum):
    """Within what it is counted: a rolling window, one message, one connection, or at the same time."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    MESSAGE = "message"
    CONNECTION = "connection"
    ONCE = "once"

    @property
    def window(self) -> float:
        """Return the length of the rolling window in seconds, 0 where it is none."""
        return _WINDOWS.get(self, 0.0)


_WINDOWS = {
    Per.SECOND: SECOND,
    Per.MINUTE: MINUTE,
    Per.HOUR: HOUR,
    Per.DAY: DAY,
    Per.MONTH: MONTH,
}


class Scope(str, Enum):
    """For whom it is counted together."""

    ACCOUNT = "account"  # one login at the provider
    DOMAIN = "domain"  # one sender domain
    ADDRESS = "address"  # one sending IP address
    PROVIDER = "provider"  # everything that goes there


class Beyond(str, Enum):
    """What the other side does with more."""

    DELAY = "delay"
    REFUSE = "refuse"
    DISCARD = "discard"  # the mail is lost, and nobody is told
    CLOSE = "close"  # the connection
    UNKNOWN = "unknown"


class Confidence(str, Enum):
    """How sure we are, best first."""

    OPERATOR = "operator"  # the person who runs this server says so
    LEARNT = "learnt"  # the other side said so to us
    READ = "read"  # read in the named source
    REPORTED = "reported"  # only a third party says it
    REMEMBERED = "remembered"  # known from experience, not checked
    ASSUMED = "assumed"  # no figure was found: a careful default

    @property
    def proves(self) -> bool:
        """Whether mail may be refused for good on its word; pacing needs less."""
        return self in _PROOF


_PROOF = frozenset({Confidence.OPERATOR, Confidence.LEARNT, Confidence.READ})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One line of the atlas.  `id` is unique within its entry; `plan` "" holds for every plan.

    `encoded` says whether OCTETS are counted as they travel, after base64 and with all headers; else they are
    those of the attachments as they lie on a disk.  `note` is what else there is to know, `note_id` the same in Indonesian.  `seen` is the date as text (YYYY-MM-DD) on which `source` said it.
    """

    id: str
    unit: Unit
    value: int
    per: Per
    scope: Scope
    beyond: Beyond
    source: str
    seen: str
    confidence: Confidence
    plan: str = ""
    encoded: bool = True
    note: str = ""
    note_id: str = ""


class Quota(msgspec.Struct, frozen=True, array_like=True):
    """A limit as it is counted: `key` says for whom, `window` in seconds (0: at the same time).

    Ordinary mail stops at `stop - reserve`, urgent mail at `stop`; both count together.
    """

    key: str
    unit: Unit
    value: int
    window: float
    stop: int
    reserve: int = 0

    def units(self, recipients: int) -> int:
        """Return what one message to so many recipients takes of it."""
        return recipients if self.unit.by_recipient else 1


class Wait(msgspec.Struct, frozen=True, array_like=True):
    """A limit that mail waits for: `used` of the `stop` that hold for it, and when it goes.

    `goes_at` is None where only the end of another delivery can tell; `not_before` says that so much waits in front that
    only the earliest time is known.  `road` is the way whose limit it is.  Without a `quota` it is no limit, but the other
    side is spared: `spared` is the key of its entry in the atlas, or of its site.
    """

    quota: Quota | None
    used: int
    stop: int
    goes_at: float | None
    road: str = ""
    not_before: bool = False
    spared: str = ""


@dataclass(frozen=True, slots=True)
class Margins:
    """Where we stop before a limit: parts of its value.

    `discard` is for providers that throw away what is too much; `reserve` is the part of what is left that only
    urgent mail may use.
    """

    usual: float = 0.9
    discard: float = 0.8
    reserve: float = 0.0

    def stop(self, limit: Limit) -> int:
        """Return how much of `limit` we use at most; never less than one."""
        if not limit.per.window:
            return limit.value  # counted by ourselves, at this moment: there is nothing to be careful about
        part = self.discard if limit.beyond is Beyond.DISCARD else self.usual
        return max(1, int(limit.value * part))

    def quota(self, limit: Limit, key: str) -> Quota:
        """Return `limit` as it is counted under `key`."""
        stop = self.stop(limit)
        reserve = min(stop - 1, int(stop * self.reserve)) if limit.per.window else 0
        return Quota(key, limit.unit, limit.value, limit.per.window, stop, reserve)
