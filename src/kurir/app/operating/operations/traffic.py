"""What waits, and where it can go: the queue, the roads and their limits."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from kurir.app.learnt.allowances import Allowances
from kurir.model import decode_id, encode_id, parse_address
from kurir.model.told import of_error, told
from kurir.queue import Brain, Operated, Road, StoreError
from kurir.storage import Layout, TraceReader

from .verbs import Verbs, Wrong


class TrafficVerbs:
    """``queue...``, ``route``, ``roads`` and ``limits...``."""

    def __init__(self, brain: Brain, layout: Layout, allowances: Allowances) -> None:
        self._brain = brain
        self._layout = layout
        self._allowances = allowances
        operator = brain.operator
        self.verbs: Verbs = {
            "queue.hold": partial(self._queue, operator.hold),
            "queue.release": partial(self._queue, operator.release),
            "queue.retry": partial(self._queue, operator.retry_now),
            "queue.drop": partial(self._queue, operator.drop),
            "queue.now": self._now,
            "route": self._route,
            "roads": self._roads,
            "limits": self._limits,
            "limits.foresee": self._foresee,
            "limits.forget": self._forget,
        }

    # -- queue ------------------------------------------------------------------

    async def _queue(
        self,
        verb: Callable[..., Operated],
        *,
        id: str,
        recipient: str | None = None,
        reason: str = "",
        by: str = "",
    ) -> dict[str, Any]:
        number = decode_id(id)
        if number is None:
            raise Wrong(
                told(
                    "{id!r} is no queue id (one looks like {encode_id}); see: kurir queue list",
                    id=id,
                    encode_id=encode_id(1),
                )
            )
        indexes = self._indexes(number, recipient)
        changed: list[int] = []
        unchanged: list[str] = []
        for index in indexes:
            committed = asyncio.get_running_loop().create_future()
            operated = verb(number, index, by=by, reason=reason, done=lambda f=committed: f.set_result(None))
            changed += operated.changed
            unchanged += [why for _, why in operated.unchanged]
            if operated.changed:
                await committed
        if not changed:
            raise Wrong(f"{id}: {'; '.join(sorted(set(unchanged))) or 'nothing waits'}")
        return {"id": id, "recipients": changed, "unchanged": unchanged}

    async def _now(self, id: str, by: str = "") -> list[dict[str, Any]]:
        number = decode_id(id)
        found = self._allowances.now(number) if number is not None else []
        return [dict(msgspec.to_builtins(standing)) for standing in found]

    def _indexes(self, number: int, recipient: str | None) -> list[int | None]:
        if recipient is None:
            return [None]
        wanted = parse_address(recipient).key
        stored = TraceReader(self._layout).trace(number)
        found: list[int | None] = [
            i for i, (r, _) in enumerate(stored.recipients if stored else ())
            if wanted in {r.address.key, r.wanted.key if r.wanted else ""}
        ]  # fmt: skip
        if not found:
            raise Wrong(
                told(
                    "{encode_id} has no recipient {recipient}",
                    encode_id=encode_id(number),
                    recipient=recipient,
                )
            )
        return found

    # -- roads ------------------------------------------------------------------

    async def _roads(self, by: str = "") -> list[dict[str, Any]]:
        return [dict(msgspec.to_builtins(s)) for s in self._brain.roads.states()]

    async def _route(
        self, roads: list[Any], size: int = 0, urgent: bool = False, by: str = ""
    ) -> list[dict[str, Any]]:
        """Say of each of `roads`, as a plan has them, whether a mail of `size` octets would take it now."""
        known = msgspec.convert(roads, list[Road])
        choices = [
            dict(msgspec.to_builtins(c)) for c in self._brain.roads.explain(known, size, urgent=urgent)
        ]
        for choice in choices:
            spent = next((values["limit"] for kind, values in choice["obstacles"] if kind == "budget"), "")
            choice["limit"] = self._allowances.named(spent) if spent else None
        return choices

    # -- limits -----------------------------------------------------------------

    async def _limits(self, recipients: int = 0, by: str = "") -> dict[str, Any]:
        return self._allowances.show(recipients)

    async def _forget(self, *, name: str | None = None, by: str = "") -> dict[str, Any]:
        try:
            forgotten = self._allowances.forget(name)
        except StoreError as e:
            raise Wrong(of_error(e)) from None
        if name is not None and not forgotten:
            raise Wrong(told("nothing was learnt of {name!r}; see: kurir limits", name=name))
        return {"forgotten": forgotten}

    async def _foresee(self, id: str, by: str = "") -> list[dict[str, Any]]:
        number = decode_id(id)
        found = self._allowances.foretold(number) if number is not None else []
        return [
            {
                "label": f.label,
                "recipients": f.recipients,
                "at": f.at,
                "waits": bool(f.limit),
                "closed": f.closed,
            }
            for f in found
        ]
