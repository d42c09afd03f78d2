"""What checking a stranger's mail, and signing our own, costs: CPU microseconds a message, by check, with the DNS in the cache.

    python -m tests.bench.screening [--json]

One process, no network but the first question of each name, which goes to a name server in a thread.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from kurir.message import scan
from kurir.model import Origin, parse_address
from kurir.net import CachingResolver, ResolverSettings
from kurir.reception.screening import StrangersMail, without_posing
from kurir.senderauth.arc import Sealer, own_results
from kurir.senderauth.arc import check_message as check_arc
from kurir.senderauth.dkim import Signer, SigningKey, check_message, record_text
from kurir.senderauth.dmarc import Proven, author_of, check
from kurir.senderauth.iprev import check_reverse
from kurir.senderauth.screening import Screener, ScreeningSettings, TreatmentSettings
from kurir.senderauth.spf import SpfQuery, check_mail_from
from tests.harness.dns import Names

NOW = 1_800_000_000.0
SECONDS = 0.6  # for each figure
CLIENT = "192.0.2.1"
KEYS = {
    "rsa": SigningKey("a.test", "r", generate_private_key(65537, 2048)),
    "ed25519": SigningKey("a.test", "e", Ed25519PrivateKey.generate()),
    "list": SigningKey("list.test", "s", generate_private_key(65537, 2048)),
}
HEAD = (
    b"Received: from x.a.test (x.a.test [192.0.2.7]) by mail.a.test with ESMTPS id 1; Mon, 23 Nov 2026 08:00:00 +0000\r\n"
    * 3
    + b"From: Ann Example <ann@a.test>\r\nTo: Bob <bob@example.test>\r\nSubject: The minutes of the meeting\r\n"
    b"Date: Mon, 23 Nov 2026 08:00:00 +0000\r\nMessage-ID: <20261123080000.1@a.test>\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
)
LINE = b"A line of a letter as people write it, with blanks between its words.\r\n"


def message(octets: int) -> bytes:
    """Return a message of about this size."""
    return HEAD + LINE * ((octets - len(HEAD)) // len(LINE))


def zone() -> dict[str, dict[str, list[str]]]:
    """Return the names that are asked for, as a usual sender publishes them."""

    def txt(text: str) -> dict[str, list[str]]:
        return {"TXT": [" ".join(f'"{text[at : at + 255]}"' for at in range(0, len(text), 255))]}

    return {
        "a.test": txt("v=spf1 mx include:spf.provider.test -all") | {"MX": ["10 mail.a.test."]},
        "b.test": txt(f"v=spf1 ip4:{CLIENT} -all"),
        "mail.a.test": {"A": ["192.0.2.9"]},
        "spf.provider.test": txt("v=spf1 include:one.provider.test include:two.provider.test ~all"),
        "one.provider.test": txt("v=spf1 ip4:198.51.100.0/24 ip4:203.0.113.0/24 ~all"),
        "two.provider.test": txt("v=spf1 ip4:192.0.2.0/24 ~all"),
        "_dmarc.a.test": txt("v=DMARC1; p=reject; rua=mailto:dmarc@a.test"),
        "1.2.0.192.in-addr.arpa": {"PTR": ["out.provider.test."]},
        "out.provider.test": {"A": [CLIENT]},
        **{f"{k.selector}._domainkey.{k.domain}": txt(record_text(k.public)) for k in KEYS.values()},
    }


def sealed(text: bytes) -> bytes:
    """Return the message as a forwarder passes it on."""
    text = b"Authentication-Results: mx.list.test; arc=none; dmarc=pass header.from=a.test\r\n" + text
    head = scan(text)
    return (
        Sealer(KEYS["list"]).seal(head, [text[head.header_end :]], own_results(head, "mx.list.test"), NOW)
        + text
    )


def signed(text: bytes, *names: str) -> bytes:
    """Return the message with signatures by these keys."""
    head = scan(text)
    return Signer([KEYS[n] for n in names]).sign(head, [text[head.header_end :]], NOW) + text


async def figures(resolver: CachingResolver) -> dict[str, float]:
    """Return what each check costs, in microseconds of CPU."""
    screener = Screener(ScreeningSettings.limits_of("mx.example.test", 20), resolver)
    origin = Origin(protocol="ESMTPS", listener="mx", client=CLIENT, helo="out.provider.test")
    sender = parse_address("ann@a.test")
    policy = TreatmentSettings()

    async def cost(run: Callable[[], Awaitable[object]]) -> float:
        for _ in range(20):
            await run()
        best = float("inf")
        for _ in range(5):
            rounds, began, end = 0, time.process_time(), time.monotonic() + SECONDS / 5
            while time.monotonic() < end:
                await run()
                rounds += 1
            best = min(best, (time.process_time() - began) / rounds)
        return round(best * 1e6, 1)

    def whole(text: bytes, reverse: str = "ann@a.test") -> Callable[[], Awaitable[object]]:
        path = parse_address(reverse)

        async def run() -> object:
            screened = await StrangersMail(screener, scan(text), origin, path, NOW).judge(
                policy, smtputf8=False
            )
            assert screened.refusal is None, screened
            return screened

        return run

    def signing(text: bytes, *names: str) -> Callable[[], Awaitable[object]]:
        async def run() -> object:
            return signed(text, *names)

        return run

    def dkim(text: bytes) -> Callable[[], Awaitable[object]]:
        head = scan(text)
        body = [text[head.header_end :]]

        async def run() -> object:
            verdicts = await check_message(head, body, resolver, NOW)
            assert all(v.passed for v in verdicts), verdicts
            return verdicts

        return run

    plain = message(4096)
    forwarded = sealed(signed(plain, "rsa"))
    forwarded_head = scan(forwarded)
    author = author_of(scan(plain))
    query = SpfQuery(CLIENT, "out.provider.test", str(sender), "mx.example.test", NOW)
    ids = screener.settings.ids

    async def posing() -> object:
        return without_posing(plain, ids, len(HEAD))

    async def sealing() -> object:
        return sealed(plain)

    async def scanning() -> object:
        return scan(plain)

    return {
        "SPF, one ip4 (b.test)": await cost(
            lambda: check_mail_from(SpfQuery(CLIENT, "h.test", "x@b.test", "mx", NOW), resolver)
        ),
        "SPF, mx and three includes": await cost(lambda: check_mail_from(query, resolver)),
        "reverse name": await cost(lambda: check_reverse(CLIENT, resolver)),
        "DMARC, aligned": await cost(lambda: check(author, Proven("a.test", ()), resolver)),
        "DMARC, no record (tree walk)": await cost(
            lambda: check(author_of(scan(plain.replace(b"ann@a.test", b"x@deep.b.test"))), Proven(), resolver)
        ),
        "DKIM RSA-2048, 4 KB": await cost(dkim(signed(plain, "rsa"))),
        "DKIM Ed25519, 4 KB": await cost(dkim(signed(plain, "ed25519"))),
        "DKIM RSA-2048, 100 KB": await cost(dkim(signed(message(100_000), "rsa"))),
        "DKIM RSA-2048, 1 MB": await cost(dkim(signed(message(1_000_000), "rsa"))),
        "ARC, one set": await cost(
            lambda: check_arc(forwarded_head, [forwarded[forwarded_head.header_end :]], resolver, NOW)
        ),
        "header read for the checks": await cost(scanning),
        "looking for results that pose as ours": await cost(posing),
        "signing RSA-2048, 4 KB": await cost(signing(plain, "rsa")),
        "signing Ed25519, 4 KB": await cost(signing(plain, "ed25519")),
        "signing both, 4 KB": await cost(signing(plain, "rsa", "ed25519")),
        "signing RSA-2048, 1 MB": await cost(signing(message(1_000_000), "rsa")),
        "sealing (ARC, RSA-2048), 4 KB": await cost(sealing),
        "all, unsigned, one ip4": await cost(whole(plain.replace(b"@a.test", b"@b.test"), "x@b.test")),
        "all, unsigned, mx and three includes": await cost(whole(plain)),
        "all, signed RSA-2048": await cost(whole(signed(plain, "rsa"))),
        "all, signed twice, forwarded": await cost(whole(sealed(signed(plain, "rsa", "ed25519")))),
    }


def measured() -> dict[str, float]:
    """Return what each check and each signature costs, in microseconds of CPU."""
    with Names(zone(), ttl=3600) as names:
        settings = ResolverSettings(nameservers=(names.address,))
        return asyncio.run(figures(CachingResolver(settings, clock=time.monotonic)))


def main() -> None:
    """Measure and print."""
    found = measured()
    if "--json" in sys.argv:
        print(json.dumps(found, indent=2))
        return
    print("CPU µs a message, DNS in the cache")
    for name, microseconds in found.items():
        print(f"{microseconds:9.1f}  {name}")


if __name__ == "__main__":
    main()
