"""Addresses put on the suppression list by a person: the reason is read by senders, so it has to say something."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kurir.app.operating.operations.addresses import AddressVerbs
from kurir.app.operating.operations.verbs import Wrong
from kurir.storage import Layout


class NoDomains:
    domains: dict[str, object] = {}


@pytest.mark.parametrize("reason", ["", " \r\n ", "bell \a"])
def test_a_reason_that_says_nothing_is_refused(reason: str) -> None:
    verbs = AddressVerbs(NoDomains(), None, None, None).verbs  # type: ignore[arg-type]

    async def add() -> None:
        await verbs["suppress.add"](address="gone@far.test", reason=reason, until=None)

    with pytest.raises(Wrong, match="say the reason in words"):
        asyncio.run(add())


def test_who_puts_an_address_there_again_is_told_what_is_replaced(tmp_path: Path) -> None:
    clock = SimpleNamespace(now=lambda: 1000.0, monotonic=lambda: 0.0)
    verbs = AddressVerbs(NoDomains(), Layout(tmp_path), clock, None).verbs  # type: ignore[arg-type]

    async def add(reason: str, until: float | None) -> Any:
        return await verbs["suppress.add"](address="Gone@far.test", reason=reason, until=until)

    first = asyncio.run(add("left the school", None))
    second = asyncio.run(add("on leave", 2000.0))
    assert first["replaced"] is None
    before = second["replaced"]
    assert (before["words"], before["until"], second["until"]) == ("left the school", None, 2000.0)
