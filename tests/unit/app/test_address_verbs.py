"""Addresses put on the suppression list by a person: the reason is read by senders, so it has to say something."""

import asyncio

import pytest

from kurir.app.operating.operations.addresses import AddressVerbs
from kurir.app.operating.operations.verbs import Wrong


class NoDomains:
    domains: dict[str, object] = {}


@pytest.mark.parametrize("reason", ["", " \r\n ", "bell \a"])
def test_a_reason_that_says_nothing_is_refused(reason: str) -> None:
    verbs = AddressVerbs(NoDomains(), None, None, None).verbs  # type: ignore[arg-type]

    async def add() -> None:
        await verbs["suppress.add"](address="gone@far.test", reason=reason, until=None)

    with pytest.raises(Wrong, match="say the reason in words"):
        asyncio.run(add())
