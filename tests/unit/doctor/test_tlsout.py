"""Who protects mail worse than before, and what can be done about it."""

import pytest

from kurir.delivery.tlspolicy import (
    DaneFacts,
    DaneState,
    PolicyFacts,
    Remembered,
    Rule,
    Strength,
    StsFacts,
    StsMode,
)
from kurir.doctor import kept
from kurir.model import Severity
from kurir.trace import Catalogue

LOST = Remembered("mx.a.test", Strength.NAME, 1.0, 2.0, "encryption", 3.0, 3.0)


@pytest.mark.parametrize(
    ("more", "key", "accepting"),
    [
        ({}, "tls_lost_encryption", True),
        ({"sts": StsFacts(StsMode.TESTING, ("mx.a.test",))}, "tls_lost_encryption", True),
        ({"sts": StsFacts(StsMode.ENFORCE, ("mx.a.test",)), "domain": "a.test"}, "tls_demanded_sts", False),
        ({"sts": StsFacts(StsMode.ENFORCE, ("mx.b.test",)), "domain": "a.test"}, "tls_demanded_sts", False),
        ({"dane": DaneFacts(DaneState.USABLE)}, "tls_demanded_dane", False),
        ({"dane": DaneFacts(DaneState.UNUSABLE)}, "tls_demanded_dane", False),
        ({"rule": Rule.REQUIRED}, "tls_demanded_rule", False),
    ],
)
def test_accepting_is_advised_only_where_it_helps(more: dict[str, object], key: str, accepting: bool) -> None:
    facts = PolicyFacts(**{"host": "mx.a.test", "domain": "", "now": 9.0, "memory": LOST} | more)  # type: ignore[arg-type]
    (finding,) = kept([facts])
    assert (finding.key, finding.severity) == (key, Severity.YELLOW)
    for language in ("en", "id"):
        said = Catalogue.load().text(language, f"finding.{finding.key}", **finding.values)
        assert (
            "run “kurir tls accept mx.a.test”" in said or "jalankan “kurir tls accept mx.a.test”" in said
        ) is accepting
        assert "{" not in said and "mx.a.test" in said


def test_nothing_lost_is_green() -> None:
    assert [f.severity for f in kept([])] == [Severity.GREEN]
