"""What others allow us, and how much of it is used: the atlas and what was learnt, beside what the brain counts.

Roads with a smarthost are shown whole; receivers only where mail went to them since the start.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from kurir.app.wiring import roads
from kurir.config import Config
from kurir.delivery import Allowed, RoadSizes, Route, RouteKind, account_of, known_limits
from kurir.limits import Confidence, Known, Limit, LimitNames, Per, Receiver, Smarthost, Unit
from kurir.model import Standing
from kurir.queue import Brain, Forecast, LimitState, PaceState, QueueSettings, per_minute

RECIPIENTS = QueueSettings().lease_recipients
"""In one message at most."""
FORETOLD = 100
"""Messages of which the forecast is remembered until it is asked for."""
_AT_WORK = frozenset({"ready", "planning", "trying"})


@dataclass(frozen=True, slots=True)
class _Way:
    """A route, and what holds on it."""

    route: Route
    known: Known


class Allowances:
    """The verbs ``limits``, ``queue.now``, ``limits.foresee`` and ``limits.forget``."""

    def __init__(self, config: Config, brain: Brain, allowed: Allowed) -> None:
        self._brain = brain
        self._allowed = allowed
        settings = roads.delivery(config)
        self._routes, self._signed = settings.routes, settings.signed
        self._sizes: RoadSizes | None = None
        self._foretold: dict[int, list[Forecast]] = {}

    def show(self, recipients: int = 0) -> dict[str, Any]:
        """Return every limit with what is used of it, and when a message to `recipients` would have gone, as plain data."""
        names = self._names()
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
                    "limits": _lines(way.known, states),
                    "forecast": self._forecast(way.known, recipients),
                }
                for way in ways
            ],
            "receivers": [
                {
                    "road": way.route.name,
                    "provider": way.known.entry.name,
                    "label": way.known.entry.label,
                    "limits": _lines(way.known, states),
                }
                for way in self._receivers()
                if any(q.key in states for q in way.known.quotas) or _is_learnt(way.known)
            ],
            "paces": [_pace(p, names) for p in self._brain.overview.paces()],
        }

    def now(self, number: int) -> list[Standing]:
        """Return the recipients of a message that are tried or would be at this moment, but for a limit or their receiver."""
        names, found = self._names(), []
        for waiting in self._brain.overview.show(number):
            if waiting.state in _AT_WORK:
                limit = waiting.limit
                told = names.told(msgspec.structs.replace(limit, goes_at=waiting.next_at)) if limit else None
                trying = waiting.state == "trying"
                next_at = None if trying else waiting.next_at
                found.append(Standing(recipient=waiting.index, trying=trying, next_at=next_at, limit=told))
        return found

    def foresee(self, number: int) -> list[Forecast]:
        """Return when the recipients of a message go that are not through yet, as far as their roads have limits."""
        mail = self._brain.overview.underway(number)
        if mail is None or not (mail.waiting or mail.trying):
            return []
        sizes = self._sizes = self._sizes or RoadSizes(self._routes, self._allowed, self._signed)
        sizes.refresh()  # by what holds at this moment
        shares = sizes.shares(mail.sender_domain, mail.waiting, RECIPIENTS)
        ways = sizes.shares(mail.sender_domain, (domain for domain, _ in mail.trying), RECIPIENTS)
        labels = {p.road: p.label for share in ways for p in share.passages}
        now = Counter(labels[road] for _, road in mail.trying if road in labels)
        left = [Forecast(label, count, mail.at) for label, count in now.items()]
        return left + self._brain.overview.foresee(number, shares)

    def foretell(self, number: int) -> list[Forecast]:
        """Foresee a message that was accepted this moment, and remember it for who asks right after (`foretold`)."""
        found = self._foretold[number] = self.foresee(number)
        if len(self._foretold) > FORETOLD:
            del self._foretold[next(iter(self._foretold))]
        return found

    def foretold(self, number: int) -> list[Forecast]:
        """Return once what was foreseen at the acceptance, when nothing had left yet; after that, what is foreseen now."""
        return self._foretold.pop(number, None) or self.foresee(number)

    def named(self, key: str) -> dict[str, Any] | None:
        """Return the limit that is counted under `key`, with the label of who set it."""
        found = self._names().of(key)
        return {"label": found.label, **_plain(found.limit)} if found is not None else None

    def forget(self, name: str | None) -> int:
        """Forget what was learnt of a provider or receiver, of a domain (or of all); return how many figures that was."""
        lessons = self._allowed.learnt.all()
        subjects = {x.subject for x in lessons if name is None or name in _called(x.subject)}
        count = sum(self._allowed.learnt.forget(subject) for subject in sorted(subjects))
        self._brain.replan()
        return count

    # -- what there is -----------------------------------------------------------------

    def _names(self) -> LimitNames:
        """Return the names of the limits that hold now."""
        self._allowed.learnt.refresh()
        return self._allowed.names(self._routes)

    def _smarthosts(self) -> Iterator[_Way]:
        """Yield the roads by a smarthost of which anything is known."""
        for route in self._routes:
            known = self._allowed.known(route, ()) if route.next_hop is not None else None
            if known is not None or (known := known_limits(self._allowed.atlas, route, ())):
                yield _Way(route, known)

    def _receivers(self) -> Iterator[_Way]:
        """Yield who takes mail straight from us: those of the atlas, and whom mail went to since the start."""
        sites = self._brain.overview.sites()
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

    # -- what is used ------------------------------------------------------------------

    def _forecast(self, known: Known, recipients: int) -> list[dict[str, Any]]:
        together = min(known.most(Unit.RECIPIENTS, Per.MESSAGE) or RECIPIENTS, RECIPIENTS)
        steps = self._brain.overview.forecast(known.quotas, recipients, together)
        return [{"at": step.at, "recipients": step.recipients} for step in steps]

    def _states(self, ways: list[_Way]) -> dict[str, LimitState]:
        quotas = [quota for way in ways for quota in way.known.quotas]
        return {state.key: state for state in self._brain.overview.limits(quotas)}


def _lines(known: Known, states: dict[str, LimitState]) -> list[dict[str, Any]]:
    keys = {limit: quota.key for limit, quota in known.counted}
    return [_line(limit, states.get(keys.get(limit, ""))) for limit in known.limits]


def _line(limit: Limit, state: LimitState | None) -> dict[str, Any]:
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


def _is_learnt(known: Known) -> bool:
    return any(x.confidence is Confidence.LEARNT for x in known.limits)


def _pace(pace: PaceState, names: LimitNames) -> dict[str, Any]:
    said = {"who": names.who(pace.who), "per_minute": per_minute(pace.rate)}
    return dict(msgspec.to_builtins(pace)) | said


def _called(subject: str) -> tuple[str, ...]:
    """Return by which names a subject may be called: its key, its provider, its domain."""
    key = subject.partition("/")[0]
    return subject, key, key.partition("-")[2]


def _plain(limit: Limit) -> dict[str, Any]:
    return dict(msgspec.to_builtins(limit))
