"""Keys made once, messages signed by Kurir, and the real ones of the shared material."""

import asyncio
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from kurir.message import scan
from kurir.senderauth.dkim import DkimSettings, DkimVerdict, Signer, SigningKey, check_message, record_text
from tests.unit.senderauth.dns import TxtZone

NOW = 1_700_000_000.0

MAIL = (
    b"Received: from a by b; Tue, 14 Nov 2023 22:13:20 +0000\r\n"
    b"From: Ann <ann@example.org>\r\n"
    b"To: bob@example.net\r\n"
    b"Subject: Lunch\r\n\tand then \r\n"
    b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
    b"Message-ID: <1@example.org>\r\n"
    b"\r\n"
    b"Hello  Bob,\t \r\n\r\nsee you there.\r\n\r\n\r\n"
)


@cache
def rsa_key(bits: int = 2048) -> SigningKey:
    return SigningKey("example.org", "r", generate_private_key(65537, bits))


@cache
def ed_key() -> SigningKey:
    return SigningKey("example.org", "e", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


@cache
def zone_records() -> dict[str, bytes]:
    return {
        f"{key.selector}._domainkey.{key.domain}": record_text(key.public).encode()
        for key in (rsa_key(), ed_key())
    }


def zone(**changed: bytes) -> TxtZone:
    return TxtZone(
        zone_records() | {f"{name}._domainkey.example.org": value for name, value in changed.items()}
    )


def signed(message: bytes = MAIL, *keys: SigningKey) -> bytes:
    head = scan(message)
    return Signer(keys or (rsa_key(), ed_key())).sign(head, [message[head.header_end :]], NOW) + message


def check(
    message: bytes,
    dns: TxtZone | None = None,
    now: float = NOW,
    settings: DkimSettings | None = None,
    prefer: str = "",
) -> tuple[DkimVerdict, ...]:
    head = scan(message)
    body = [message[head.header_end :]]
    return asyncio.run(check_message(head, body, dns or zone(), now, settings or DkimSettings(), prefer))


def crlf(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def mail_auth_case(path: Path) -> tuple[TxtZone, bytes]:
    head, _, message = path.read_bytes().replace(b"\r\n", b"\n").partition(b"\n\n")
    records: dict[str, bytes] = {}
    for line in head.splitlines():
        name, _, text = line.partition(b" ")
        records[name.decode()] = text.strip()
    return TxtZone(records), crlf(message)
