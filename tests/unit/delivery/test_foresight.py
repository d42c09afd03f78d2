"""What a look at a domain means for mail that must travel sealed, in words, and how the looks are bounded."""

import asyncio
from dataclasses import replace

import pytest

from kurir.delivery import DomainExam, Foresight, ForesightSettings, HostExam
from kurir.delivery.asking.foresight import foresee
from kurir.delivery.connecting.opening import Wish
from kurir.delivery.tlspolicy import (
    DaneFacts,
    DaneState,
    PolicyFacts,
    Rule,
    StsFacts,
    StsMode,
    Validation,
    decide,
)
from kurir.model import TlsFacts
from kurir.net.tlsa import Tlsa
from kurir.trace import say_noted
from tests.unit.delivery.doubles import FakeClock

USABLE = DaneFacts(DaneState.USABLE, (Tlsa(3, 1, 1, bytes(32)),), "mx1.office.test")
ENFORCE, OTHER = (StsFacts(StsMode.ENFORCE, (name,)) for name in ("mx1.office.test", "mx9.office.test"))
NAME = TlsFacts("TLSv1.3", "x", "name")
DANE = TlsFacts("TLSv1.3", "x", "dane")
WEAK = TlsFacts("TLSv1.3", "x", None, "nobody that is known here vouches for it")


def host(
    tls,
    name="mx1.office.test",
    *,
    strict=False,
    trouble="",
    reached=True,
    promises=False,
    dane_why="",
    **known,
):
    facts = PolicyFacts(
        host=name, domain="office.test", now=0.0, require_tls=strict, sealed=not strict, **known
    )
    demand = decide(facts)
    proven = tls is not None and tls.verified is not None and not dane_why
    sent = reached and not demand.refuse and proven and (promises or not strict)
    return HostExam(
        host=name, address="192.0.2.1", facts=facts, demand=demand, reached=reached, tls=tls,
        requiretls=promises, trouble=trouble, dane_why=dane_why, sent=sent,
    )  # fmt: skip


def exam(*hosts, failure=""):
    return DomainExam(
        domain="office.test", road="mx", kind="mx", validation=Validation.WORKS, sts=StsFacts(), hosts=hosts,
        failure=failure,
    )  # fmt: skip


SAFE = {"mx_proven": True}
# what was seen -> enhanced code and the weakest link; None: it can travel so
LINKS = {
    "proven by name": (host(NAME), None),
    "proven by DANE": (host(DANE, dane=USABLE), None),
    "all the way": (host(NAME, strict=True, promises=True, **SAFE), None),
    "no TLS": (host(None), ("5.7.10", "mx1.office.test offers no TLS at all")),
    "broken TLS": (
        host(None, trouble="the server refuses STARTTLS: 454 4.7.0 not now"),
        ("5.7.10", "mx1.office.test does not encrypt: the server refuses STARTTLS: 454 4.7.0 not now"),
    ),
    "weak certificate": (
        host(WEAK),
        (
            "5.7.30",
            (f"the certificate of mx1.office.test does not prove its name ({WEAK.why_not}), "
            "and neither DANE nor MTA-STS is published"),
        ),
    ),
    "weak certificate, policy": (
        host(WEAK, sts=ENFORCE),
        (
            "5.7.30",
            ("the certificate of mx1.office.test does not prove its name, as its own policy (MTA-STS) demands: "
            f"{WEAK.why_not}"),
        ),
    ),
    "wrong DANE": (
        host(WEAK, dane=USABLE, dane_why="no record fits"),
        (
            "5.7.30",
            "the certificate of mx1.office.test is not the one that signed DNS (DANE) names: no record fits",
        ),
    ),
    "forged DANE": (
        host(NAME, dane=DaneFacts(DaneState.BOGUS)),
        ("4.7.0", "the TLSA records of mx1.office.test cannot be looked up securely"),
    ),
    "policy names others": (
        host(NAME, sts=OTHER),
        ("5.7.30", "the policy of office.test (MTA-STS) does not name mx1.office.test as one of its mail hosts"),
    ),
    "switched off": (host(None, rule=Rule.NONE), ("5.7.10", "the operator has switched TLS off for this road")),
    "dane-only": (
        host(NAME, rule=Rule.DANE_ONLY),
        ("5.7.30", "mx1.office.test has no TLSA records in signed DNS, which the operator demands"),
    ),
    "strict, MX unproven": (
        host(NAME, strict=True, promises=True),
        (
            "5.7.30",
            ("nothing proves that mx1.office.test is the mail host of office.test: its MX record is not signed "
            "(DNSSEC) and no MTA-STS policy names it"),
        ),
    ),
    "strict, no promise": (
        host(NAME, strict=True, **SAFE),
        (
            "5.7.30",
            "mx1.office.test does not announce REQUIRETLS, so nobody promises protection on the way after it",
        ),
    ),
    "a road without a name": (replace(host(None), host=""), ("5.7.10", "the next server offers no TLS at all")),
}  # fmt: skip


@pytest.mark.parametrize("name", LINKS)
def test_the_weakest_link(name):
    seen, expected = LINKS[name]
    found = foresee(exam(seen))
    assert found.unsure == ""
    if expected is None:
        assert found.refusal is None
        return
    enhanced, link = expected
    assert found.refusal is not None
    assert (found.refusal.code, found.refusal.enhanced) == (450 if enhanced[0] == "4" else 550, enhanced)
    assert found.refusal.text == f"Mail to office.test cannot travel sealed: {link}"
    assert len(found.refusal.render()) <= 512
    said = say_noted(found.refusal.text, "id")
    assert said.startswith("Surel ke office.test tidak dapat dikirim tersegel: ")
    assert (link not in said and "mx1.office.test " in said) or "mx1" not in link


def test_one_host_that_will_do_is_enough_and_the_nearest_is_named():
    bare, weak = host(None, "mx1.office.test"), host(WEAK, "mx2.office.test")
    assert foresee(exam(bare, weak, host(NAME, "mx3.office.test"))).refusal is None
    assert "mx2.office.test" in foresee(exam(bare, weak)).refusal.text


def test_who_could_not_be_asked_is_asked_when_the_mail_is_sent():
    silent = host(None, "mx2.office.test", reached=False, trouble="no answer")
    found = foresee(exam(host(None), silent))
    assert found.refusal is None and found.unsure == "mx2.office.test could not be asked: no answer"
    assert foresee(exam(failure="the domain does not exist (5.1.2)")).unsure
    assert foresee(exam()) == foresee(exam(host(NAME)))  # a store of ours: nothing to seal
    assert say_noted(found.unsure, "id") == "mx2.office.test tidak dapat ditanya: tidak ada jawaban"


class Looks:
    """Examines as it was told, and counts."""

    def __init__(self, *, expects=False, hangs=False):
        self.expects, self.hangs, self.looks = expects, hangs, []

    async def expected(self, wish, *, sender=""):
        return self.expects

    async def domain(self, domain, *, sender="", wish=None):
        self.looks.append((sender, wish))
        await asyncio.sleep(3600 if self.hangs else 0)
        return exam(host(None, strict=wish.require_tls))


async def ask(foresight, strict=False):
    return await foresight.prospect("here.test", "office.test", strict=strict)


async def test_equal_questions_are_asked_once_and_answers_kept_for_a_while():
    looks, clock = Looks(), FakeClock()
    foresight = Foresight(ForesightSettings(), looks, clock)
    first, second = await asyncio.gather(ask(foresight), ask(foresight))
    assert first == second == await ask(foresight) and first.refusal is not None
    assert looks.looks == [("here.test", Wish(domain="office.test", sealed=True))]
    assert (await ask(foresight, strict=True)).refusal is not None
    assert looks.looks[1][1] == Wish(domain="office.test", require_tls=True)
    clock.at += 61
    await ask(foresight)
    assert len(looks.looks) == 3


async def test_what_was_proven_lately_is_not_asked_again():
    looks = Looks(expects=True)
    assert (await ask(Foresight(ForesightSettings(), looks, FakeClock()))).refusal is None
    assert looks.looks == []


async def test_a_time_limit_bounds_the_wait():
    slow = await ask(Foresight(ForesightSettings(limit=0.01), Looks(hangs=True), FakeClock()))
    assert slow.refusal is None and slow.unsure.startswith("the servers of office.test gave no answer within")
    assert "tidak menjawab dalam" in say_noted(slow.unsure, "id")
    never = Looks()
    assert (await ask(Foresight(ForesightSettings(limit=0), never, FakeClock()))).refusal is None
    assert never.looks == []
