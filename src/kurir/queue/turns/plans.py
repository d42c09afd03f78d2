"""Plans: which are known, which are asked for, and who waits for them.

An errand needs the plan for (sender domain, recipient domain).  A plan counts for its TTL; one that nobody answers is asked
for again after `plan_timeout`.  Recipients of one message that go by one server are planned together, so that they leave as one.
"""

from collections.abc import Collection, Sequence

from kurir.queue.asks import Plan, PlanRequest
from kurir.queue.settings import QueueSettings
from kurir.queue.waiting.state import Errand, State

_Key = tuple[str, str]


class Plans:
    """Plans by (sender domain, recipient domain)."""

    def __init__(self, settings: QueueSettings) -> None:
        self._settings = settings
        self._known: dict[_Key, tuple[Plan, float]] = {}
        self._barred: dict[_Key, frozenset[str]] = {}
        self._waiting: dict[_Key, list[Errand]] = {}
        self._asked: dict[_Key, float] = {}
        self._to_ask: list[_Key] = []

    def of(self, errand: Errand) -> Plan | None:
        """Return the plan that is known for `errand`, however old."""
        known = self._known.get((errand.mail.sender, errand.domain))
        return known[0] if known is not None else None

    def fresh(self, errand: Errand, now: float) -> Plan | None:
        """Return the plan for `errand`, if one still counts."""
        known = self._known.get((errand.mail.sender, errand.domain))
        return known[0] if known is not None and known[1] > now else None

    def barred(self, sender: str, main: str) -> frozenset[str]:
        """Return the alternatives of the road `main` that mail of the domain `sender` may not take, as the latest plan has it.

        That depends on no recipient, so that mail is judged by it before its own plan is there.
        """
        return self._barred.get((sender, main), frozenset())

    def park(self, errand: Errand) -> None:
        """Let an errand wait for its plan, which is asked for if it is not yet."""
        errand.state = State.PLANNING
        key = (errand.mail.sender, errand.domain)
        waiting = self._waiting.get(key)
        if waiting is None:
            self._waiting[key] = [errand]
            self._to_ask.append(key)
        else:
            waiting.append(errand)

    def gathered(self, errands: Sequence[Errand], now: float) -> Sequence[Errand]:
        """Where some of a new message have to wait for a plan, let those wait with them that a server takes; return the others.

        Its plan asks no resolver about them, and is there in a moment; apart they would be counted as two messages.
        """
        if all(self.fresh(errand, now) is not None for errand in errands):
            return errands
        others = []
        for errand in errands:
            plan = self.of(errand)
            if plan is not None and plan.roads and plan.roads[0].hop:
                self.park(errand)
            else:
                others.append(errand)
        return others

    # asking

    @property
    def wanted(self) -> bool:
        """Whether `requests` would return something."""
        return bool(self._to_ask)

    def requests(self, now: float) -> list[PlanRequest]:
        """Return the plans to ask for now; each counts as asked until `plan_timeout`."""
        keys, self._to_ask = self._to_ask, []
        for key in keys:
            self._asked.pop(key, None)  # asked last is last in line for the timeout
            self._asked[key] = now
        return [PlanRequest(*key) for key in keys]

    def ask_again(self, now: float, *, everything: bool = False) -> None:
        """Ask again for plans that nobody answered in time, or for all that are open (a hand went away)."""
        limit = now - self._settings.plan_timeout
        late = []
        for key, at in self._asked.items():
            if at > limit and not everything:
                break
            late.append(key)
        for key in late:
            del self._asked[key]
            if key in self._waiting:
                self._to_ask.append(key)

    def next_at(self) -> float | None:
        """Return when the first unanswered plan is asked for again."""
        return next(iter(self._asked.values())) + self._settings.plan_timeout if self._asked else None

    def ask_anew(self, site: Collection[_Key] = ()) -> None:
        """Forget the plans that lead to `site` (road, site key), or all; ask for one for each site, even if nobody waits."""
        asked: set[_Key] = set()
        for key, (plan, _) in list(self._known.items()):
            leads_to = {(road.name, road.site) for road in plan.roads}
            if site and leads_to.isdisjoint(site):
                continue
            del self._known[key]
            if not leads_to <= asked and key not in self._waiting:
                asked |= leads_to
                self._waiting[key] = []
                self._to_ask.append(key)

    # answers

    def answered(self, plan: Plan, now: float) -> list[Errand]:
        """Take a plan; return the errands that waited for it."""
        key = (plan.request.sender, plan.request.domain)
        if len(self._known) >= self._settings.plan_cache:
            self._forget(now)
        self._known[key] = (plan, now + plan.ttl)
        if len(plan.roads) > 1:
            barred = frozenset(road.name for road in plan.roads if road.obstacles)
            self._barred[plan.request.sender, plan.roads[0].name] = barred
        self._asked.pop(key, None)
        # An errand that was held and released meanwhile may stand here twice.
        return [e for e in dict.fromkeys(self._waiting.pop(key, ())) if e.state is State.PLANNING]

    def _forget(self, now: float) -> None:
        self._known = {k: v for k, v in self._known.items() if v[1] > now}
        self._barred.clear()  # the next plans tell again
        excess = len(self._known) - self._settings.plan_cache // 2
        for key in list(self._known)[: max(0, excess)]:
            del self._known[key]
