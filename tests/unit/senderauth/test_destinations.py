"""Where reports may go: at home as they stand, elsewhere only by consent (RFC 9990 section 4)."""

import asyncio

import pytest

from kurir.senderauth.dmarc import DnsFailed, destinations, parse_record
from tests.unit.senderauth.zones import TIMEOUT, Zones

CONSENT = "a.test._report._dmarc"


def ask(rua: str, **records: str) -> tuple[str, ...]:
    zone: dict[str, list[tuple[str, object]]] = {
        "_dmarc.a.test": [("TXT", b"v=DMARC1; p=none")],
        "_dmarc.far.test": [("TXT", b"v=DMARC1; p=none")],
        **{name.replace("__", "."): [("TXT", text.encode())] for name, text in records.items()},
        f"{CONSENT}.silent.test": [(TIMEOUT, None)],
    }
    record = parse_record(f"v=DMARC1; p=none; rua={rua}".encode())
    return tuple(map(str, asyncio.run(destinations("a.test", record, Zones(zone)))))


def consent(host: str, text: str) -> dict[str, str]:
    return {f"{CONSENT}.{host}": text}


@pytest.mark.parametrize(
    ("rua", "records", "expected"),
    [
        ("mailto:d@a.test", {}, ("d@a.test",)),
        ("mailto:d@reports.a.test", {}, ("d@reports.a.test",)),
        ("mailto:d@a.test!10m,mailto:e@a.test", {}, ("d@a.test", "e@a.test")),
        ("mailto:d@a.test,mailto:d@a.test", {}, ("d@a.test",)),
        ("mailto:1@a.test,mailto:2@a.test,mailto:3@a.test,mailto:4@a.test", {}, ("1@a.test", "2@a.test", "3@a.test")),
        ("https://a.test/report", {}, ()),
        ("mailto:victim@far.test", {}, ()),
        ("mailto:d@far.test", consent("far.test", "v=DMARC1"), ("d@far.test",)),
        ("mailto:d@far.test", consent("far.test", "v=DMARC1;"), ("d@far.test",)),
        ("mailto:d@far.test", consent("far.test", "v=spf1 -all"), ()),
        ("mailto:d@far.test", {"*._report._dmarc.far.test": "v=DMARC1"}, ()),  # wildcards are the server's work
        ("mailto:d@far.test", consent("far.test", "v=DMARC1; rua=mailto:e@far.test"), ("e@far.test",)),
        ("mailto:d@far.test", consent("far.test", "v=DMARC1; rua=mailto:v@victim.test"), ()),
        ("mailto:d@[192.0.2.1]", {}, ()),
        (f"mailto:d@{'x' * 60}.{'y' * 60}.{'z' * 60}.{'w' * 50}.test", {}, ()),
    ],
)  # fmt: skip
def test_where_reports_go(rua: str, records: dict[str, str], expected: tuple[str, ...]) -> None:
    assert ask(rua, **records) == expected


def test_a_silent_dns_is_asked_again() -> None:
    with pytest.raises(DnsFailed):
        ask("mailto:d@silent.test")
