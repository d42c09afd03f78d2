"""Who protects mail worse than before: without those that the operator accepted, by host or by domain."""

import asyncio
import time
from pathlib import Path

import pytest

from kurir.app.operating import tlslook
from kurir.app.process.clock import SystemClock
from kurir.config import Config
from kurir.delivery.tlspolicy import (
    Acceptance,
    KeptPolicy,
    Reason,
    Remembered,
    ResultKey,
    Strength,
    StsFacts,
    StsMode,
    decide,
)
from kurir.storage import Layout, SqliteTls
from tests.harness.dns import Names


def our_server(state: Path, names: Names, **tls_out: object) -> Config:
    return Config.model_validate(
        {
            "server": {"hostname": "mail.our.test", "state": state},
            "domains": {"our.test": {}},
            "net": {"resolvers": [names.address]},
            "tls_out": tls_out,
        }
    )


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
        found = asyncio.run(tlslook.lost(our_server(tmp_path, names)))
        assert [facts.host for facts in found] == left


@pytest.mark.parametrize(
    ("mode", "until", "rule", "reason"),
    [
        (StsMode.ENFORCE, 60.0, "opportunistic", Reason.STS),
        (StsMode.ENFORCE, -60.0, "opportunistic", None),
        (StsMode.TESTING, 60.0, "opportunistic", None),
        (StsMode.TESTING, 60.0, "required", Reason.RULE),
    ],
)
def test_accepting_hides_nothing_where_protection_is_demanded(
    tmp_path: Path, mode: StsMode, until: float, rule: str, reason: Reason | None
) -> None:
    now = time.time()
    store = SqliteTls(Layout(tmp_path), SystemClock())
    store.remember([Remembered("mx.a.test", Strength.NAME, now, now, "encryption", now, now)])
    store.keep(KeptPolicy("a.test", StsFacts(mode, ("*.a.test",), 86_400, "1"), now, now + until))
    store.accept(Acceptance("a.test", now + 3_600, "siti", now))
    store.close()
    with Names({"a.test": {"MX": ["10 mx.a.test."]}}) as names:
        found = asyncio.run(tlslook.lost(our_server(tmp_path, names, rule=rule)))
    assert [decide(facts).reason for facts in found] == ([reason] if reason else [])
    assert [facts.domain for facts in found] == (
        ["a.test"] if mode is StsMode.ENFORCE and reason else [""] * len(found)
    )


@pytest.mark.parametrize(
    ("domains", "tried", "expected"),
    [
        ({"b.test": "verified"}, ("a.test", "b.test"), ("b.test", Reason.RULE)),
        ({"*.b.test": "required"}, ("a.test", "in.b.test"), ("in.b.test", Reason.RULE)),
        ({"b.test": "dane-only"}, ("b.test",), ("b.test", Reason.DANE_MISSING)),
        ({"b.test": "verified"}, ("a.test",), None),  # no mail of b.test goes there
        ({"b.test": "opportunistic"}, ("b.test",), None),
    ],
)
def test_rules_of_the_domains_whose_mail_goes_there_count(
    tmp_path: Path,
    domains: dict[str, str],
    tried: tuple[str, ...],
    expected: tuple[str, Reason] | None,
) -> None:
    now = time.time()
    store = SqliteTls(Layout(tmp_path), SystemClock())
    store.remember([Remembered("mx.a.test", Strength.NAME, now, now, "encryption", now, now)])
    store.accept(Acceptance("mx.a.test", now + 3_600, "siti", now))
    keys = [ResultKey("2026-01-01", d, "no-policy-found", (), (), "", "", "mx.a.test", "", "") for d in tried]
    store.count([(key, 1) for key in keys])
    store.close()
    with Names({}) as names:
        found = asyncio.run(tlslook.lost(our_server(tmp_path, names, domains=domains)))
    assert [(facts.domain, decide(facts).reason) for facts in found] == ([expected] if expected else [])
