"""Rewritten senders (SRS) take reports back to where forwarded mail came from, and are no relay for anybody."""

import time

import pytest
from reception_fakes import LMTP, LOOPBACK, MESSAGE, MX, House, Raw, settings

from kurir.model import parse_address
from kurir.senderauth.srs import Srs

SRS = Srs((b"secret of this server",))
DAY = 86_400.0


def rewritten(sender: str, days_ago: float = 0.0, srs: Srs = SRS) -> str:
    return str(srs.rewritten(parse_address(sender), "local.example", time.time() - days_ago * DAY))


GOOD = rewritten("carl@origin.example")
BOUNCES = [
    (GOOD, "250"),
    (GOOD.lower(), "250"),
    (rewritten("carl@origin.example", 20), "250"),
    (rewritten("carl@origin.example", 40), "550 5.1.6"),
    (rewritten("carl@origin.example", 0, Srs((b"somebody else's",))), "550 5.1.1"),
    (GOOD.replace("carl", "eve"), "550 5.1.1"),
    (GOOD.replace("@local.example", "@far.example"), "550 5.7.1"),  # not ours to turn back
    (rewritten("alice@local.example"), "250"),
    (rewritten("nobody@local.example"), "550 5.1.1"),
    (rewritten("known@relayed.example"), "250"),
    ("SRS0=aaaa@local.example", "550 5.1.1"),
    (rewritten(f"{'x' * 60}@bulk.example"), "250"),  # longer than 64 octets: others do that too
    (f"SRS0={'x' * 200}@local.example", "501"),
]


@pytest.mark.parametrize(("address", "expected"), BOUNCES)
async def test_a_report_finds_back(address: str, expected: str) -> None:
    house = House(settings=settings())
    house.people()
    house.desk.srs = SRS
    async with house.open(MX) as port:
        client = await Raw.dial(port)
        await client.hello()
        await client.say("MAIL FROM:<>")
        reply = await client.say(f"RCPT TO:<{address}>")
        assert reply.startswith(expected), reply
        await client.close()


async def test_only_reports_and_our_own_people_may_use_it() -> None:
    for trusted, expected in (((), "550 5.7.1"), (LOOPBACK, "250")):
        house = House(settings=settings(trusted=trusted))
        house.desk.srs = SRS
        async with house.open(MX) as port:
            client = await Raw.dial(port)
            await client.hello()
            await client.say("MAIL FROM:<a@far.example>")
            assert (await client.say(f"RCPT TO:<{GOOD}>")).startswith(expected)
            await client.close()


async def test_lmtp_and_a_server_that_does_not_rewrite_know_no_such_address() -> None:
    for listener, srs in ((LMTP, SRS), (MX, None)):
        house = House(settings=settings(trusted=LOOPBACK))
        house.desk.srs = srs
        async with house.open(listener) as port:
            client = await Raw.dial(port)
            await client.reply()
            await client.say("LHLO c.example" if listener is LMTP else "EHLO c.example")
            await client.say("MAIL FROM:<>")
            assert (await client.say(f"RCPT TO:<{GOOD}>")).startswith("550 5.1.1")
            await client.close()


@pytest.mark.parametrize("trusted", [True, False])
async def test_the_envelope_says_honestly_whether_one_of_ours_sent_it(trusted: bool) -> None:
    house = House(settings=settings(trusted=LOOPBACK if trusted else ()))
    house.people()
    async with house.open(MX) as port:
        client = await Raw.dial(port)
        await client.hello()
        await client.say("MAIL FROM:<alice@local.example>")
        await client.say("RCPT TO:<bob@local.example>")
        await client.say("DATA")
        assert (await client.say(MESSAGE + b".\r\n")).startswith("250")
        await client.close()
    assert house.brain.incoming[0].origin.ours is trusted
