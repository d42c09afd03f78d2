"""What others allow us, and how much of it is used: the atlas beside what the brain counts.

Roads with a smarthost are shown whole; receivers only where mail went to them since the start.
"""

from typing import Any

import msgspec

from kurir.config import Config
from kurir.delivery import DeliverySettings, RoadSizes, Route, known_limits
from kurir.limits import Atlas, Known, Limit, LimitNames, Per, Smarthost, Unit, is_counted, quota_key
from kurir.queue import Brain, Forecast, LimitState, QueueSettings

from . import roads

RECIPIENTS = QueueSettings().lease_recipients
"""In one message at most."""
_IN_LINE = frozenset({"waiting", "ready", "planning"})


class Allowances:
    """The verbs ``limits``, ``limits.waits`` and ``limits.foresee``."""

    def __init__(self, config: Config, brain: Brain) -> None:
        self._brain = brain
        delivery = roads.delivery(config)
        self._atlas: Atlas = delivery.atlas
        self._roads = _known_roads(delivery)
        self._sizes = RoadSizes(delivery.routes, delivery.atlas)
        self.names = names_of(delivery)

    def show(self, recipients: int = 0) -> dict[str, Any]:
        """Return every limit with what is used of it, and when a message to `recipients` would have gone, as plain data."""
        states = self._states()
        roads = [
            {
                "road": route.name,
                "provider": known.entry.name,
                "label": known.entry.label,
                "account": _account(route),
                "plan": route.plan or (known.entry.assumed if isinstance(known.entry, Smarthost) else ""),
                "plans": list(known.entry.plans) if isinstance(known.entry, Smarthost) else [],
                "limits": [self._line(known, x, _account(route), states) for x in known.limits],
                "forecast": self._forecast(known, recipients),
            }
            for route, known in self._roads
        ]
        receivers = []
        for receiver in self._atlas.receivers:
            known = self._atlas.by_receiver(receiver)
            if any(q.key in states for q in known.quotas):
                lines = [self._line(known, x, "", states) for x in known.limits]
                receivers.append({"provider": receiver.name, "label": receiver.label, "limits": lines})
        return {"roads": roads, "receivers": receivers}

    def waits(self, number: int) -> list[dict[str, Any]]:
        """Return for each recipient of a message that waits for a limit: which one, and when the next may go."""
        found = []
        for waiting in self._brain.show(number):
            if waiting.limit is not None:
                told = self.names.told(msgspec.structs.replace(waiting.limit, goes_at=waiting.next_at))
                found.append({"recipient": waiting.index, **msgspec.to_builtins(told)})
        return found

    def foresee(self, number: int) -> list[Forecast]:
        """Return when the recipients of a message go that did not go yet, as far as their roads have limits."""
        waiting = [w for w in self._brain.show(number) if w.state in _IN_LINE]
        if not waiting:
            return []
        domains = (w.domain for w in waiting)
        return self._brain.foresee(number, self._sizes.shares(waiting[0].sender_domain, domains, RECIPIENTS))

    def named(self, key: str) -> dict[str, Any] | None:
        """Return the limit that is counted under `key`, with the label of who set it."""
        found = self.names.of(key)
        return {"label": found.label, **_plain(found.limit)} if found is not None else None

    def _forecast(self, known: Known, recipients: int) -> list[dict[str, Any]]:
        together = min(known.most(Unit.RECIPIENTS, Per.MESSAGE) or RECIPIENTS, RECIPIENTS)
        steps = self._brain.forecast(known.quotas, recipients, together)
        return [{"at": step.at, "recipients": step.recipients} for step in steps]

    def _states(self) -> dict[str, LimitState]:
        quotas = [quota for _, known in self._roads for quota in known.quotas]
        return {state.key: state for state in self._brain.limits(quotas)}

    def _line(
        self, known: Known, limit: Limit, account: str, states: dict[str, LimitState]
    ) -> dict[str, Any]:
        state = states.get(quota_key(known.entry, limit, account)) if is_counted(limit) else None
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


def names_of(delivery: DeliverySettings) -> LimitNames:
    """Return the limits of all roads by the keys that they are counted under."""
    return LimitNames(delivery.atlas, [(_account(route), known) for route, known in _known_roads(delivery)])


def _known_roads(delivery: DeliverySettings) -> list[tuple[Route, Known]]:
    return [
        (route, known)
        for route in delivery.routes
        if route.next_hop is not None and (known := known_limits(delivery.atlas, route, ())) is not None
    ]


def _account(route: Route) -> str:
    """Return what the atlas counts a road's mail under."""
    assert route.next_hop is not None
    return route.next_hop.username or route.name


def _plain(limit: Limit) -> dict[str, Any]:
    return dict(msgspec.to_builtins(limit))
