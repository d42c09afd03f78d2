"""Which answers make us slower, where, and when it is over: the paces of sites and providers.

Rules
1. What a peer *says* ("too many connections", "slow down") is about our address or account: it counts for all sites of its
   provider.  What we only *see* (connections that fail, slow answers) is about one site.
2. Greylisting is no such word, nor is anything about a message or a recipient.
3. A site without trouble has no paces, and costs nothing but a look at an empty tuple.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from kurir.limits import NEVER, Pace, ShapeSettings, Shift, Signal
from kurir.model import Cause, Outcome, OutcomeKind
from kurir.queue.roads.trouble import CONNECTION_STAGES

if TYPE_CHECKING:
    from kurir.queue.turns.site import Site

_AT_THE_DOOR = {
    Cause.RATE_LIMITED: Signal.CONNECTIONS,
    Cause.BUSY: Signal.CONNECTIONS,
    Cause.UNREACHABLE: Signal.HANDSHAKE,
    Cause.TIMEOUT: Signal.HANDSHAKE,
    Cause.CONNECTION_LOST: Signal.HANDSHAKE,
    Cause.TLS_FAILED: Signal.HANDSHAKE,
}
_PACE = "pace/"
"""How the keys of paces begin: ``pace/<road>/<site or provider>``."""
_SAID = frozenset({Signal.CONNECTIONS, Signal.RATE})


def signal_of(outcome: Outcome) -> Signal | None:
    """Return what kind of trouble of the peer (not of the mail) an outcome tells of, if any."""
    if outcome.kind is not OutcomeKind.DEFERRED:
        return None
    if outcome.reply is None and outcome.retry_after is not None:
        return None  # nobody was asked: the host rests because of what it said before
    if outcome.stage in CONNECTION_STAGES:
        return _AT_THE_DOOR.get(outcome.cause)
    if outcome.cause is not Cause.RATE_LIMITED:
        return None
    said = outcome.reply.text.lower() if outcome.reply is not None else ""
    return Signal.CONNECTIONS if "connection" in said or "session" in said else Signal.RATE


def too_many_at_once(site: "Site", outcome: Outcome, since: float) -> bool:
    """Whether a connection of its own was refused to a lease, while the peer takes mail over others."""
    return (
        outcome.stage in CONNECTION_STAGES
        and signal_of(outcome) is Signal.CONNECTIONS
        and (site.open > 0 or site.succeeded_at >= since)
    )


class Slowed(msgspec.Struct, frozen=True):
    """A pace was cut by what one lease met; `words` say so in its trace."""

    key: str
    words: str


class PaceState(msgspec.Struct, frozen=True, kw_only=True):
    """One pace as `kurir limits` shows it: `connections` of `most` at once, `rate` per second (0: not held back).

    `who` is spared on `road`: the key of a provider, or a site.
    """

    key: str
    road: str
    who: str
    connections: int
    most: int
    rate: float
    signal: str
    why: str
    since: float
    open: int
    waiting: int


class Shaper:
    """All paces of `sites`.  `consider(site, now)` lets a site be looked at again."""

    def __init__(
        self,
        settings: ShapeSettings,
        sites: Mapping[tuple[str, str], "Site"],
        consider: Callable[["Site", float], None],
    ) -> None:
        self._settings = settings
        self._sites = sites
        self._consider = consider
        self._paces: dict[str, Pace] = {}
        self._blocked: dict[Site, None] = {}
        self.unkept: set[str] = set()
        """Keys of paces that have to outlive a restart as they are now."""

    def __iter__(self) -> Iterator[Pace]:
        """Yield all paces."""
        return iter(self._paces.values())

    def of(self, key: str) -> Pace | None:
        """Return the pace with that key; None where it is over."""
        return self._paces.get(key)

    def recall(self, pace: Pace) -> None:
        """Take a pace of an earlier brain, before there are any sites."""
        self._paces[pace.key] = pace

    @property
    def count(self) -> int:
        """How many sites and providers are spared."""
        return len(self._paces)

    def join(self, site: "Site") -> None:
        """Let a site that is new, or has another road, keep to the paces that there are."""
        if not (self._paces or site.paces):
            return
        for pace in site.paces:
            pace.open -= site.open
        found = (self._paces.get(key) for key in dict.fromkeys(_keys(site)))
        site.paces = tuple(pace for pace in found if pace is not None)
        for pace in site.paces:
            pace.open += site.open

    def ready_at(self, site: "Site", now: float) -> float:
        """Return when the next lease of a troubled site may go out; where only an end can tell, it will be looked at then."""
        latest = now
        for pace in site.paces:
            latest = max(latest, pace.ready_at(now))
        if latest == NEVER:
            self._blocked[site] = None
        return latest

    @staticmethod
    def holding(site: "Site", now: float) -> tuple[str, float] | None:
        """Return whom a site spares (the key of its provider, or of itself) by waiting, and until when (`NEVER`: for another to end)."""
        at, key = max(((p.ready_at(now), p.key) for p in site.paces), default=(now, ""))
        return (spared(key), at) if at > now else None

    def ended(self, site: "Site", now: float) -> None:
        """A lease of a troubled site came back: those who wait for that look again."""
        for pace in site.paces:
            pace.open -= 1
        self._wake(now)

    def trouble(
        self, site: "Site", signal: Signal, outcome: Outcome, *, since: float, now: float, bears: int = 0
    ) -> Slowed | None:
        """A lease given out at `since` met trouble: cut the pace, and say what changed.

        `bears` connections stayed, and took it over; at 0 the lease has come back.
        """
        key = _keys(site)[signal in _SAID]
        pace = self._paces.get(key)
        if pace is None:
            pace = self._paces[key] = Pace(key, self._settings, site.road.concurrency)
            for other in self._sites.values():
                if key in _keys(other):
                    self.join(other)
            pace.widen(back=0 if bears else 1)
        shift = pace.trouble(signal, _said(outcome), since=since, now=now, bears=bears)
        if pace.cut_at == now:
            self.unkept.add(key)
        return Slowed(key, words_of(shift, pace, _called(key, site))) if shift is not None else None

    def success(self, site: "Site", *, since: float, now: float) -> None:
        """A lease of a troubled site went well: its paces open by a step where it is time to."""
        grown = [pace.success(since, now) for pace in site.paces]
        if any(grown):
            if any(pace.done(now) for pace in site.paces):
                self.forget(now)
            self._wake(now)

    def forget(self, now: float) -> None:
        """Forget paces that hold nothing back, or say nothing any more."""
        over = [key for key, pace in self._paces.items() if pace.done(now)]
        if over:
            self.unkept.update(over)
            for key in over:
                del self._paces[key]
            for site in self._sites.values():
                self.join(site)
            self._wake(now)

    def _wake(self, now: float) -> None:
        blocked, self._blocked = self._blocked, {}
        for site in blocked:
            self._consider(site, now)

    def states(self, wall: float, now: float) -> list[PaceState]:
        """Return all paces, the narrowest first; times are wall times."""
        waiting: dict[str, int] = {}
        for site in self._sites.values():
            for pace in site.paces:
                waiting[pace.key] = waiting.get(pace.key, 0) + site.waiting
        found = [
            PaceState(
                key=pace.key,
                road=road_of(pace.key),
                who=spared(pace.key),
                connections=int(pace.connections.level),
                most=int(pace.connections.top),
                rate=pace.rate.level if pace.rate is not None else 0.0,
                signal=pace.signal.value if pace.signal is not None else "",
                why=pace.why,
                since=wall + pace.cut_at - now,
                open=pace.open,
                waiting=waiting.get(pace.key, 0),
            )
            for pace in self._paces.values()
        ]
        return sorted(found, key=lambda p: (p.connections / p.most, p.key))


def road_of(pace: str) -> str:
    """Return the road of the pace with that key."""
    return pace.split("/", 2)[1]


def spared(pace: str) -> str:
    """Return who is spared by the pace with that key: a provider or a site."""
    return pace.split("/", 2)[2]


def _keys(site: "Site") -> tuple[str, str]:
    """Return the keys of the paces of a site and of its provider; the same one where nobody knows its provider."""
    road = site.road
    own = f"{_PACE}{road.name}/{road.site}"
    return own, f"{_PACE}{road.name}/{road.provider}" if road.provider else own


def _said(outcome: Outcome) -> str:
    return str(outcome.reply) if outcome.reply is not None else outcome.detail


def _called(key: str, site: "Site") -> str:
    """Return what people call those who are spared by the pace `key` of `site`."""
    who = spared(key)
    return site.road.label or who if who == site.road.provider else who


def words_of(shift: Shift, pace: Pace, who: str) -> str:
    """Say what was changed and why, for the trace (`kurir.trace.explain.noted` says it in Indonesian)."""
    after, before = f"{shift.after:.0f}", f"{shift.before:.0f}"
    if shift.what == "connections" and after == before:  # there were no more to do without
        did = f"still at most {after} connection{'s' if after != '1' else ''} at once to {who}"
    elif shift.what == "connections":
        did = f"fewer connections at once to {who}, {after} instead of {before}"
    else:
        did = f"mail goes to {who} more slowly, {per_minute(shift.after)} a minute instead of {per_minute(shift.before)}"
    return f"{did}: {_REASONS[shift.signal]}: {pace.why}" if pace.why else f"{did}: {_REASONS[shift.signal]}"


def per_minute(rate: float) -> str:
    """Return a rate per second as people read it."""
    return f"{60 * rate:.0f}" if rate >= 1 / 6 else f"{60 * rate:.1f}"


_REASONS = {
    Signal.CONNECTIONS: "it takes no more at once",
    Signal.RATE: "it asks for less in that time",
    Signal.HANDSHAKE: "connections fail",
    Signal.LATENCY: "its answers take much longer than usual",
}
