"""The ARC test suite of ValiMail: 118 chains to validate and 17 messages to seal."""

import asyncio
import json
import re

import pytest
import yaml

from kurir.message import scan
from kurir.senderauth.arc import ArcReason, ArcResult, Sealer, check_message, own_results
from kurir.senderauth.dkim import SigningKey
from tests.shared import shared
from tests.unit.senderauth.dns import TxtZone

NOW = 1_500_000_000.0


def crlf(text: str) -> bytes:
    return text.replace("\r\n", "\n").replace("\n", "\r\n").encode()


def zone(records: dict[str, str]) -> TxtZone:
    return TxtZone({name: value.replace("\n", "").encode() for name, value in records.items()})


def validation_cases():
    path = shared("data", "arc", "validation-tests.dev.json")
    if path is None:
        return [
            pytest.param(None, None, id="suite", marks=pytest.mark.skip("no data/arc (set KURIR_SHARED)"))
        ]
    return [
        pytest.param(scenario["txt-records"], test, id=name)
        for scenario in json.loads(path.read_text())
        for name, test in scenario["tests"].items()
    ]


@pytest.mark.parametrize(("records", "test"), validation_cases())
def test_validation(records, test):
    message = crlf(test["message"])
    head = scan(message)
    verdict = asyncio.run(check_message(head, [message[head.header_end :]], zone(records), NOW))
    if test["cv"] == "":
        # The suite's draft said nothing more of a chain that was declared broken; RFC 8617 section 5.2 says fail.
        assert verdict.reason is ArcReason.DECLARED_BROKEN
    else:
        assert verdict.result is ArcResult(test["cv"].lower()), verdict


def sealing_cases():
    path = shared("data", "arc", "arc-draft-sign-tests.yml")
    if path is None:
        return [
            pytest.param(None, None, id="suite", marks=pytest.mark.skip("no data/arc (set KURIR_SHARED)"))
        ]
    return [
        pytest.param(scenario, test, id=name)
        for scenario in yaml.safe_load_all(path.read_text())
        for name, test in scenario["tests"].items()
    ]


def tags(text: str) -> dict[str, str]:
    return {
        n.strip(): re.sub(r"\s", "", v)
        for n, _, v in (t.partition("=") for t in text.split(";"))
        if n.strip()
    }


@pytest.mark.parametrize(("scenario", "test"), sealing_cases())
def test_sealing(scenario, test):
    message = crlf(test["message"])
    head = scan(message)
    key = SigningKey.from_pem(scenario["domain"], scenario["sel"], scenario["privatekey"].encode())
    sealing = Sealer(key).begin(head, own_results(head, test["srv-id"]), test["sig-headers"].split(":"))
    if not test["AS"].strip():
        assert sealing is None
        return
    sealing.feed(message[head.header_end :])
    fields = sealing.fields(test["t"])
    made = scan(fields + message)
    assert [f.name for f in made][:3] == [
        b"ARC-Seal",
        b"ARC-Message-Signature",
        b"ARC-Authentication-Results",
    ]
    # Every tag, the signatures octet by octet: they cover the text as Kurir wrote it.
    assert tags(made.get("ARC-Seal").decode()) == tags(test["AS"])
    assert tags(made.get("ARC-Message-Signature").decode()) == tags(test["AMS"])
    said = re.sub(r"\s+", " ", made.get("ARC-Authentication-Results").decode())
    assert said == re.sub(r"\s+", " ", test["AAR"].strip())
