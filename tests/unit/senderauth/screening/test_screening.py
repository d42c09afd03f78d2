"""Whole messages put to all checks at once: signed, forwarded, in chunks, and with a DNS that does not answer."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kurir.message import scan
from kurir.senderauth.dkim import DkimResult
from kurir.senderauth.dmarc import DmarcResult
from kurir.senderauth.results import results_field
from kurir.senderauth.screening import Action, Findings, Screener, ScreeningSettings, TreatmentSettings, treat
from kurir.senderauth.spf import SpfQuery, SpfResult
from tests.harness import PATIENCE
from tests.unit.senderauth.arc.test_chain import hop
from tests.unit.senderauth.arc.test_chain import zone as chain_zone
from tests.unit.senderauth.dkim.material import MAIL, NOW, signed, zone_records
from tests.unit.senderauth.zones import TIMEOUT, Zones

QUERY = SpfQuery("192.0.2.1", "mail.example.org", "ann@example.org", "mx.local.example", NOW)
SETTINGS = ScreeningSettings.limits_of("mx.local.example", 20)


def zones(**policy: str) -> Zones:
    records: dict[str, list[tuple[str, object]]] = {
        name: [("TXT", text)] for name, text in {**chain_zone().records, **zone_records()}.items()
    }
    records["example.org"] = [("TXT", b"v=spf1 ip4:192.0.2.1 -all"), ("MX", (10, "mail.example.org"))]
    records["_dmarc.example.org"] = [("TXT", policy.get("dmarc", "v=DMARC1; p=reject").encode())]
    records["1.2.0.192.in-addr.arpa"] = [("PTR", "mail.example.org")]
    records["mail.example.org"] = [("A", "192.0.2.1")]
    return Zones(records)


def screen(message: bytes, query: SpfQuery = QUERY, dns: Zones | None = None, step: int = 0) -> Findings:
    head = scan(message)
    screening = Screener(SETTINGS, dns or zones()).begin(head, query)
    body = message[head.header_end :]
    for at in range(0, len(body), step or max(len(body), 1)):
        screening.feed(body[at : at + (step or len(body))])
    return asyncio.run(screening.findings())


def results(findings: Findings) -> dict[str, str]:
    return {r.method: r.result for r in findings.results()}


STRANGER = SpfQuery("192.0.2.66", "bad.example", "ann@example.org", "mx.local.example", NOW)


def test_everything_is_proven() -> None:
    findings = screen(signed())
    assert results(findings) == {"dmarc": "pass", "spf": "pass", "dkim": "pass", "iprev": "pass"}
    assert findings.reverse.name == "mail.example.org"
    assert findings.words() == "dmarc=pass (example.org), spf=pass, dkim=pass"


def test_a_forged_message() -> None:
    findings = screen(MAIL, STRANGER)
    assert results(findings) == {"dmarc": "fail", "spf": "fail", "dkim": "none", "iprev": "permerror"}
    assert treat(findings, TreatmentSettings()).action is Action.REFUSE


def test_a_signature_survives_a_forwarder_that_spf_does_not_know() -> None:
    findings = screen(signed(), STRANGER)
    assert (findings.spf.result, findings.dmarc.result) == (SpfResult.FAIL, DmarcResult.PASS)


def test_a_trusted_forwarder_that_changed_the_text() -> None:
    listed = signed().replace(b"Subject: Lunch", b"Subject: [list] Lunch")
    forwarded = hop(listed, 1, "dmarc=pass header.from=example.org")
    findings = screen(forwarded, STRANGER)
    assert results(findings)["arc"] == "pass"
    assert findings.dmarc.result is DmarcResult.FAIL
    trusting = TreatmentSettings(trusted_sealers=frozenset({"hop1.example"}))
    assert treat(findings, TreatmentSettings()).action is Action.REFUSE
    assert treat(findings, trusting).action is Action.ACCEPT


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60))
def test_chunks_do_not_matter(step: int) -> None:
    assert screen(signed(), step=step) == screen(signed())


HOSTILE = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [
            b"From: a@example.org\r\n",
            b"From: =?utf-8?q?x?= <a@b\xff.example>\r\n",
            b"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=r; h=from; bh=AA==; b=AA==\r\n",
            b"DKIM-Signature: v=1; d=\r\n",
            b"ARC-Seal: i=1; cv=none; a=rsa-sha256; d=x.example; s=s; b=AA==\r\n",
            b"ARC-Authentication-Results: i=1; x; dmarc=pass (\r\n",
            b"ARC-Message-Signature: i=1; a=rsa-sha256; d=x.example; s=s; h=from; bh=AA==; b=AA==\r\n",
            b"\r\n",
        ]
    ),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(HOSTILE, max_size=12).map(b"".join), st.text(max_size=40), st.sampled_from(["", "x@y.example"])
)
def test_nothing_a_peer_wrote_raises_or_gets_out_of_its_field(message: bytes, helo: str, sender: str) -> None:
    findings = screen(message, SpfQuery("192.0.2.66", helo, sender, "mx.local.example", NOW))
    treat(findings, TreatmentSettings(trusted_sealers=frozenset({"x.example"})))
    field = results_field("mx.local.example", findings.results())
    assert field.isascii()
    assert field.endswith(b"\r\n")
    for line in field[:-2].split(b"\r\n")[1:]:
        assert line.startswith(b"\t")
        assert b"\n" not in line and b"\r" not in line
    assert len(findings.words()) < 512
    tuple(findings.checks())


def test_an_unsigned_body_is_not_hashed() -> None:
    screening = Screener(SETTINGS, zones()).begin(scan(MAIL), QUERY)
    assert not screening.feed_wanted


# what does not answer -> the results
SILENT = {
    "_dmarc.example.org": {"dmarc": "temperror", "spf": "fail"},
    "example.org": {"dmarc": "fail", "spf": "temperror"},
    "66.2.0.192.in-addr.arpa": {"iprev": "temperror"},
}


def test_what_spf_might_have_proven_is_not_refused() -> None:
    dns = zones()
    dns._zone["example.org"] = [(TIMEOUT, None)]
    assert treat(screen(MAIL, STRANGER, dns), TreatmentSettings()).action is Action.MARK


@pytest.mark.parametrize("name", SILENT)
def test_a_silent_dns_is_a_finding(name: str) -> None:
    dns = zones()
    dns._zone[name] = [(TIMEOUT, None)]
    found = results(screen(MAIL, STRANGER, dns))
    assert SILENT[name].items() <= found.items()


def test_a_dns_that_never_answers_never_refuses() -> None:
    dns = zones()
    dns._zone = {name: [(TIMEOUT, None)] for name in [*dns._zone, "66.2.0.192.in-addr.arpa"]}
    findings = screen(signed(), STRANGER, dns)
    assert results(findings) == dict.fromkeys(("dmarc", "spf", "dkim", "iprev"), "temperror")
    strict = TreatmentSettings(spf_fail="refuse", quarantine="refuse")
    assert treat(findings, strict).action is Action.ACCEPT


class Deaf(Zones):
    """Takes longer than anybody waits."""

    async def txt(self, name: str):
        await asyncio.sleep(3600)

    addresses = mx = ptr = txt


def test_all_checks_together_end_in_time() -> None:
    quick = ScreeningSettings.limits_of("mx.local.example", 0.2)
    message = hop(signed(), 1)

    async def timed() -> tuple[Findings, float]:
        loop = asyncio.get_running_loop()
        head = scan(message)
        screening = Screener(quick, Deaf({})).begin(head, QUERY)
        screening.feed(message[head.header_end :])
        began = loop.time()
        return await screening.findings(), loop.time() - began

    findings, seconds = asyncio.run(timed())
    assert seconds < PATIENCE
    assert findings.dkim[0].result is DkimResult.TEMPERROR
    assert {findings.dmarc.result.value, findings.spf.result.value} == {"temperror"}


@pytest.mark.parametrize(
    ("helo", "record", "said"),
    [
        ("mx.far.test", "v=spf1 ip4:192.0.2.1 -all", "pass"),
        ("mx.far.test", "v=spf1 -all", "fail"),
        ("mx.far.test", None, None),  # nothing is known, nothing is said
        ("EXAMPLE.org.", "v=spf1 -all", None),  # the same name as in MAIL FROM
        ("localhost", "v=spf1 -all", None),
        ("[192.0.2.1]", None, None),
    ],
)
def test_helo_is_checked_where_it_names_another_host(helo: str, record: str | None, said: str | None) -> None:
    records = {"mx.far.test": [("TXT", record.encode())]} if record else {}
    query = SpfQuery("192.0.2.1", helo, "ann@example.org", "mx.local.example", NOW)
    findings = screen(MAIL, query, Zones({**zones()._zone, **records}))
    assert findings.spf.result is SpfResult.PASS
    assert (findings.helo.result.value if findings.helo else None) == said
    field = results_field("us", findings.results()).decode()
    assert (f"smtp.helo={helo}" in field) is bool(said)
    assert [c.method for c in findings.checks()].count("helo") == bool(said)
    assert findings.dmarc.spf_aligned, "only MAIL FROM counts for DMARC"


def test_the_null_sender_is_checked_by_helo_once() -> None:
    dns = zones()
    findings = screen(MAIL, SpfQuery("192.0.2.1", "mail.example.org", "", "mx.local.example", NOW), dns)
    assert findings.helo is None
    assert dns.asked.count(("mail.example.org", "TXT")) == 1
