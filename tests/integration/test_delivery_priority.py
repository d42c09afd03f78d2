"""How urgent a message is said to be travels on: as a parameter where the peer knows it, else in the header (RFC 6710, RFC 6758)."""

import pytest

from kurir.model import OutcomeKind
from tests.integration.scripted_peer import ehlo, peer
from tests.unit.delivery.doubles import FakeResolver, Harness, lease_for, smarthost_settings


@pytest.mark.parametrize(
    ("offered", "level", "said", "field"),
    [
        (True, -4, " MT-PRIORITY=-4", False),
        (True, None, "", False),
        (False, 4, "", True),
        (False, None, "", False),
    ],
)
async def test_priority_travels(offered: bool, level: int | None, said: str, field: bool) -> None:
    async with peer({"EHLO": ehlo("PIPELINING", *(["MT-PRIORITY"] if offered else []))}) as p:
        settings = smarthost_settings(p.port)
        lease = lease_for(settings, 1, ["a@example.org"], mt_priority=level)
        harness = Harness(settings, FakeResolver())
        outcome = (await harness.deliver([lease]))[1, 0]
        await harness.drain()
    assert outcome.kind is OutcomeKind.HANDED_OVER
    assert f"MAIL FROM:<me@client.example>{said}" in p.lines
    assert (b"MT-Priority: 4\r\n" in p.messages[0]) == field
