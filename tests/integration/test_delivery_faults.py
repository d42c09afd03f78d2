"""Every step of a session times every fault: the outcome's kind, cause, stage, and whether it may have arrived."""

import msgspec
import pytest

from kurir.limits import Quota, Unit
from kurir.model import Address, Body, Cause, OutcomeKind, Stage
from tests.integration.scripted_peer import CLOSE, HANG, RESET, ehlo, peer
from tests.unit.delivery.doubles import Harness, MemoryBodies, lease_for, smarthost_settings

D, F, H = OutcomeKind.DEFERRED, OutcomeKind.FAILED, OutcomeKind.HANDED_OVER
LONG = b"Subject: x\r\n\r\n" + b"line of text\r\n" * 100


async def one(script, *, recipients=("a@example.org",), lmtp=False, bodies=None, lease=None, **settings):
    async with peer(script, lmtp=lmtp) as p:
        s = smarthost_settings(p.port, hop={"lmtp": lmtp}, **settings)
        harness = Harness(s, bodies=bodies)
        results = await harness.deliver([lease_for(s, 1, recipients, **{"body": LONG, **(lease or {})})])
        await harness.drain()
        return {i: o for (_, i), o in results.items()}, p


GARBAGE = b"what is this, HTTP/1.1?\r\n"
HALF = (b"250-half of", CLOSE)
GREY = b"451 4.7.1 Greylisted, come back\r\n"
NO = b"550 5.7.1 we do not like you\r\n"
BYE = (b"421 4.3.2 shutting down\r\n", CLOSE)

STEPS = [
    ("banner", Stage.BANNER),
    ("EHLO", Stage.HELO),
    ("MAIL", Stage.MAIL),
    ("RCPT", Stage.RCPT),
    ("DATA", Stage.DATA),
    ("dot", Stage.BODY),
]
FAULTS = {
    "4xx": (GREY, D, Cause.GREYLISTED, False),
    "5xx": (NO, F, None, False),
    "421": (BYE, D, Cause.BUSY, False),
    "close": (CLOSE, D, Cause.CONNECTION_LOST, True),
    "reset": (RESET, D, Cause.CONNECTION_LOST, True),
    "garbage": (GARBAGE, D, Cause.PROTOCOL_ERROR, True),
    "half": (HALF, D, Cause.CONNECTION_LOST, True),
    "hang": (HANG, D, Cause.TIMEOUT, True),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("step", "stage"), STEPS)
async def test_step_by_fault(step, stage, fault):
    action, kind, cause, unknown = FAULTS[fault]
    script = {step: action}
    if step == "EHLO" and fault == "5xx":
        script["HELO"] = NO
    outcomes, p = await one(script)
    outcome = outcomes[0]
    session = step in ("banner", "EHLO")
    lost = step == "dot" and unknown
    assert outcome.kind is (D if session else kind)
    assert outcome.possibly_delivered is lost
    if lost:
        assert outcome.cause is Cause.LOST_REPLY
    elif cause is Cause.CONNECTION_LOST:
        assert outcome.cause in (cause, Cause.PROTOCOL_ERROR)
    elif cause is not None:
        assert outcome.cause is cause
    assert outcome.stage is stage
    if fault in ("4xx", "5xx", "421"):
        assert str(outcome.reply).startswith(("451 4.7.1 Grey", "550 5.7.1 we", "421 4.3.2 shut"))
    assert str(p.port) in outcome.host
    assert not p.messages or step == "dot"


async def test_nobody_listens():
    async with peer() as p:
        port = p.port
    s = smarthost_settings(port)
    harness = Harness(s)
    first = await harness.deliver([lease_for(s, 1, ["a@example.org"])])
    second = await harness.deliver([lease_for(s, 2, ["a@example.org"])])
    assert first[1, 0].cause is Cause.UNREACHABLE and first[1, 0].stage is Stage.CONNECT
    assert second[2, 0].retry_after == pytest.approx(s.host_backoff, abs=1)
    assert "not tried" in second[2, 0].detail


async def test_mixed_recipients_get_their_own_words():
    script = {
        "RCPT:b@example.org": b"550 5.1.1 no such user\r\n",
        "RCPT:c@example.org": b"452 4.2.2 mailbox full\r\n",
        "dot": b"250 2.0.0 queued as 77\r\n",
    }
    outcomes, p = await one(script, recipients=[f"{x}@example.org" for x in "abcd"])
    assert [(o.kind, o.cause, o.stage) for _, o in sorted(outcomes.items())] == [
        (H, Cause.OK, Stage.BODY),
        (F, Cause.UNKNOWN_USER, Stage.RCPT),
        (D, Cause.MAILBOX_FULL, Stage.RCPT),
        (H, Cause.OK, Stage.BODY),
    ]
    assert outcomes[0].reply.text == "queued as 77" and outcomes[0].dsn_relayed
    assert p.envelopes == [["a@example.org", "d@example.org"]]
    assert p.messages == [b"Received: by client.example\r\n" + LONG]


async def test_refusals_before_a_lost_connection_stand():
    script = {"RCPT:b@example.org": b"550 5.1.1 no such user\r\n", "dot": CLOSE}
    outcomes, _ = await one(script, recipients=["a@example.org", "b@example.org"])
    assert outcomes[0].possibly_delivered and outcomes[0].cause is Cause.LOST_REPLY
    assert outcomes[1].kind is F and outcomes[1].cause is Cause.UNKNOWN_USER


async def test_too_many_recipients_go_in_the_next_transaction():
    script = {"RCPT:c@example.org": [b"452 4.5.3 too many recipients\r\n", b"250 ok\r\n"]}
    outcomes, p = await one(script, recipients=[f"{x}@example.org" for x in "abc"])
    assert {o.kind for o in outcomes.values()} == {H} and p.connections == 1
    assert p.envelopes == [["a@example.org", "b@example.org"], ["c@example.org"]]


async def test_a_content_refused_for_the_first_says_nothing_about_the_rest():
    script = {
        "RCPT:b@example.org": [b"452 4.5.3 too many recipients\r\n", b"250 ok\r\n"],
        "dot": [b"552 5.2.3 too large for a\r\n", b"250 ok\r\n"],
    }
    outcomes, p = await one(script, recipients=["a@example.org", "b@example.org"])
    assert (outcomes[0].kind, outcomes[1].kind, p.connections) == (F, H, 1)


async def test_too_many_recipients_without_progress_wait():
    outcomes, _p = await one({"RCPT": b"452 4.5.3 too many recipients\r\n"})
    assert (outcomes[0].kind, outcomes[0].cause, outcomes[0].retry_after) == (
        D,
        Cause.TOO_MANY_RECIPIENTS,
        60.0,
    )


async def test_limits_rcptmax_divides():
    script = {"EHLO": ehlo("PIPELINING", "LIMITS RCPTMAX=2")}
    outcomes, p = await one(script, recipients=[f"{x}@example.org" for x in "abcde"])
    assert [len(e) for e in p.envelopes] == [2, 2, 1] and len(outcomes) == 5


async def test_on_a_counted_road_a_lease_is_one_message():
    """What is debited as one message is one: the other recipients go back to the queue untried."""
    for script, envelope in (
        ({"EHLO": ehlo("PIPELINING", "LIMITS RCPTMAX=2")}, ["a@example.org", "b@example.org"]),
        (
            {"RCPT:b@example.org": [b"452 4.5.3 too many recipients\r\n", b"250 ok\r\n"]},
            ["a@example.org", "c@example.org"],
        ),
    ):
        async with peer(script) as p:
            s = smarthost_settings(p.port)
            lease = lease_for(s, 1, [f"{x}@example.org" for x in "abc"])
            quota = Quota("k", Unit.MESSAGES, 9, 60.0, 9)
            lease = msgspec.structs.replace(lease, road=msgspec.structs.replace(lease.road, quotas=(quota,)))
            harness = Harness(s)
            outcomes = await harness.deliver([lease])
            await harness.drain()
        assert p.envelopes == [envelope]
        assert len(outcomes) == 2


async def test_lock_step_peer():
    outcomes, _p = await one({"EHLO": ehlo("SIZE")}, recipients=["a@example.org", "b@example.org"])
    assert {o.kind for o in outcomes.values()} == {H}


async def test_size_is_known_before_anything_is_sent():
    outcomes, p = await one({"EHLO": ehlo("SIZE 1000")})
    assert (outcomes[0].kind, outcomes[0].cause) == (F, Cause.TOO_LARGE)
    assert "1000" in outcomes[0].detail and str(len(LONG) + 29) in outcomes[0].detail
    assert not any(line.startswith("MAIL") for line in p.lines)


async def test_lmtp_answers_each_recipient():
    script = {"dot": [b"250 2.1.5 stored\r\n", b"452 4.2.2 over quota\r\n", b"250 2.1.5 stored\r\n"]}
    outcomes, _ = await one(script, recipients=[f"{x}@example.org" for x in "abc"], lmtp=True)
    assert [o.kind for _, o in sorted(outcomes.items())] == [OutcomeKind.DELIVERED, D, OutcomeKind.DELIVERED]
    assert outcomes[1].cause is Cause.MAILBOX_FULL


async def test_lmtp_lost_in_the_middle_keeps_what_was_said():
    script = {"dot": [b"250 2.1.5 stored\r\n", CLOSE]}
    outcomes, _ = await one(script, recipients=["a@example.org", "b@example.org"], lmtp=True)
    assert outcomes[0].kind is OutcomeKind.DELIVERED
    assert outcomes[1].possibly_delivered


@pytest.mark.parametrize("words", [b"552 5.3.4 too big\r\n", b"421 4.3.0 disk trouble\r\n"])
async def test_last_words_in_the_middle_of_a_body(words):
    body = b"Subject: x\r\n\r\n" + b"0123456789\r\n" * 200_000
    outcomes, _ = await one(
        {"mid-body": (words, CLOSE), "EHLO": ehlo("PIPELINING")},
        bodies=MemoryBodies({1: body}),
        lease={"body": body, "file": True},
    )
    assert not outcomes[0].possibly_delivered
    assert outcomes[0].kind in (D, F)


async def test_large_body_arrives_byte_for_byte():
    body = b"Subject: x\r\n\r\n" + b".a line with a dot\r\n..two\r\n" * 60_000
    outcomes, p = await one(
        {}, bodies=MemoryBodies({1: body}), lease={"body": body, "file": True}, recipients=["a@example.org"]
    )
    assert outcomes[0].kind is F and outcomes[0].cause is Cause.TOO_LARGE
    outcomes, p = await one(
        {"EHLO": ehlo("PIPELINING")}, bodies=MemoryBodies({1: body}), lease={"body": body, "file": True}
    )
    assert outcomes[0].kind is H and p.messages == [b"Received: by client.example\r\n" + body]


@pytest.mark.parametrize("file", [False, True])
async def test_a_damaged_body_never_gets_its_final_dot(file):
    bodies = MemoryBodies({1: LONG}, damaged=[1])
    lease = {"body": LONG, "file": True} if file else {"body": LONG}
    async with peer() as p:
        s = smarthost_settings(p.port)
        made = lease_for(s, 1, ["a@example.org"], **lease)
        if not file:
            import msgspec

            made = msgspec.structs.replace(made, body=None)
        harness = Harness(s, bodies=bodies)
        results = await harness.deliver([made])
        await harness.drain()
    assert results[1, 0].cause is Cause.BODY_DAMAGED and results[1, 0].kind is D
    assert p.messages == []


async def test_8bit_is_converted_where_it_must_be():
    body = "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nsch\u00f6n\r\n".encode()
    outcomes, p = await one(
        {"EHLO": ehlo("PIPELINING")}, lease={"body": body, "body_": None} and {"body": body}
    )
    assert outcomes[0].kind is H
    assert p.messages[0].isascii() and b"sch=C3=B6n" in p.messages[0]
    outcomes, p = await one({"EHLO": ehlo("PIPELINING", "8BITMIME")}, lease={"body": body})
    assert p.messages[0].endswith(body)


async def test_smtputf8_needs_a_peer_that_has_it():
    lease = {"smtputf8": True}
    script = {"EHLO": ehlo("PIPELINING", "8BITMIME")}
    utf8 = Address("\u00fc", "example.org")
    outcomes, _ = await one(script, recipients=["a@example.org", utf8], lease=lease)
    assert outcomes[0].kind is H
    assert (outcomes[1].kind, outcomes[1].cause) == (F, Cause.NEEDS_SMTPUTF8)
    head = "Subject: \u00fc\r\n\r\nx\r\n".encode()
    outcomes, _p = await one(script, lease=lease | {"body": head})
    assert (outcomes[0].kind, outcomes[0].cause) == (F, Cause.NEEDS_SMTPUTF8) and "5.6.7" in outcomes[
        0
    ].detail


async def test_requiretls_is_never_sent_in_the_clear():
    outcomes, p = await one({}, lease={"require_tls": True})
    assert outcomes[0].cause is Cause.TLS_REQUIRED and p.messages == []
    assert not any(line.startswith("MAIL") for line in p.lines)


async def test_body_parameter_travels():
    outcomes, p = await one({}, recipients=["a@example.org"], lease={})
    assert outcomes[0].kind is H
    lines = [line for line in p.lines if line.startswith("MAIL")]
    assert lines == [f"MAIL FROM:<me@client.example> SIZE={len(LONG) + 29}"]
    assert Body.SEVEN.value not in lines[0]


@pytest.mark.parametrize("action", [HANG, CLOSE, RESET, GARBAGE, HALF, BYE])
async def test_the_recipient_at_which_it_broke_is_the_suspect(action):
    outcomes, _ = await one({"RCPT:c@example.org": action}, recipients=[f"{x}@example.org" for x in "abcd"])
    assert {i: o.together for i, o in outcomes.items()} == {0: 0, 1: 0, 2: 1, 3: 0}
    assert {o.kind for o in outcomes.values()} == {D}


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()], ids=["pipelined", "one by one"])
@pytest.mark.parametrize(("step", "halves"), [("MAIL", "pipelined"), ("DATA", "both"), ("dot", "both")])
async def test_where_nobody_can_tell_which_one_it_was_they_are_parted_in_halves(step, halves, extensions):
    script = {"EHLO": ehlo(*extensions), step: HANG}
    outcomes, _ = await one(script, recipients=[f"{x}@example.org" for x in "abcde"])
    expected = 3 if halves == "both" or extensions else 0
    assert {o.together for o in outcomes.values()} == {expected}
    alone, _ = await one(script)
    assert alone[0].together == 0


async def test_what_was_decided_before_it_broke_is_not_parted():
    script = {"RCPT:b@example.org": NO, "DATA": HANG}
    outcomes, _ = await one(script, recipients=[f"{x}@example.org" for x in "abc"])
    assert [(o.kind, o.together) for _, o in sorted(outcomes.items())] == [(D, 2), (F, 0), (D, 2)]
