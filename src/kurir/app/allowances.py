"""What others allow us, and how much of it is used: the atlas and what was learnt, beside what the brain counts.

Roads with a smarthost are shown whole; receivers only where mail went to them since the start.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from kurir.config import Config
from kurir.delivery import Allowed, Route, RouteKind, account_of, known_limits
from kurir.limits import WARM_UP, Known, Limit, Per, Receiver, Smarthost, Unit, is_counted, quota_key
from kurir.queue import PACE, Brain, LimitState, PaceState, QueueSettings, per_minute

from . import roads

RECIPIENTS = QueueSettings().lease_recipients
"""In one message at most."""


@dataclass(frozen=True, slots=True)
class _Way:
    """A route, and what holds on it."""

    route: Route
    known: Known

    def key(self, limit: Limit) -> str:
        """Return what a limit is counted under here."""
        whose = self.route.name if limit.id == WARM_UP else account_of(self.route)
        return quota_key(self.known.entry, limit, whose)


class Allowances:
    """The verbs ``limits``, ``limits.waits`` and ``limits.forget``."""

    def __init__(self, config: Config, brain: Brain, allowed: Allowed) -> None:
        self._brain = brain
        self._allowed = allowed
        self._routes = roads.delivery(config).routes

    def show(self, recipients: int = 0) -> dict[str, Any]:
        """Return every limit with what is used of it, and when a message to `recipients` would have gone, as plain data."""
        self._allowed.learnt.refresh()
        ways = list(self._smarthosts())
        states = self._states(ways)
        return {
            "roads": [
                {
                    "road": way.route.name,
                    "provider": way.known.entry.name,
                    "label": way.known.entry.label,
                    "account": account_of(way.route),
                    **_plans(way),
                    "limits": [_line(way, x, states) for x in way.known.limits],
                    "forecast": self._forecast(way.known, recipients),
                }
                for way in ways
            ],
            "receivers": [
                {
                    "road": way.route.name,
                    "provider": way.known.entry.name,
                    "label": way.known.entry.label,
                    "limits": [_line(way, x, states) for x in way.known.limits],
                }
                for way in self._receivers()
                if any(q.key in states for q in way.known.quotas) or _is_learnt(way.known)
            ],
            "paces": [self._pace(p) for p in self._brain.paces()],
        }

    def waits(self, number: int) -> list[dict[str, Any]]:
        """Return for each recipient of a message that waits for a limit: which one (None: its receiver is spared), until when."""
        found = []
        for waiting in self._brain.show(number):
            named = self._named(waiting.limit) if waiting.limit else None
            if named is not None:
                label, limit = named
                found.append(
                    {
                        "recipient": waiting.index,
                        "road": waiting.road,
                        "label": label,
                        "limit": limit and _plain(limit),
                        "free_at": waiting.next_at,
                    }
                )
        return found

    def forget(self, name: str | None) -> int:
        """Forget what was learnt of a provider or receiver, of a domain (or of all); return how many figures that was."""
        lessons = self._allowed.learnt.all()
        subjects = {x.subject for x in lessons if name is None or name in _names(x.subject)}
        count = sum(self._allowed.learnt.forget(subject) for subject in sorted(subjects))
        self._brain.replan()
        return count

    # -- what there is -----------------------------------------------------------------

    def _smarthosts(self) -> Iterator[_Way]:
        """Yield the roads by a smarthost of which anything is known."""
        for route in self._routes:
            known = self._allowed.known(route, ()) if route.next_hop is not None else None
            if known is not None or (known := known_limits(self._allowed.atlas, route, ())):
                yield _Way(route, known)

    def _receivers(self) -> Iterator[_Way]:
        """Yield who takes mail straight from us: those of the atlas, and whom mail went to since the start."""
        sites = self._brain.sites()
        for route in self._routes:
            if route.kind is not RouteKind.MX:
                continue
            for receiver in self._allowed.atlas.receivers:
                yield _Way(route, self._allowed.applied(self._allowed.atlas.by_receiver(receiver), route))
            strangers = {s.site for s in sites if s.road == route.name}
            for site in sorted(strangers):
                entry = Receiver(name=site, label=site, hosts=(site,))
                known = self._allowed.applied(Known(entry, (), ()), route)
                if known.limits:
                    yield _Way(route, known)

    def _named(self, key: str) -> tuple[str, Limit | None] | None:
        """Return whose limit is counted under `key`, and which; of a pace only whose it is."""
        if key.startswith(PACE):
            return self._label(key.split("/", 2)[2]), None
        for way in (*self._smarthosts(), *self._receivers()):
            for limit in way.known.limits:
                if _counts(limit) and way.key(limit) == key:
                    return way.known.entry.label, limit
        return None

    def _pace(self, pace: PaceState) -> dict[str, Any]:
        _, road, who = pace.key.split("/", 2)
        said = {"road": road, "who": self._label(who), "per_minute": per_minute(pace.rate)}
        return dict(msgspec.to_builtins(pace)) | said

    def _label(self, key: str) -> str:
        """Return whose key it is, in words: a provider of the atlas, or the site itself."""
        entries = (*self._allowed.atlas.smarthosts, *self._allowed.atlas.receivers)
        return next((e.label for e in entries if e.key == key), key.removeprefix("at-").removeprefix("to-"))

    # -- what is used ------------------------------------------------------------------

    def _forecast(self, known: Known, recipients: int) -> list[dict[str, Any]]:
        together = min(known.most(Unit.RECIPIENTS, Per.MESSAGE) or RECIPIENTS, RECIPIENTS)
        steps = self._brain.forecast(known.quotas, recipients, together)
        return [{"at": step.at, "recipients": step.recipients} for step in steps]

    def _states(self, ways: list[_Way]) -> dict[str, LimitState]:
        quotas = [quota for way in ways for quota in way.known.quotas]
        return {state.key: state for state in self._brain.limits(quotas)}


def _line(way: _Way, limit: Limit, states: dict[str, LimitState]) -> dict[str, Any]:
    state = states.get(way.key(limit)) if _counts(limit) else None
    return _plain(limit) | {
        "counted": state is not None,
        "stop": state.stop if state else None,
        "reserve": state.reserve if state else None,
        "used": state.used if state else None,
        "in_air": state.in_air if state else None,
        "free_at": state.free_at if state else None,
        "waiting": state.waiting if state else 0,
        "mails": list(state.mails) if state else [],
    }


def _plans(way: _Way) -> dict[str, Any]:
    entry = way.known.entry
    if not isinstance(entry, Smarthost):
        return {"plan": way.route.plan, "plans": []}
    return {"plan": way.route.plan or entry.assumed, "plans": list(entry.plans)}


def _counts(limit: Limit) -> bool:
    return limit.id == WARM_UP or is_counted(limit)


def _is_learnt(known: Known) -> bool:
    return any(x.confidence.value == "learnt" for x in known.limits)


def _names(subject: str) -> tuple[str, ...]:
    """Return by which names a subject may be called: its key, its provider, its domain."""
    key = subject.partition("/")[0]
    return subject, key, key.partition("-")[2]


def _plain(limit: Limit) -> dict[str, Any]:
    return dict(msgspec.to_builtins(limit))
