"""Shaping: how much a peer bears, found out from how it answers.  Pure state, the clock is passed in.

Rules
1. Nothing is held back before there was trouble: a `Pace` is made by the first one.
2. Trouble cuts what was in use by half (multiplicative decrease); a hundred refusals of what went out before the cut
   are one trouble.
3. Mail that went well since the last change opens it by one step (additive increase), up to just below where the last trouble
   was met.  That very point is tried again only after a longer while, and where it holds, each step is twice the one before.
   After a restart the time since the last change opens it as mail that went well would have.
4. A pace that is as wide as the road is done with.  It never allows more than the road and the atlas do: it comes on top of them.
"""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from .budget import NEVER

_BURST = 0.1  # seconds of a rate that may go out together, so that a fast one needs no alarm for each message


class Signal(str, Enum):
    """What kind of trouble it was."""

    CONNECTIONS = "connections"  # too many at once, it says
    RATE = "rate"  # too much in too short a time, it says
    HANDSHAKE = "handshake"  # connections fail
    LATENCY = "latency"  # answers take far longer than usual


@dataclass(frozen=True, slots=True)
class ShapeSettings:
    """`step` seconds between two steps; `patience` times as long before the point of trouble is tried again.

    `slowest` is the least rate in messages per second; a pace without trouble is forgotten after `memory` seconds.
    An answer is slow that takes `latency` times the median, and `latency_floor` seconds at least; `latency_row` in a row are trouble.
    """

    step: float = 6.0
    patience: float = 10.0
    cut: float = 0.5
    slowest: float = 1 / 60
    memory: float = 3600.0
    latency: float = 8.0
    latency_floor: float = 5.0
    latency_row: int = 3


USUAL_SHAPE = ShapeSettings()


class Mark(NamedTuple):
    """How far a valve is open, and what it has met: what one needs to know after a restart.  `moved_at` is its last change."""

    top: float
    level: float
    met: float
    stride: float
    moved_at: float


class Valve:
    """A number that is cut at once and comes back in steps: `least` <= `level` <= `top`."""

    __slots__ = ("_grain", "_least", "_met", "_moved_at", "_stride", "level", "top")

    def __init__(self, top: float, least: float, grain: float) -> None:
        self.top = top
        self.level = top
        self._least = least
        self._grain = grain  # the smallest step
        self._met = top
        self._stride = grain
        self._moved_at = -NEVER

    @classmethod
    def at(cls, mark: Mark, least: float, grain: float) -> "Valve":
        """Return a valve as `mark` says."""
        valve = cls(mark.top, least, grain)
        valve.level, valve._met, valve._stride, valve._moved_at = mark[1:]
        return valve

    @property
    def mark(self) -> Mark:
        """Return what one needs to know of it after a restart."""
        return Mark(self.top, self.level, self._met, self._stride, self._moved_at)

    def elapsed(self, now: float, settings: ShapeSettings) -> None:
        """Count the time since the last change in its favour: up to just below where trouble was met, which only mail can try."""
        below = self._met - self._grain
        while self.level < below and now - self._moved_at >= settings.step:
            self.level = min(below, self.level + self._stride)
            self._moved_at += settings.step

    def cut(self, used: float, now: float, settings: ShapeSettings, bears: float = 0.0) -> bool:
        """Cut to what it `bears` where that is known, else to a part of what is `used`; False where it is as narrow already."""
        met = max(self._least, min(self.level, used))
        level = max(self._least, min(bears, met) or self._rounded(met * settings.cut))
        self._met = max(bears + self._grain if bears else met, self._least + self._grain)
        self._stride = max(self._grain, self._rounded(met / 10))
        self._moved_at = now
        narrower, self.level = level < self.level, min(self.level, level)
        return narrower

    def grow(self, since: float, now: float, settings: ShapeSettings) -> bool:
        """Open by a step, if it is time to and what began at `since` was under the present level."""
        if self.level >= self.top or since < self._moved_at:
            return False
        below = self._met - self._grain
        if self.level < below:
            to, wait = min(below, self.level + self._stride), settings.step
        else:
            first = self.level < self._met
            to, wait = self.level + self._stride, settings.step * (settings.patience if first else 1)
        if now - self._moved_at < wait:
            return False
        if self.level >= below:
            self._stride *= 2
        self.level = min(self.top, to)
        self._moved_at = now
        return True

    def _rounded(self, level: float) -> float:
        return float(int(level)) if self._grain == 1 else level


@dataclass(frozen=True, slots=True)
class Shift:
    """A pace was cut: of `what` (``connections`` at once, or a ``rate`` per second), from, to, by which kind of trouble."""

    signal: Signal
    what: str
    before: float
    after: float


class Pace:
    """What one site, or all sites of one provider, bear at present.

    `open` is how many leases are out there; `why` are the words of the last trouble, `cut_at` is its time.
    """

    __slots__ = (
        "_next_at",
        "_peak",
        "_peak_before",
        "_peak_since",
        "_settings",
        "connections",
        "cut_at",
        "key",
        "open",
        "rate",
        "signal",
        "why",
    )

    def __init__(self, key: str, settings: ShapeSettings, connections: int) -> None:
        self.key = key
        self.open = 0
        # The most that were out in this step of time and in the one before: trouble is often told after others have come back.
        self._peak = self._peak_before = 1
        self._peak_since = -NEVER
        self.connections = Valve(float(connections), 1.0, 1.0)
        self.rate: Valve | None = None
        self.cut_at = -NEVER
        self.signal: Signal | None = None
        self.why = ""
        self._settings = settings
        self._next_at = -NEVER

    @classmethod
    def recalled(
        cls,
        key: str,
        settings: ShapeSettings,
        signal: Signal,
        cut_at: float,
        marks: tuple[Mark, Mark | None],
        now: float,
    ) -> "Pace":
        """Return the pace that was kept over a restart as `marks`, opened by the time since then."""
        pace = cls(key, settings, 1)
        pace.signal, pace.cut_at = signal, cut_at
        connections, rate = marks
        pace.connections = Valve.at(connections, 1.0, 1.0)
        pace.connections.elapsed(now, settings)
        if rate is not None:
            pace.rate = Valve.at(rate, settings.slowest, settings.slowest)
            pace.rate.elapsed(now, settings)
        return pace

    @property
    def marks(self) -> tuple[Mark, Mark | None]:
        """Return what has to outlive a restart: of the connections at once, and of the rate where there is one."""
        return self.connections.mark, self.rate.mark if self.rate is not None else None

    def widen(self, back: int = 0) -> None:
        """Begin with as many as there are: several sites of one provider may have more than one of them is allowed."""
        top = max(self.open + back, int(self.connections.top))
        self.connections = Valve(float(top), 1.0, 1.0)
        self._peak = self.open + back

    def ready_at(self, now: float) -> float:
        """Return when one more may go out: `now`, later, or `NEVER` while only the end of another can tell."""
        if self.open >= self.connections.level:
            return NEVER
        return max(now, self._next_at)

    def leased(self, now: float) -> None:
        """One more went out."""
        self.open += 1
        if now - self._peak_since > self._settings.step:
            self._peak_before, self._peak, self._peak_since = self._peak, 0, now
        self._peak = max(self._peak, self.open)
        if self.rate is not None:
            self._next_at = max(now - _BURST, self._next_at) + 1 / self.rate.level

    def trouble(self, signal: Signal, why: str, *, since: float, now: float, bears: int = 0) -> Shift | None:
        """Cut, unless what began at `since` was under way before the last cut; return what changed.

        `bears` is how many connections stayed when one more was refused, 0 where nobody knows.
        """
        if since <= self.cut_at:
            return None
        used = max(self._peak, self._peak_before)
        self._peak = self._peak_before = max(1, self.open)
        self.cut_at, self.signal, self.why = now, signal, why
        if signal is not Signal.RATE:
            before = min(self.connections.level, used)
            narrower = self.connections.cut(used, now, self._settings, bears)
            return Shift(signal, "connections", before, self.connections.level) if narrower else None
        measured = used / max(now - since, 0.001)  # Little's law
        if self.rate is None:
            slowest = self._settings.slowest
            self.rate = Valve(max(2 * measured, 2 * slowest), slowest, slowest)
        before = min(self.rate.level, measured)
        narrower = self.rate.cut(measured, now, self._settings)
        self._next_at = now + 1 / self.rate.level
        return Shift(signal, "rate", before, self.rate.level) if narrower else None

    def success(self, since: float, now: float) -> bool:
        """What began at `since` went well: open by a step where it is time; return whether anything changed."""
        grown = self.connections.grow(since, now, self._settings)
        if self.rate is not None and self.rate.grow(since, now, self._settings):
            grown = True
            if self.rate.level >= self.rate.top:
                self.rate = None
        return grown

    def done(self, now: float) -> bool:
        """Whether it holds nothing back any more, or has been idle for so long that it says nothing."""
        if self.rate is None and self.connections.level >= self.connections.top:
            return True
        return not self.open and now - self.cut_at > self._settings.memory
