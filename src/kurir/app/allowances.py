"""What others allow us, and how much of it is used: the atlas beside what the brain counts.

Roads with a smarthost are shown whole; receivers only where mail went to them since the start.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from kurir.config import Config
from kurir.delivery import Route, known_limits
from kurir.limits import Atlas, Known, Limit, Per, Smarthost, Unit, is_counted, quota_key
from kurir.queue import Brain, LimitState, QueueSettings

from . import roads

RECIPIENTS = QueueSettings().lease_recipients
"""In one message at most."""


class Allowances:
    """The verbs ``limits`` and ``limits.waits``."""

    def __init__(self, config: Config, brain: Brain) -> None:
        self._brain = brain
        delivery = roads.delivery(config)
        self._atlas: Atlas = delivery.atlas
        self._roads: list[tuple[Route, Known]] = [
            (route, known)
            for route in delivery.routes
            if route.next_hop is not None and (known := known_limits(delivery.atlas, route, ())) is not None
        ]

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
            named = self._named(waiting.limit) if waiting.limit else None
            if named is not None:
                known, limit = named
                found.append(
                    {
                        "recipient": waiting.index,
                        "road": waiting.road,
                        "label": known.entry.label,
                        "limit": _plain(limit),
                        "free_at": waiting.next_at,
                    }
                )
        return found

    def named(self, key: str) -> dict[str, Any] | None:
        """Return the limit that is counted under `key`, with the label of who set it."""
        found = self._named(key)
        return {"label": found[0].entry.label, **_plain(found[1])} if found is not None else None

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

    def _named(self, key: str) -> tuple[Known, Limit] | None:
        """Return the limit that is counted under `key`."""
        receivers = (("", self._atlas.by_receiver(r)) for r in self._atlas.receivers)
        roads = ((_account(route), known) for route, known in self._roads)
        return _find(key, roads) or _find(key, receivers)


def _find(key: str, known: Iterable[tuple[str, Known]]) -> tuple[Known, Limit] | None:
    for account, entry in known:
        for limit in entry.limits:
            if is_counted(limit) and quota_key(entry.entry, limit, account) == key:
                return entry, limit
    return None


def _account(route: Route) -> str:
    """Return what the atlas counts a road's mail under."""
    assert route.next_hop is not None
    return route.next_hop.username or route.name


def _plain(limit: Limit) -> dict[str, Any]:
    return dict(msgspec.to_builtins(limit))
