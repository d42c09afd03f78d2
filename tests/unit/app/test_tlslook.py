"""Who protects mail worse than before: without those that the operator accepted, by host or by domain."""

import asyncio
import time
from pathlib import Path

import pytest

from kurir.app.operating import tlslook
from kurir.app.process.clock import SystemClock
from kurir.config import Config
from kurir.delivery.tlspolicy import Acceptance, Remembered, Strength
from kurir.storage import Layout, SqliteTls
from tests.harness.dns import Names


@pytest.mark.parametrize(
    ("accepted", "left"),
    [
        (None, ["mx.a.test"]),
        ("mx.a.test", []),
        ("a.test", []),
        ("b.test", ["mx.a.test"]),
        ("nowhere.test", ["mx.a.test"]),
    ],
)
def test_who_accepts_a_domain_accepts_its_hosts(
    tmp_path: Path, accepted: str | None, left: list[str]
) -> None:
    now = time.time()
    store = SqliteTls(Layout(tmp_path), SystemClock())
    store.remember([Remembered("mx.a.test", Strength.ENCRYPTED, now, now, "encryption", now, now)])
    if accepted is not None:
        store.accept(Acceptance(accepted, now + 3_600, "siti", now))
    store.close()
    zone = {"a.test": {"MX": ["10 mx.a.test."]}, "b.test": {"MX": ["10 mx.b.test."]}}
    with Names(zone) as names:
        config = Config.model_validate(
            {
                "server": {"hostname": "mail.our.test", "state": tmp_path},
                "domains": {"our.test": {}},
                "net": {"resolvers": [names.address]},
            }
        )
        assert [m.host for m in asyncio.run(tlslook.lost(config))] == left
