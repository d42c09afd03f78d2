"""The decision about TLS as a table, the readers of MTA-STS against their suite, the ratchet, and the test of the resolver."""

import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.delivery.tlspolicy import (
    AfterLoss,
    DaneFacts,
    DaneSettings,
    DaneState,
    KeptPolicy,
    Need,
    PolicyFacts,
    Reason,
    Remembered,
    Rule,
    SessionEnd,
    Strength,
    StsFacts,
    StsMode,
    TlsSettings,
    Validation,
    decide,
    met,
    strength_of,
)
from kurir.delivery.tlspolicy.dane import DaneLookup, validates
from kurir.delivery.tlspolicy.desk import Question, TlsDesk
from kurir.delivery.tlspolicy.memory import missed, proved
from kurir.delivery.tlspolicy.sts import StsError, names_host, read_policy, read_record
from kurir.delivery.tlspolicy.stscache import StsCache, StsSettings
from kurir.model import TlsFacts
from kurir.net import WebAnswer, WebError
from kurir.net.ports import DnsAnswer, DnsStatus
from kurir.net.tlsa import Tlsa
from tests.shared import shared
from tests.unit.delivery.doubles import FakeClock, FakeResolver, ok, status

NOW = 1_700_000_000.0
HOUR = 3600.0
USABLE = DaneFacts(DaneState.USABLE, (Tlsa(3, 1, 1, bytes(32)),), "mx.example")
ENFORCE = StsFacts(StsMode.ENFORCE, ("mx.example",))
WRONG = StsFacts(StsMode.ENFORCE, ("*.other.example",))
TESTING = StsFacts(StsMode.TESTING, ("mx.example",))
KNOWN = Remembered("mx.example", Strength.ENCRYPTED, NOW - 9 * HOUR, NOW - 2 * HOUR)
LOST = replace(KNOWN, lost="encryption", lost_since=NOW - HOUR, alarmed=NOW - HOUR)
LONG = replace(LOST, lost_since=NOW - 5 * HOUR)
INVALID = replace(LOST, best=Strength.NAME, lost="validity", lost_since=NOW - 99 * HOUR)
dane, sts = {"dane": USABLE}, {"sts": ENFORCE}
none, required, verified, dane_only = (
    {"rule": r} for r in (Rule.NONE, Rule.REQUIRED, Rule.VERIFIED, Rule.DANE_ONLY)
)
bogus, unusable, off = ({"dane": DaneFacts(s)} for s in (DaneState.BOGUS, DaneState.UNUSABLE, DaneState.OFF))
sealed, optional, secure = {"require_tls": True}, {"tls_optional": True}, {"mx_proven": True}
kept_sealed = {"sealed": True}
R, N = Reason, Need

# facts -> need, reason, may go on in the clear, is refused before it is tried
TABLE = [
    ({}, N.OPPORTUNISTIC, R.OPPORTUNISTIC, True, False),
    (off, N.OPPORTUNISTIC, R.OPPORTUNISTIC, True, False),
    (dane, N.DANE, R.DANE, False, False),
    (dane | sts, N.DANE, R.DANE, False, False),
    (dane | {"sts": WRONG}, N.DANE, R.DANE, False, False),
    (dane | verified, N.DANE, R.DANE, False, False),
    (dane | optional, N.OPPORTUNISTIC, R.TLS_OPTIONAL, True, False),
    (dane | optional | sealed | secure, N.DANE, R.DANE, False, False),
    (dane | optional | dane_only, N.DANE, R.DANE, False, False),
    (dane | {"memory": LONG}, N.DANE, R.DANE, False, False),
    (bogus, N.DANE, R.DANE_BOGUS, False, True),
    (bogus | sts, N.DANE, R.DANE_BOGUS, False, True),
    (bogus | optional, N.OPPORTUNISTIC, R.TLS_OPTIONAL, True, False),
    (unusable, N.ENCRYPTED, R.DANE_UNUSABLE, False, False),
    (unusable | sts, N.NAME, R.STS, False, False),
    (unusable | verified, N.NAME, R.RULE, False, False),
    (unusable | optional, N.OPPORTUNISTIC, R.TLS_OPTIONAL, True, False),
    (sts, N.NAME, R.STS, False, False),
    (sts | required, N.NAME, R.STS, False, False),
    (sts | optional, N.OPPORTUNISTIC, R.TLS_OPTIONAL, True, False),
    (sts | sealed, N.NAME, R.STS, False, False),
    ({"sts": WRONG}, N.NAME, R.STS_MX, False, True),
    ({"sts": WRONG} | optional, N.OPPORTUNISTIC, R.TLS_OPTIONAL, True, False),
    ({"sts": TESTING}, N.OPPORTUNISTIC, R.OPPORTUNISTIC, True, False),
    (sealed, N.NAME, R.MX_UNPROVEN, False, True),
    (sealed | dane, N.NAME, R.MX_UNPROVEN, False, True),
    (sealed | dane | sts, N.DANE, R.DANE, False, False),
    (sealed | dane | {"sts": WRONG}, N.NAME, R.STS_MX, False, True),
    (sealed | dane | {"sts": TESTING}, N.NAME, R.MX_UNPROVEN, False, True),
    (sealed | dane | secure, N.DANE, R.DANE, False, False),
    (sealed | {"sts": WRONG} | secure, N.NAME, R.STS_MX, False, True),
    (sealed | secure, N.NAME, R.REQUIRETLS, False, False),
    (sealed | secure | required, N.NAME, R.REQUIRETLS, False, False),
    (sealed | none, N.NAME, R.RULE, False, True),
    (kept_sealed, N.NAME, R.SEALED, False, False),
    (kept_sealed | dane, N.DANE, R.DANE, False, False),
    (kept_sealed | sts, N.NAME, R.STS, False, False),
    (kept_sealed | sealed, N.NAME, R.MX_UNPROVEN, False, True),
    (kept_sealed | optional, N.NAME, R.SEALED, False, False),
    (kept_sealed | required, N.NAME, R.SEALED, False, False),
    (kept_sealed | unusable, N.NAME, R.SEALED, False, False),
    (kept_sealed | {"memory": LONG}, N.NAME, R.SEALED, False, False),
    (kept_sealed | none, N.NAME, R.RULE, False, True),
    (none, N.NONE, R.RULE, True, False),
    (none | dane | sts, N.NONE, R.RULE, True, False),
    (required, N.ENCRYPTED, R.RULE, False, False),
    (required | optional, N.ENCRYPTED, R.RULE, False, False),
    (verified, N.NAME, R.RULE, False, False),
    (verified | optional, N.NAME, R.RULE, False, False),
    (dane_only, N.DANE, R.DANE_MISSING, False, True),
    (dane_only | unusable, N.DANE, R.DANE_MISSING, False, True),
    (dane_only | dane, N.DANE, R.DANE, False, False),
    ({"memory": KNOWN}, N.OPPORTUNISTIC, R.MEMORY, False, False),
    ({"memory": LOST}, N.OPPORTUNISTIC, R.MEMORY, False, False),
    ({"memory": LONG}, N.OPPORTUNISTIC, R.LOST, True, False),
    ({"memory": LONG, "after_loss": AfterLoss.WAIT}, N.OPPORTUNISTIC, R.MEMORY, False, False),
    ({"memory": INVALID}, N.OPPORTUNISTIC, R.MEMORY, False, False),
    ({"memory": LOST, "accepted": True}, N.OPPORTUNISTIC, R.OPPORTUNISTIC, True, False),
    ({"memory": LOST} | optional, N.OPPORTUNISTIC, R.TLS_OPTIONAL, True, False),
]  # fmt: skip


def facts(**given):
    return PolicyFacts(host="mx.example", domain="example", now=NOW, **given)


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_decision(row):
    given, need, reason, clear, refused = row
    d = decide(facts(**given))
    assert (d.need, d.reason, d.clear, bool(d.refuse)) == (need, reason, clear, refused)


def test_names_for_dane():
    assert decide(facts(dane=USABLE)).names == ("mx.example",)
    assert decide(facts(dane=USABLE, mx_proven=True)).names == ("mx.example", "example")


FACTS = st.builds(
    PolicyFacts,
    host=st.just("mx.example"),
    domain=st.just("example"),
    now=st.just(NOW),
    rule=st.sampled_from(Rule),
    require_tls=st.booleans(),
    sealed=st.booleans(),
    tls_optional=st.booleans(),
    mx_proven=st.booleans(),
    dane=st.sampled_from([USABLE, *(DaneFacts(s) for s in DaneState if s is not DaneState.USABLE)]),
    sts=st.sampled_from([StsFacts(), ENFORCE, WRONG, TESTING]),
    memory=st.sampled_from([None, KNOWN, LOST, LONG, INVALID]),
    accepted=st.booleans(),
    after_loss=st.sampled_from(AfterLoss),
)


@given(FACTS)
def test_what_is_demanded_never_goes_in_the_clear(f):
    d = decide(f)
    asked = f.demanded or (
        f.rule is not Rule.NONE
        and (
            f.rule in (Rule.REQUIRED, Rule.VERIFIED, Rule.DANE_ONLY)
            or (
                not f.tls_optional
                and (f.dane.state in (DaneState.USABLE, DaneState.UNUSABLE, DaneState.BOGUS))
            )
            or (not f.tls_optional and f.sts.mode is StsMode.ENFORCE)
        )
    )
    if asked:
        assert not d.clear and (d.strict or d.refuse)
        assert not met(d, Strength.CLEAR)
    if f.demanded and not d.refuse:
        assert not met(d, Strength.ENCRYPTED)


@given(FACTS)
def test_requiretls_goes_to_a_host_that_was_found_securely_or_nowhere(f):
    d = decide(replace(f, require_tls=True))
    assert d.refuse or f.mx_proven or f.sts is ENFORCE


@given(FACTS, st.sampled_from(Strength))
def test_a_stronger_connection_is_never_worse(f, strength):
    d = decide(f)
    if met(d, strength):
        assert all(met(d, other) for other in Strength if other >= strength)


# -- MTA-STS ----------------------------------------------------------------------------------

# Where the suite follows its library and not RFC 8461: what the RFC says, and why
OURS = {
    "noneMode": (True, "none is a mode (section 3.2)"),
    "duplicateMode3": (True, "none is a mode, and the first of two counts (section 3.2)"),
    "invalidValue": (False, "max_age has digits (section 3.2)"),
    "invalidMaxAge": (False, "max_age is required (section 3.2)"),
    "nonNumericMaxAgeNotRequired": (False, "max_age has digits"),
    "overMax": (True, "above the maximum: cut to it, the wish is clear"),
    "underMin": (True, "there is no minimum"),
    "underSoftMin": (True, "as overMax"),
    "configRelaxed": (False, "a bare CR ends no line"),
    "noLastCRLF": (True, "the last line end may be left out (section 3.2)"),
    "emptyLine": (True, "an empty line at the end changes no meaning: a policy that is clear is kept"),
    "invalidLF": (True, "a bare LF ends a line (section 3.2)"),
}


def suite(kind):
    path = shared("data", "mta-sts", "cases.json")
    return json.loads(path.read_text())[kind] if path else []


def test_records_of_the_suite():
    cases = suite("records")
    if not cases:
        pytest.skip("the shared material mta-sts/cases.json is absent")
    for case in cases:
        text = case.get("record", case.get("text", ""))
        assert (read_record([text.encode()]) is not None) == case["valid"], case


def test_policies_of_the_suite():
    cases = suite("policies")
    if not cases:
        pytest.skip("the shared material mta-sts/cases.json is absent")
    wrong = []
    for case in cases:
        expected = OURS.get(case["name"], (case["valid"], ""))[0]
        try:
            found = read_policy(case["policy"].encode())
        except StsError as e:
            if expected:
                wrong.append((case["name"], str(e)))
            continue
        if expected is False:
            wrong.append((case["name"], "taken"))
        testing = found.mode is StsMode.TESTING  # that library lets everything fit then
        wrong += [
            (case["name"], host)
            for host, fits in case["matchMx"]
            if names_host(found.mx, host) is not fits and not testing
        ]
        wrong += [(case["name"], mode) for mode in case["mode"] if found.mode.value != mode]
    assert not wrong


RECORDS = {
    b"v=STSv1; id=20160831085700Z;": "20160831085700Z",
    b"v=STSv1;id=1": "1",
    b"v=STSv1; id=1; more=x": "1",
    b"v=STSv1; more=x; id=1": "1",
    b"v=STSv1": None,
    b"v=STSv1;": None,
    b"id=1; v=STSv1": None,
    b"v=STSv2; id=1": None,
    b"v=STSv1; id=": None,
    b"v=STSv1; id=" + b"1" * 33: None,
    b"v=STSv1; id=a-b": None,
    b"v=STSv1 id=1": None,
    b" v=STSv1; id=1": None,
    b"v=STSv1 ;id=1 ; ": "1",
}


@pytest.mark.parametrize("text", RECORDS)
def test_records(text):
    assert read_record([b"v=spf1 -all", text]) == RECORDS[text]


def test_two_records_are_none():
    assert read_record([b"v=STSv1; id=1", b"v=STSv1; id=2"]) is None


@pytest.mark.parametrize("other", [b"v=STSv1", b"v=STSv1 id=2", b"v=STSv10; id=2", b" v=STSv1; id=2", b""])
def test_what_is_no_record_does_not_count_as_a_second_one(other):
    """RFC 8461 section 3.1: what does not begin with the version and a semicolon is discarded first."""
    assert read_record([other, b"v=STSv1; id=1"]) == "1"


POLICY = b"version: STSv1\r\nmode: enforce\r\nmx: mx1.example\r\nmx: *.Example.NET\r\nmax_age: 604800\r\n"
BAD = {
    "no version": POLICY.replace(b"version: STSv1\r\n", b""),
    "other version": POLICY.replace(b"STSv1", b"STSv2"),
    "no mode": POLICY.replace(b"mode: enforce\r\n", b""),
    "other mode": POLICY.replace(b"enforce", b"Enforce"),
    "no age": POLICY.replace(b"max_age: 604800\r\n", b""),
    "age is no number": POLICY.replace(b"604800", b"week"),
    "age is negative": POLICY.replace(b"604800", b"-1"),
    "no mx": POLICY.replace(b"mx: mx1.example\r\nmx: *.Example.NET\r\n", b""),
    "mx is no name": POLICY.replace(b"mx1.example", b"mx1 example"),
    "wildcard inside": POLICY.replace(b"mx1.example", b"mx.*.example"),
    "a line without colon": POLICY + b"hello\r\n",
    "html": b"<html>not found</html>",
    "not utf-8": POLICY + b"x: \xff\r\n",
    "empty": b"",
}


@pytest.mark.parametrize("case", BAD)
def test_bad_policies(case):
    with pytest.raises(StsError):
        read_policy(BAD[case])


@pytest.mark.parametrize(
    "text", [POLICY, POLICY.replace(b"\r\n", b"\n"), POLICY + b"extra: x\n", POLICY + b"mode: none\r\n"]
)
def test_good_policies(text):
    read = read_policy(text, "7")
    assert (read.mode, read.mx, read.max_age, read.id) == (
        StsMode.ENFORCE,
        ("mx1.example", "*.example.net"),
        604800,
        "7",
    )


def test_a_long_age_is_cut():
    assert read_policy(POLICY.replace(b"604800", b"9999999999")).max_age == 31_557_600


@pytest.mark.parametrize(
    ("pattern", "host", "fits"),
    [
        ("mx.example", "mx.example", True), ("mx.example", "MX.Example.", True), ("*.example", "mx.example", True),
        ("*.example", "a.b.example", False), ("*.example", "example", False), ("mx.example", "mx2.example", False),
        ("*.example", ".example", False), ("*.example", "*.example", False), ("*.example", "", False),
    ],
)  # fmt: skip
def test_patterns(pattern, host, fits):
    assert names_host([pattern], host) is fits


@given(st.binary(max_size=300))
def test_no_policy_breaks_the_reader(body):
    try:
        read_policy(body)
    except StsError as e:
        assert str(e)


class Web:
    """A web server that answers from a list, the last entry again and again."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    async def fetch(self, request):
        self.asked.append(request.url)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class TxtResolver(FakeResolver):
    def __init__(self, *texts):
        super().__init__()
        self.texts = texts

    async def txt(self, name):
        return DnsAnswer(DnsStatus.OK, self.texts, 60.0) if self.texts else status("nxdomain")


def page(body=POLICY, code=200, kind="text/plain"):
    return WebAnswer(code, body, (("content-type", kind),))


FETCHES = {
    "good": (page(), "enforce", ""),
    "redirect": (page(code=301), "none", "sts-policy-fetch-error"),
    "missing": (page(code=404), "none", "sts-policy-fetch-error"),
    "html": (page(kind="text/html"), "none", "sts-policy-invalid"),
    "garbage": (page(b"x"), "none", "sts-policy-invalid"),
    "certificate": (WebError("certificate", "expired", 10), "none", "sts-webpki-invalid"),
    "down": (WebError("connect", "refused"), "none", "sts-policy-fetch-error"),
}


@pytest.mark.parametrize("case", FETCHES)
async def test_fetching(case):
    answer, mode, error = FETCHES[case]
    kept = []
    cache = StsCache(
        TxtResolver(b"v=STSv1; id=1"), Web(answer).fetch, StsSettings(), FakeClock(), kept.append
    )
    found = await cache.facts("example")
    assert (found.mode.value, found.error) == (mode, error)
    assert len(kept) == (not error)


async def settle():
    import asyncio

    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_policy_outlives_its_record_and_its_web_server():
    clock, web = FakeClock(), Web(page(), WebError("connect", "down"))
    resolver = TxtResolver(b"v=STSv1; id=1")
    cache = StsCache(resolver, web.fetch, StsSettings(), clock, lambda _: None)
    assert (await cache.facts("example")).mode is StsMode.ENFORCE
    resolver.texts = ()
    clock.at += 5 * 86_400
    assert (await cache.facts("example")).mode is StsMode.ENFORCE
    resolver.texts = (b"v=STSv1; id=2",)
    clock.at += 86_400
    assert (await cache.facts("example")).mode is StsMode.ENFORCE
    await settle()
    clock.at += 3 * 86_400
    assert (await cache.facts("example")).mode is StsMode.NONE  # max_age has passed


async def test_a_new_id_is_fetched_behind_the_mail():
    clock, resolver = FakeClock(), TxtResolver(b"v=STSv1; id=1")
    web = Web(page(), page(POLICY.replace(b"enforce", b"none")))
    cache = StsCache(resolver, web.fetch, StsSettings(), clock, lambda _: None)
    await cache.facts("example")
    resolver.texts = (b"v=STSv1; id=2",)
    clock.at += 3600
    assert (await cache.facts("example")).mode is StsMode.ENFORCE
    await settle()
    assert (await cache.facts("example")).mode is StsMode.NONE
    assert len(web.asked) == 2 and web.asked[0] == "https://mta-sts.example/.well-known/mta-sts.txt"


async def test_a_kept_policy_counts_after_a_restart():
    cache = StsCache(TxtResolver(), Web(page()).fetch, StsSettings(), clock := FakeClock(), lambda _: None)
    cache.put(KeptPolicy("example", ENFORCE, clock.at - 10, clock.at + 10))
    assert (await cache.facts("example")).mode is StsMode.ENFORCE


# -- the ratchet ------------------------------------------------------------------------------


def test_the_memory_of_a_host_goes_up_and_says_when_it_goes_down():
    host = ("mx.example", "example")
    one, alarm = proved(None, *host, Strength.ENCRYPTED, NOW, dane=False)
    assert one.best is Strength.ENCRYPTED and alarm is None
    two, alarm = proved(one, *host, Strength.NAME, NOW + 1, dane=False)
    assert two.best is Strength.NAME and alarm is None
    assert proved(two, *host, Strength.NAME, NOW + 2, dane=False) == (None, None)  # nothing to write
    bad, alarm = proved(two, *host, Strength.ENCRYPTED, NOW + 3, dane=False, why="it expired")
    assert (bad.lost, bad.best, alarm.kind) == ("validity", Strength.NAME, "validity_lost")
    assert proved(bad, *host, Strength.ENCRYPTED, NOW + 4, dane=False) == (None, None)  # said once a day
    again, alarm = proved(bad, *host, Strength.ENCRYPTED, NOW + 90_000, dane=False)
    assert alarm.kind == "validity_lost" and again.lost_since == NOW + 3
    good, alarm = proved(again, *host, Strength.NAME, NOW + 90_001, dane=False)
    assert good.lost == "" and alarm.kind == "recovered"


def test_records_that_go_are_a_reason_in_dns():
    top = Remembered("mx.example", Strength.DANE, NOW, NOW)
    new, alarm = proved(top, "mx.example", "example", Strength.NAME, NOW + 1, dane=False)
    assert new.best is Strength.NAME and alarm is None


def test_lost_encryption_is_said_and_said_again_when_it_is_sent():
    host = ("mx.example", "example")
    assert missed(None, *host, NOW, sent=True) == (None, None)
    one, alarm = missed(KNOWN, *host, NOW, sent=False)
    assert alarm.kind == "encryption_lost" and one.lost_since == NOW
    assert missed(one, *host, NOW + 600, sent=False) == (None, None)
    two, alarm = missed(one, *host, NOW + 5 * HOUR, sent=True)
    assert alarm.kind == "sent_clear" and two.lost_since == NOW
    assert missed(two, *host, NOW + 5 * HOUR + 1, sent=True) == (None, None)


@given(st.lists(st.sampled_from([*Strength]), max_size=30))
def test_the_best_is_never_forgotten(seen):
    memory, now = None, NOW
    for i, strength in enumerate(seen):
        if strength is Strength.CLEAR:
            new, _ = missed(memory, "h", "d", now + i, sent=False)
        else:
            new, _ = proved(memory, "h", "d", strength, now + i, dane=True)
        memory = new or memory
    assert (memory.best if memory else Strength.CLEAR) == max(seen, default=Strength.CLEAR)


# -- the resolver and the desk ----------------------------------------------------------------


def secure_answer(*records):
    return DnsAnswer(DnsStatus.OK, records, 60.0, authentic=True)


RESOLVERS = {
    "validates": (secure_answer("192.0.2.1"), status("servfail"), Validation.WORKS),
    "does not prove": (ok("192.0.2.1"), status("servfail"), Validation.NO_PROOF),
    "does not refuse": (secure_answer("192.0.2.1"), ok("192.0.2.2"), Validation.NO_REFUSAL),
    "silent": (status("timeout"), status("timeout"), Validation.INCONCLUSIVE),
    "silent about the bogus": (secure_answer("192.0.2.1"), status("timeout"), Validation.INCONCLUSIVE),
    "the bogus is gone": (secure_answer("192.0.2.1"), status("nxdomain"), Validation.INCONCLUSIVE),
    "the good is gone": (status("nxdomain"), status("servfail"), Validation.NO_PROOF),
}


@pytest.mark.parametrize("case", RESOLVERS)
async def test_the_resolver_is_tested(case):
    good, bogus, expected = RESOLVERS[case]
    resolver = FakeResolver(
        a={"good.test": good, "bogus.test": bogus},
        aaaa={
            "good.test": good,
            "bogus.test": status("nodata") if bogus.status is DnsStatus.SERVFAIL else bogus,
        },
    )
    settings = DaneSettings(good="good.test", bogus="bogus.test")
    assert await validates(resolver, settings, trusted=True) is expected
    assert await validates(resolver, settings, trusted=False) is Validation.UNTRUSTED


async def test_a_resolver_that_is_not_vouched_for_is_not_even_asked():
    resolver = FakeResolver()
    lookup = DaneLookup(resolver, DaneSettings(), FakeClock().monotonic, trusted=False)
    assert (await lookup.facts("mx.example", 25)).state is DaneState.OFF and resolver.asked == []


class Aliases(FakeResolver):
    """`mx.test` is an alias for `real.test`, whose address is insecure; the resolver validates."""

    def __init__(self, alias, records):
        proof = secure_answer("192.0.2.1")
        real = DnsAnswer(DnsStatus.OK, ("192.0.2.1",), 60.0, False, "real.test")
        super().__init__(a={"good.test": proof, "bogus.test": status("servfail"), "mx.test": real})
        self.alias, self.records = alias, records

    async def cname(self, name):
        return self.alias

    async def tlsa(self, name):
        self.asked.append(("tlsa", name))
        return self.records


@pytest.mark.parametrize(
    ("alias", "records", "state", "asked"),
    [
        (secure_answer("real.test"), secure_answer((3, 1, 1, b"x" * 32)), DaneState.USABLE, True),
        (secure_answer("real.test"), status("servfail"), DaneState.BOGUS, True),
        (secure_answer("real.test"), status("nxdomain"), DaneState.NONE, True),
        (ok("real.test"), secure_answer((3, 1, 1, b"x" * 32)), DaneState.NONE, False),
        (status("timeout"), secure_answer((3, 1, 1, b"x" * 32)), DaneState.BOGUS, False),
    ],
)
async def test_a_secure_alias_of_an_insecure_host_is_asked_for_under_its_own_name(
    alias, records, state, asked
):
    """RFC 7672 section 2.2.2."""
    resolver = Aliases(alias, records)
    settings = DaneSettings(good="good.test", bogus="bogus.test")
    lookup = DaneLookup(resolver, settings, FakeClock().monotonic, trusted=True)
    facts = await lookup.facts("mx.test", 25)
    assert facts.state is state
    assert [a for a in resolver.asked if a[0] == "tlsa"] == [("tlsa", "_25._tcp.mx.test")] * asked
    assert facts.base == ("mx.test" if state in (DaneState.USABLE, DaneState.BOGUS) else "")


QUESTION = Question(domain="example", host="mx.example", port=25)
TLS = TlsFacts("TLSv1.3", "x", None, "it is signed by itself")


async def test_the_desk_remembers_delays_and_gives_in():
    clock, alarms = FakeClock(NOW), []
    desk = TlsDesk(TlsSettings(memory=True), FakeResolver(), None, clock, alarm=alarms.append)

    async def demand():
        found = await desk.facts(QUESTION)
        return found, decide(found)

    found, first = await demand()
    assert first.clear
    desk.connected(QUESTION, found, TLS, first, SessionEnd())
    found, second = await demand()
    assert (second.reason, second.clear) == (Reason.MEMORY, False)
    desk.failed(QUESTION, found, SessionEnd("starttls-not-supported", "no TLS"), lost=True)
    clock.at += 4 * HOUR - 1
    assert not (await demand())[1].clear
    clock.at += 1
    found, third = await demand()
    assert (third.reason, third.clear) == (Reason.LOST, True)
    desk.connected(QUESTION, found, None, third, SessionEnd("starttls-not-supported", "no TLS"))
    assert [a.kind for a in alarms] == ["encryption_lost", "sent_clear"]
    assert desk.alarms == {"encryption_lost": 1, "sent_clear": 1}
    counts = Counter()
    for key, n in desk.tally.take():
        counts[key.result] += n
    assert counts == {"": 1, "starttls-not-supported": 2}


async def test_cached_facts_ask_nobody():
    clock = FakeClock(NOW)
    resolver = TxtResolver(b"v=STSv1; id=1")
    web = Web(page())
    desk = TlsDesk(TlsSettings(sts=StsSettings(), memory=True), resolver, web.fetch, clock)
    await desk.facts(QUESTION)
    resolver.asked.clear()
    for _ in range(10):
        await desk.facts(QUESTION)
    assert resolver.asked == [] and len(web.asked) == 1


@pytest.mark.parametrize(
    ("answer", "dane", "proven"),
    [
        (ok("10 mx.example"), True, False),
        (secure_answer("10 mx.example"), True, True),
        (secure_answer("10 mx.example"), False, False),  # the resolver is not vouched for
        (status("nodata"), False, True),  # the domain takes its mail itself
        (status("servfail"), True, False),
    ],
)
async def test_a_host_is_proven_by_signed_records_or_as_the_domain_itself(answer, dane, proven):
    """RFC 8689 section 4.2.1 step 2."""
    good, bogus, _ = RESOLVERS["validates"]
    resolver = FakeResolver(
        mx={"example": answer},
        a={"good.test": good, "bogus.test": bogus},
        aaaa={"good.test": good, "bogus.test": bogus},
    )
    settings = TlsSettings(dane=DaneSettings(good="good.test", bogus="bogus.test"), trusted_resolver=dane)
    desk = TlsDesk(settings, resolver, None, FakeClock(NOW))
    found = await desk.facts(replace(QUESTION, require_tls=True))
    assert found.mx_proven is proven


def test_rules_by_domain():
    s = TlsSettings(domains={"a.example": Rule.NONE, "*.example": Rule.VERIFIED, "*": Rule.REQUIRED})
    wanted = {
        "a.example": Rule.NONE,
        "b.example": Rule.VERIFIED,
        "c.b.example": Rule.VERIFIED,
        "example": Rule.REQUIRED,
    }
    assert {d: s.rule_for(d, Rule.OPPORTUNISTIC) for d in wanted} == wanted
    assert strength_of(False, "name") is Strength.CLEAR


@pytest.mark.parametrize("host", ["", "localhost", "127.0.0.1", "192.0.2.1"])
async def test_this_machine_and_bare_addresses_wait_for_no_name_service(host):
    resolver = FakeResolver()
    settings = TlsSettings(dane=DaneSettings(), memory=True, trusted_resolver=True)
    desk = TlsDesk(settings, resolver, None, FakeClock(NOW))
    local = not host.startswith("192")
    found = await desk.facts(replace(QUESTION, host=host, published=False, chosen=True, remembers=not local))
    assert found.dane.state is DaneState.OFF and resolver.asked == []
