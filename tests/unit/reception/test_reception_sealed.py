"""Sealed or not at all: who may ask for it, what travels on, and what is answered at the end of the data."""

from contextlib import asynccontextmanager

import pytest
from reception_fakes import LMTP, LOCAL, LOOPBACK, MESSAGE, MX, House, Raw, settings

from kurir.model import Cause, ObservationKind, Prospect, Reply

REFUSED = Prospect(
    Reply.of(550, "5.7.10", "Mail to bad.example cannot travel sealed: mx offers no TLS at all")
)
TAKEN = Prospect()
UNSURE = Prospect(unsure="nobody answered")


class Oracle:
    """Knows some domains."""

    def __init__(self):
        self.asked = []

    async def prospect(self, sender, domain, *, strict):
        self.asked.append((sender, domain, strict))
        return {"bad.example": REFUSED, "slow.example": UNSURE}.get(domain, TAKEN)


@asynccontextmanager
async def client(listener, *, trusted=()):
    house = House(settings=settings(trusted=trusted))
    house.desk.foresight = Oracle()
    async with house.open(listener) as port:
        raw = await Raw.dial(port)
        assert (await raw.reply()).startswith("220")
        assert (await raw.say("LHLO c" if listener is LMTP else "EHLO c")).startswith("250")
        yield house, raw
        await raw.close()


async def hand_in(raw, *recipients, field=b""):
    assert (await raw.say("MAIL FROM:<alice@local.example>")).startswith("250")
    for recipient in recipients:
        assert (await raw.say(f"RCPT TO:<{recipient}>")).startswith("250")
    assert (await raw.say("DATA")).startswith("354")
    raw.send(field + MESSAGE + b".\r\n")
    return await raw.reply()


# the field -> the demand: (sealed, REQUIRETLS); None: refused
FIELDS = {
    b"": (False, False),
    b"Kurir-Sealed: no\r\n": (False, False),
    b"Kurir-Sealed: yes\r\n": (True, False),
    b"KURIR-SEALED:\r\n  Strict \r\n": (False, True),
    b"Kurir-Sealed: yes\r\nKurir-Sealed: strict\r\n": (False, True),
    b"Kurir-Sealed: maybe\r\n": None,
    b"Kurir-Sealed: yes\r\nKurir-Sealed:\r\n": None,
}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(("listener", "trusted"), [(LOCAL, ()), (MX, LOOPBACK)], ids=["local", "trusted"])
async def test_the_field_of_our_own_people(listener, trusted, field):
    async with client(listener, trusted=trusted) as (house, raw):
        reply = await hand_in(raw, "x@good.example", "y@good.example", field=field)
        wanted = FIELDS[field]
        if wanted is None:
            assert reply == "550 5.6.0 Kurir-Sealed has one of the values yes, strict and no"
            assert house.brain.incoming == []
            return
        assert reply == "250 2.0.0 k0000011 accepted, safe on disk"
        (incoming,) = house.brain.incoming
        params = incoming.envelope.params
        assert (params.sealed, params.require_tls) == wanted
        assert b"sealed" not in (incoming.body or b"").lower() and b"Subject: Hello" in (incoming.body or b"")
        asked = [("local.example", "good.example", wanted[1])] if any(wanted) else []
        assert house.desk.foresight.asked == asked


@pytest.mark.parametrize("listener", [MX, LMTP])
async def test_a_stranger_demands_nothing_with_it(listener):
    async with client(listener) as (house, raw):
        house.people()
        reply = await hand_in(raw, "alice@local.example", field=b"Kurir-Sealed: yes\r\n")
        assert reply.startswith("250") and house.desk.foresight.asked == []
        assert not house.brain.incoming[0].envelope.params.demands_tls


async def test_a_report_is_not_refused_for_the_want_of_requiretls():
    """RFC 8689 section 5."""
    async with client(LOCAL) as (house, raw):
        assert (await raw.say("MAIL FROM:<>")).startswith("250")
        assert (await raw.say("RCPT TO:<y@bad.example>")).startswith("250")
        assert (await raw.say("DATA")).startswith("354")
        raw.send(b"Kurir-Sealed: strict\r\n" + MESSAGE + b".\r\n")
        assert (await raw.reply()).startswith("250") and house.desk.foresight.asked == []
        assert house.brain.incoming[0].envelope.params.require_tls


async def test_one_domain_that_cannot_be_reached_sealed_is_enough():
    async with client(LOCAL) as (house, raw):
        reply = await hand_in(
            raw, "x@good.example", "y@bad.example", "z@slow.example", field=b"Kurir-Sealed: yes\r\n"
        )
        assert reply == "550 5.7.10 Mail to bad.example cannot travel sealed: mx offers no TLS at all"
        assert house.brain.incoming == []
        (noted,) = house.brain.seen(ObservationKind.REFUSED_MESSAGE)
        assert noted.cause is Cause.TLS_REQUIRED


async def test_who_cannot_say_yet_says_so_in_the_promise():
    async with client(LOCAL) as (house, raw):
        reply = await hand_in(raw, "z@slow.example", field=b"Kurir-Sealed: yes\r\n")
        assert reply == (
            "250 2.0.0 k0000011 accepted, safe on disk; whether it can travel sealed shows when it is sent: nobody answered"
        )
        assert house.brain.incoming[0].envelope.params.sealed
