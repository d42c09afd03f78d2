"""The real signed messages: all verify, and no signed octet can be changed."""

import random

import pytest

from kurir.message import scan
from kurir.senderauth.dkim import DkimReason, Signer, SigningKey
from tests.shared import need
from tests.unit.senderauth.dns import TxtZone

from .material import check, crlf, mail_auth_case

NOW = 1_700_000_000.0


def cases() -> list[str]:
    return ["001", "002", "003"]


@pytest.mark.parametrize("name", cases())
def test_every_signature_verifies(name):
    dns, message = mail_auth_case(need("data", "dkim", "mail-auth") / f"{name}.txt")
    verdicts = check(message, dns, now=1_530_000_000.0 if name == "001" else NOW)
    assert [v.reason for v in verdicts] == [DkimReason.VALID] * message.lower().count(b"dkim-signature:")


@pytest.mark.parametrize("name", cases())
def test_every_changed_octet_is_noticed(name):
    dns, message = mail_auth_case(need("data", "dkim", "mail-auth") / f"{name}.txt")
    head = scan(message)
    signed_names = {n for v in check(message, dns) for n in v.names}
    spans = [(f.start, f.end) for f in head if f.name.lower().decode() in signed_names]
    spans.append((head.header_end, len(message.rstrip())))
    places = [at for start, end in spans for at in range(start, end)]
    chance = random.Random(name)
    for at in places if len(places) < 1_500 else chance.sample(places, 1_500):
        old = message[at]
        if chr(old) in " \t\r\n":
            continue  # blanks may change in relaxed form
        for new in {old ^ 1, 0x41 if old != 0x41 else 0x42}:
            if chr(old).lower() == chr(new).lower() or chr(new) in " \t\r\n":
                continue
            changed = message[:at] + bytes((new,)) + message[at + 1 :]
            covering = [v for v in check(changed, dns) if v.passed and _covers(v, head, at)]
            assert not covering, (at, changed[max(0, at - 20) : at + 20])


def _covers(verdict, head, at):
    if at >= head.header_end:
        return True
    return any(f.start <= at < f.end and f.name.lower().decode() in verdict.names for f in head)


def record(*parts: str) -> bytes:
    return need("data", "dkim", "dkimpy", *parts).read_bytes().strip()


# The public half of rfc8032_7_1.key (RFC 8463 appendix A.2).
RFC_8463_KEY = b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


@pytest.mark.parametrize(("name", "count"), [("rfc6376.signed.msg", 2), ("ed25519test2.msg", 1)])
def test_signatures_of_other_implementations_verify(name, count):
    dns = TxtZone(
        {
            "test._domainkey.football.example.com": record("test.txt"),
            "brisbane._domainkey.football.example.com": RFC_8463_KEY,
            "sed._domainkey.test.ex": record("eximtest.dns"),
        }
    )
    verdicts = check(crlf(need("data", "dkim", "dkimpy", name).read_bytes()), dns)
    assert [v.reason for v in verdicts] == [DkimReason.VALID] * count


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("test.txt", DkimReason.VALID),
        ("test2.txt", DkimReason.VALID),
        ("test_bad.txt", DkimReason.KEY_SYNTAX),
        ("badk.txt", DkimReason.KEY_UNFIT),
        ("badversion.txt", DkimReason.KEY_SYNTAX),
        ("test_tlsrpt.txt", DkimReason.KEY_UNFIT),
    ],
)
def test_key_records_of_others_are_judged(name, reason):
    message = crlf(need("data", "dkim", "dkimpy", "rfc6376.signed.msg").read_bytes())
    verdicts = check(message, TxtZone({"test._domainkey.football.example.com": record(name)}))
    assert verdicts[1].reason is reason


@pytest.mark.parametrize("name", ["test.message", "test2.message", "rfc6376.msg", "test_extra.message"])
def test_keys_of_others_sign_and_verify(name):
    message = crlf(need("data", "dkim", "dkimpy", name).read_bytes())
    key = SigningKey.from_pem("Example.COM", "test", record("test.private"))
    head = scan(message)
    out = Signer([key]).sign(head, [message[head.header_end :]], NOW) + message
    verdicts = check(out, TxtZone({"test._domainkey.example.com": record("test.txt")}))
    assert verdicts[0].reason is DkimReason.VALID
