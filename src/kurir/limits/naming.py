"""Which limit is it?  From the key of a budget back to the line of the atlas (or what was learnt), for people."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from kurir.model import LimitFacts

from .atlas import Known
from .limit import Limit, Per, Quota, Wait


@dataclass(frozen=True, slots=True)
class Named:
    """A limit, and who set it (`label`)."""

    label: str
    limit: Limit


class LimitNames:
    """The names of limits at one moment; limits are learnt and roads warm up, so nobody keeps one for long.

    `known(entry)` returns what is known under the key of an entry (``at-...``, ``to-...``), once for each road that leads there.
    """

    def __init__(self, known: Callable[[str], Iterable[Known]] = lambda _: ()) -> None:
        self._known = known
        self._asked: dict[str, list[Known]] = {}
        self._named: dict[str, Named] = {}

    def of(self, key: str) -> Named | None:
        """Return the limit that is counted under `key`, or None where nobody knows it (any more)."""
        self._ask(key.partition("/")[0])
        return self._named.get(key)

    def who(self, entry: str) -> str:
        """Return what an entry is called; a site that nobody knows is called as it is."""
        known = self._ask(entry)
        return known[0].entry.label if known else entry

    def _ask(self, entry: str) -> list[Known]:
        known = self._asked.get(entry)
        if known is None:
            known = self._asked[entry] = list(self._known(entry))
            for one in known:
                self._named |= {quota.key: Named(one.entry.label, limit) for limit, quota in one.counted}
        return known

    def told(self, wait: Wait) -> LimitFacts:
        """Return what there is to tell of `wait`; a limit that nobody knows any more is told by its figures."""
        label, limit = self._of_wait(wait)
        return LimitFacts(
            road=wait.road,
            label=label,
            limit=limit,
            used=wait.used,
            stop=wait.stop,
            free_at=wait.goes_at,
            not_before=wait.not_before,
            reserve=wait.quota.stop - wait.stop if wait.quota is not None else 0,
        )

    def _of_wait(self, wait: Wait) -> tuple[str, dict[str, object] | None]:
        if wait.quota is None:
            return self.who(wait.spared), None
        named = self.of(wait.quota.key)
        if named is None:
            return wait.road, _figures(wait.quota)
        return named.label, msgspec.to_builtins(named.limit)


def _figures(quota: Quota) -> dict[str, object]:
    per = next((p for p in Per if p.window == quota.window), Per.ONCE)
    return {"unit": quota.unit.value, "value": quota.value, "per": (per if quota.window else Per.ONCE).value}
