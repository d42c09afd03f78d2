"""The grammar of parts, and that what people are told about it is true."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.model import Address, parse_address
from kurir.sandbox import near_part, parse_part, part_of, roles_help
from kurir.sandbox.rolebook import ROLEBOOK
from kurir.sandbox.roles import EARLY_PARTS, MAX_SECONDS, Act, Step


@pytest.mark.parametrize(
    ("text", "act", "step", "said"),
    [
        ("code-550-rcpt", Act.ANSWER, Step.RCPT, "550 5.1.1 The sandbox"),
        ("code-550", Act.ANSWER, Step.RCPT, "550 5.1.1 The sandbox"),
        ("CODE-451-Data", Act.ANSWER, Step.DATA, "451 4.3.0 The sandbox"),
        ("code-552-5.3.4-body", Act.ANSWER, Step.BODY, "552 5.3.4 The sandbox"),
        ("code-421-connect", Act.ANSWER, Step.CONNECT, "421 4.3.2 The sandbox"),
        ("code-550-mail", Act.ANSWER, Step.MAIL, "550 5.1.1 The sandbox"),
        ("connect-421", Act.ANSWER, Step.CONNECT, "421 4.3.2 The sandbox"),
        ("mail-451", Act.ANSWER, Step.MAIL, "451 4.3.0 The sandbox"),
        ("code-599-5.999.999", Act.ANSWER, Step.RCPT, "599 5.999.999 The sandbox"),
        ("defer-3", Act.DEFER, Step.BODY, "451 4.7.1 The sandbox"),
        ("hang-rcpt", Act.HANG, Step.RCPT, None),
        ("hang", Act.HANG, Step.RCPT, None),
        ("drop-body", Act.DROP, Step.BODY, None),
        ("garbage-rcpt", Act.GARBAGE, Step.RCPT, None),
        ("half-data", Act.HALF, Step.DATA, None),
        ("slow-5s", Act.SLOW, Step.RCPT, None),
        ("slow-30s-body", Act.SLOW, Step.BODY, None),
        ("bounce-later", Act.BOUNCE, Step.BODY, None),
        ("bounce-later-60s", Act.BOUNCE, Step.BODY, None),
        ("notls", Act.NO_TLS, Step.CONNECT, None),
        ("brokentls", Act.BROKEN_TLS, Step.CONNECT, None),
        ("code-550-rcpt+test7", Act.ANSWER, Step.RCPT, "550 5.1.1 The sandbox"),
    ],
)
def test_parts(text, act, step, said):
    part = parse_part(text)
    assert (part.act, part.step) == (act, step)
    assert (part.reply is None) if said is None else str(part.reply).startswith(said)


@pytest.mark.parametrize(
    "text",
    [
        "anybody",
        "",
        "code-250-rcpt",
        "code-350",
        "code-600-rcpt",
        "code-550-4.1.1-rcpt",
        "code-550-5.1-rcpt",
        "code-5500-rcpt",
        "code-550-quit",
        "code-\u0665\u0665\u0660",
        "defer-0",
        "defer-101",
        "defer-x",
        "slow-601s",
        "slow-5",
        "bounce-later-601s",
        "hangrcpt",
        "xcode-550-rcpt",
        "code-550-rcptx",
        "connect-250",
    ],
)
def test_what_is_no_part_captures(text):
    assert parse_part(text) is None


def test_numbers():
    assert parse_part("defer-100").count == 100
    assert parse_part("slow-600s").seconds == MAX_SECONDS
    assert parse_part("bounce-later").seconds == 5
    assert parse_part("bounce-later-0s").seconds == 0


def test_the_domain_counts_where_the_local_part_says_nothing():
    assert part_of(Address("anybody", "brokentls.test")).act is Act.BROKEN_TLS
    assert part_of(Address("hang-rcpt", "brokentls.test")).act is Act.HANG
    assert part_of(Address("anybody", "brokentls.example")) is None
    assert part_of(Address("hang-rcpt", "example.net")).act is Act.HANG


def test_early_parts_all_begin_before_rcpt():
    for name in EARLY_PARTS:
        assert parse_part(name).early, name


def test_every_line_of_the_help_is_true():
    for line in ROLEBOOK[1:]:
        assert part_of(parse_address(line.example)) is not None, line
    assert part_of(parse_address(ROLEBOOK[0].example)) is None
    assert {part_of(parse_address(line.example)).act for line in ROLEBOOK[1:]} == set(Act)
    helped = {line.example.partition("@")[2].removesuffix(".test") for line in ROLEBOOK}
    assert set(EARLY_PARTS) <= helped
    for lang in ("en", "id"):
        assert len(roles_help(lang)) == len(ROLEBOOK)
    assert all(en[1] != idn[1] for en, idn in zip(roles_help("en"), roles_help("id"), strict=True))
    assert roles_help("fr") == roles_help("en")


@given(st.from_regex(r"(code|defer|slow|hang|bounce)-?[0-9a-z.+-]{0,20}", fullmatch=True))
def test_any_name_is_a_sound_part_or_none(text):
    part = parse_part(text)
    if part is not None and part.reply is not None:
        assert part.reply.code // 100 in (4, 5)
        assert part.reply.enhanced is None or part.reply.enhanced[0] == str(part.reply.code)[0]
        assert part.reply.render().endswith(b"\r\n")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("defr-2@example.net", "defer-2@example.net"),
        ("Defer2@example.net", "defer-2@example.net"),
        ("defer@example.net", "defer-3@example.net"),
        ("code-999@example.net", "code-550-rcpt@example.net"),
        ("hang-rctp@example.net", "hang-rcpt@example.net"),
        ("bounce_later@example.net", "bounce-later@example.net"),
        ("garbge@example.net", "garbage@example.net"),
        ("brokntls@example.net", "brokentls@example.net"),
        ("anybody@unrelated.test", None),
        ("anybody@conect-421.test", "anybody@connect-421.test"),
        ("defer-2@example.net", None),
        ("anybody@notls.test", None),
        ("hank@example.net", None),
        ("anna-marie@example.net", None),
        ("info@example.net", None),
        ("user1@example.net", None),
        ("news-letter@example.net", None),
    ],
)
def test_a_misspelt_part_is_recognised_and_a_name_is_not(typed, meant):
    near = near_part(parse_address(typed))
    assert (str(near) if near else None) == meant
