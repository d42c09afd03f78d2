"""How urgent mail is: the one decision, who is believed, and what travels on (RFC 6710, RFC 6758)."""

import asyncio
import smtplib
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reception_fakes import LOCAL, LOOPBACK, MX, SUBMISSION, House, settings

from kurir.message.headers import scan
from kurir.message.urgency import said_mt_priority, said_urgency, says_anything
from kurir.model import Urgency, UrgencyBy
from kurir.reception.urgency import ORDINARY, Asked, decide

URGENT, PLAIN, BULK = Urgency.URGENT, Urgency.ORDINARY, Urgency.BULK
OPEN = replace(SUBMISSION, starttls=False, auth_without_tls=True, require_tls=False)


@pytest.mark.parametrize(
    ("asked", "urgency", "by"),
    [
        (Asked(), PLAIN, UrgencyBy.NOTHING),
        (Asked(named=True, may=False, header=BULK), URGENT, UrgencyBy.NAMED),
        (Asked(door=True), URGENT, UrgencyBy.DOOR),
        (Asked(door=True, may=False), PLAIN, UrgencyBy.NOTHING),
        (Asked(may=True, mt_priority=1), URGENT, UrgencyBy.MT_PRIORITY),
        (Asked(may=True, mt_priority=0, header=URGENT), PLAIN, UrgencyBy.MT_PRIORITY),
        (Asked(may=True, mt_priority=-4), BULK, UrgencyBy.MT_PRIORITY),
        (Asked(mt_priority=9), PLAIN, UrgencyBy.NOTHING),
        (Asked(header=BULK), BULK, UrgencyBy.HEADER),
        (Asked(may=True, header=URGENT), URGENT, UrgencyBy.HEADER),
        (Asked(header=URGENT), PLAIN, UrgencyBy.FORBIDDEN),
        (Asked(may=False, header=URGENT), PLAIN, UrgencyBy.FORBIDDEN),
    ],
)
def test_the_decision(asked: Asked, urgency: Urgency, by: UrgencyBy) -> None:
    assert decide(asked) == (urgency, by)


@given(
    st.builds(
        Asked, door=st.just(value=False), may=st.sampled_from((None, False)),
        mt_priority=st.none() | st.integers(-9, 9), header=st.none() | st.sampled_from(Urgency),
    )
)  # fmt: skip
def test_nobody_makes_himself_urgent_who_may_not(asked: Asked) -> None:
    assert decide(asked)[0] is not URGENT


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("X-Priority: 1 (Highest)", URGENT),
        ("X-Priority: 3", None),
        ("Priority: urgent", URGENT),
        ("Priority: non-urgent", BULK),
        ("importance: HIGH", URGENT),
        ("Precedence: bulk", BULK),
        ("List-Unsubscribe: <https://x.example/>", BULK),
        ("X-Priority: 1\r\nList-Unsubscribe: <https://x.example/>", BULK),
        ("X-Priority:\r\n 1", URGENT),
        ("Subject: Priority: urgent", None),
        ("X-Priority: \xff", None),
    ],
)
def test_what_the_header_says(head: str, said: Urgency | None) -> None:
    octets = f"From: a@b.example\r\n{head}\r\n\r\nPriority: urgent\r\n".encode("latin-1")
    assert said_urgency(scan(octets)) is said
    if said is not None:
        assert says_anything(octets)


@pytest.mark.parametrize(
    ("value", "level"),
    [("5", 5), ("-9", -9), ("0", 0), ("3 (urgent)", 3), ("10", None), ("+1", None), ("-0", None), ("", None)],
)
def test_the_field_of_rfc_6758(value: str, level: int | None) -> None:
    assert said_mt_priority(scan(f"MT-Priority: {value}\r\n\r\n".encode())) == level


def letter(*fields: str) -> bytes:
    return "\r\n".join(("From: alice@local.example", *fields, "", "text", "")).encode()


def send(port: int, message: bytes, *options: str, login: bool = True) -> dict[str, str]:
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example") as smtp:
        smtp.ehlo()
        if login:
            smtp.login("alice@local.example", "alice's secret")
            smtp.ehlo()
        smtp.sendmail("alice@local.example", ["x@far.example"], message, list(options))
        return dict(smtp.esmtp_features)


def house_of(may: bool | None) -> House:
    house = House()
    house.people()
    house.store.put(replace(house.store.account("alice@local.example"), urgent=may))
    return house


@pytest.mark.parametrize(("may", "door"), list(product((True, False, None), (True, False))))
async def test_an_account_at_a_door(may: bool | None, door: bool) -> None:
    house = house_of(may)
    async with house.open(replace(OPEN, urgent=door)) as port:
        said = await asyncio.to_thread(send, port, letter("X-Priority: 1", "MT-Priority: 4"))
    (got,) = house.brain.incoming
    urgent = may or (door and may is None)
    assert (got.envelope.params.urgency is URGENT) == bool(urgent)
    assert ("mt-priority" in said) == (may is True)
    assert got.envelope.params.mt_priority == (4 if may else None)
    assert got.body is not None
    assert b"MT-Priority" not in got.body  # it travels as a parameter


async def test_the_parameter_of_who_may_and_of_who_may_not() -> None:
    house = house_of(True)
    async with house.open(OPEN) as port:
        await asyncio.to_thread(send, port, letter("MT-Priority: 4"), "MT-PRIORITY=-3")
        with pytest.raises(smtplib.SMTPSenderRefused):
            await asyncio.to_thread(send, port, letter(), "MT-PRIORITY=10")
    (got,) = house.brain.incoming
    assert (got.envelope.params.mt_priority, got.envelope.params.urgency) == (-3, BULK)
    house = house_of(None)
    async with house.open(OPEN) as port:
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            await asyncio.to_thread(send, port, letter(), "MT-PRIORITY=5")
    assert refused.value.smtp_code == 555


async def test_strangers_are_not_asked_and_trusted_networks_may() -> None:
    house = House()
    async with house.open(MX) as port:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            await asyncio.to_thread(send, port, letter("X-Priority: 1"), login=False)
    trusting = House(settings=settings(trusted=LOOPBACK, urgent=frozenset({"reset@local.example"})))
    async with trusting.open(MX) as port:
        said = await asyncio.to_thread(send, port, letter("X-Priority: 1"), login=False)
        await asyncio.to_thread(send, port, letter(), "MT-PRIORITY=9", login=False)
    assert "mt-priority" in said
    assert [i.envelope.params.urgency for i in trusting.brain.incoming] == [PLAIN, URGENT]


async def test_this_machine_and_a_named_sender() -> None:
    house = House(settings=settings(urgent=frozenset({"alice@local.example"})))
    async with house.open(LOCAL) as port:
        await asyncio.to_thread(send, port, letter("Precedence: bulk"), login=False)
    (got,) = house.brain.incoming
    assert (got.envelope.params.urgency, got.envelope.params.urgency_by) == (URGENT, UrgencyBy.NAMED)
    plain = House()
    async with plain.open(LOCAL) as port:
        await asyncio.to_thread(send, port, letter(), login=False)
    params = plain.brain.incoming[0].envelope.params
    assert (params.urgency, params.urgency_by) == ORDINARY
