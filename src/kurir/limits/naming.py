"""Which limit is it?  From the key of a budget back to the line of the atlas, for people."""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from kurir.model import LimitFacts

from .atlas import Atlas, Known, is_counted, quota_key
from .limit import Limit, Per, Quota, Wait


@dataclass(frozen=True, slots=True)
class Named:
    """A limit, and who set it (`label`)."""

    label: str
    limit: Limit


class LimitNames:
    """All counted limits of an atlas, and of `roads`: pairs of the account that mail is counted under and what is known."""

    def __init__(self, atlas: Atlas, roads: Iterable[tuple[str, Known]] = ()) -> None:
        known = [*(("", atlas.by_receiver(r)) for r in atlas.receivers), *roads]
        self._named = {
            quota_key(k.entry, limit, account): Named(k.entry.label, limit)
            for account, k in known
            for limit in k.limits
            if is_counted(limit)
        }

    def of(self, key: str) -> Named | None:
        """Return the limit that is counted under `key`, or None where nobody knows it (any more)."""
        return self._named.get(key)

    def told(self, wait: Wait) -> LimitFacts:
        """Return what there is to tell of `wait`; a limit that nobody knows any more is told by its figures."""
        named = self.of(wait.quota.key)
        return LimitFacts(
            road=wait.road,
            label=named.label if named else wait.road,
            limit=msgspec.to_builtins(named.limit) if named else _figures(wait.quota),
            used=wait.used,
            stop=wait.stop,
            free_at=wait.goes_at,
            not_before=wait.not_before,
        )


def _figures(quota: Quota) -> dict[str, object]:
    per = next((p for p in Per if p.window == quota.window), Per.ONCE)
    return {"unit": quota.unit.value, "value": quota.value, "per": (per if quota.window else Per.ONCE).value}
