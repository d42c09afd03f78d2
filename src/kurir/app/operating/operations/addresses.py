"""Addresses: those that mail is not sent to, and those of people who want to be forgotten."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from kurir.app.operating.reading import suppression_json
from kurir.config import Config
from kurir.model import AddressError, Cause, Clock, encode_id, parse_address
from kurir.model.told import told
from kurir.storage import EraseReport, Layout, SqliteSuppressions
from kurir.suppression import Entry, key_of

from .verbs import Verbs, Wrong

T = TypeVar("T")


class AddressVerbs:
    """``suppress...`` and ``trace.erase``."""

    def __init__(
        self, config: Config, layout: Layout, clock: Clock, forget: Callable[[str, str], EraseReport]
    ) -> None:
        self._config = config
        self._layout = layout
        self._clock = clock
        self._forget = forget
        self.verbs: Verbs = {
            "suppress.add": self._suppress_add,
            "suppress.remove": self._suppress_remove,
            "trace.erase": self._erase,
        }

    async def _suppress_add(
        self, *, address: str, reason: str, until: float | None, by: str = ""
    ) -> dict[str, Any]:
        wanted = parse_address(address)
        if wanted.domain in self._config.domains:
            raise Wrong(told("{address} is an address of this server; see: kurir user", address=wanted))
        reason = " ".join(reason.split())  # it becomes part of a reply, which is one line
        if not reason or not reason.isprintable():
            raise Wrong(told("say the reason in words, without control characters: senders read it"))
        now = self._clock.now()
        if until is not None and until <= now:
            raise Wrong(told("the time until when it is on the list lies in the past"))
        entry = Entry(
            address=key_of(wanted),
            cause=Cause.SUPPRESSED,
            words=reason,
            source=None,
            by=by,
            since=now,
            until=until,
        )
        before = await asyncio.to_thread(self._suppressions, lambda store: _replaced(store, entry))
        return {**suppression_json(entry), "replaced": suppression_json(before) if before else None}

    async def _suppress_remove(self, *, address: str, by: str = "") -> dict[str, Any]:
        key = key_of(address)
        if not await asyncio.to_thread(self._suppressions, lambda store: store.remove(key)):
            raise Wrong(
                told("{address} is not on the suppression list; see: kurir suppress list", address=key)
            )
        return {"address": key, "by": by}

    async def _erase(self, *, address: str, by: str = "") -> dict[str, Any]:
        try:
            parse_address(address)
        except AddressError as e:  # a misspelt one must not be told "all erased"
            raise Wrong(told("{address}: {why}", address=address, why=e)) from None
        report = await asyncio.to_thread(self._forget, address, by)
        await asyncio.to_thread(self._suppressions, lambda store: store.erase(key_of(address)))
        waiting = [encode_id(n) for n in report.waiting]
        return {"messages": report.messages, "observations": report.observations, "waiting": waiting}

    def _suppressions(self, do: Callable[[SqliteSuppressions], T]) -> T:
        store = SqliteSuppressions(self._layout, self._clock)
        try:
            return do(store)
        finally:
            store.close()


def _replaced(store: SqliteSuppressions, entry: Entry) -> Entry | None:
    """Put `entry` on the list; return what it replaces there."""
    before = next((e for e in store.entries() if e.address == entry.address and e.holds(entry.since)), None)
    store.put(entry)
    return before
