"""App passwords: made, scoped, found by one derivation or by SCRAM, revoked; and what stays when a password changes."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from kurir.identity import (
    Account,
    AccountError,
    Login,
    Passwords,
    PasswordSettings,
    add_app_password,
    make_account,
    may_send_as,
    revoke_app_password,
    scoped,
    scram_verifier,
    why_not,
)
from kurir.identity.sasl import Challenge, Failure, SaslContext, Success, begin
from kurir.identity.sasl.client import ScramClientMechanism
from kurir.model import parse_address

QUICK = PasswordSettings(time_cost=1, memory_kib=8)
NOW = 1_000_000.0


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


class Random:
    def __init__(self) -> None:
        self.turn = 0

    def __call__(self, count: int) -> bytes:
        self.turn += 1
        return bytes((self.turn * 31 + i * 7) % 256 for i in range(count))


@pytest.fixture
def passwords():
    with ThreadPoolExecutor(1) as pool:
        yield Passwords(QUICK, executor=pool, clock=Clock(), random=Random())


def account(passwords: Passwords, random: Random, password: str | None = None) -> tuple[Account, str]:
    made = make_account(
        "ana@x.example",
        ["shop@x.example", "*@y.example"],
        passwords=passwords,
        random=random,
        now=NOW,
        password=password,
    )
    return made.account, made.password


@pytest.mark.parametrize("chosen", [None, "a chosen password"])
def test_each_password_of_an_account_is_told_apart(passwords: Passwords, chosen: str | None) -> None:
    random = Random()
    ana, own = account(passwords, random, chosen)
    first = add_app_password(ana, "Printer", random=random, now=NOW)
    second = add_app_password(first.account, "phone", random=random, now=NOW)
    ana = second.account
    assert (first.made.label, second.made.label) == ("printer", "phone")

    async def check(text: str) -> tuple[Login, str | None]:
        checked = await passwords.check(ana, text)
        return checked.login, checked.app.label if checked.app else None

    async def all_of_them() -> None:
        for _ in range(2):  # hashed, then remembered
            assert await check(own) == (Login.RIGHT, None)
            assert await check(first.password) == (Login.RIGHT, "printer")
            assert await check(second.password) == (Login.RIGHT, "phone")
        assert await check(first.password[:-1] + "a") == (Login.WRONG, None)
        assert (await passwords.check(None, first.password)).login is Login.WRONG

    asyncio.run(all_of_them())
    for text, label in ((first.password, "printer"), (second.password, "phone")):
        step = scram(ana, text)
        assert isinstance(step, Success)
        assert step.app is not None
        assert step.app.label == label
    assert (
        scram(ana, own) == Success("ana@x.example")
        if chosen is None
        else isinstance(scram(ana, own), Failure)
    )


def scram(ana: Account, password: str) -> object:
    context = SaslContext({"ana@x.example": ana}.get, b"s" * 32, Random())
    client = ScramClientMechanism("ana@x.example", password, nonce="abc")
    server = begin("SCRAM-SHA-256", context)
    step = server.start(client.start())
    while isinstance(step, Challenge):
        step = server.answer(client.answer(step.data))
    return step


def test_a_revoked_one_is_wrong_at_once_also_where_it_was_remembered(passwords: Passwords) -> None:
    random = Random()
    ana, own = account(passwords, random)
    made = add_app_password(ana, "printer", random=random, now=NOW)

    async def go() -> None:
        assert (await passwords.check(made.account, made.password)).login is Login.RIGHT
        less = revoke_app_password(made.account, "PRINTER")
        assert less.app_passwords == ()
        assert (await passwords.check(less, made.password)).login is Login.WRONG
        again = add_app_password(less, "printer", random=random, now=NOW)
        assert (await passwords.check(again.account, made.password)).login is Login.WRONG
        assert (await passwords.check(again.account, own)).login is Login.RIGHT

    asyncio.run(go())
    with pytest.raises(AccountError, match="no app password"):
        revoke_app_password(ana, "printer")


def test_a_new_password_leaves_app_passwords_alone(passwords: Passwords) -> None:
    random = Random()
    ana, old = account(passwords, random)
    made = add_app_password(replace(ana, disabled="on leave"), "printer", random=random, now=NOW)
    changed = make_account(
        "ana@x.example",
        made.account.addresses,
        passwords=passwords,
        random=random,
        now=5.0,
        instead_of=made.account,
    )
    assert changed.account.created_at == NOW
    assert changed.account.disabled == "on leave"
    for text, label in ((changed.password, None), (made.password, "printer")):
        step = scram(changed.account, text)
        assert isinstance(step, Success)
        assert (step.app.label if step.app else None) == label
    assert isinstance(scram(changed.account, old), Failure)


def test_scope(passwords: Passwords) -> None:
    random = Random()
    ana, _ = account(passwords, random)
    made = add_app_password(
        ana, "shop", random=random, now=NOW, senders=["Shop@x.example", "bill@y.example"],
        networks=["192.0.2.7/24", "2001:db8::/32"], expires_at=NOW + 10,
    )  # fmt: skip
    less = scoped(made.account, made.made)
    sends = {a: may_send_as(less, parse_address(a)) for a in
             ("shop@x.example", "shop+1@x.example", "bill@y.example", "ana@x.example", "z@y.example")}  # fmt: skip
    assert list(sends.values()) == [True, True, True, False, False]
    assert why_not(made.made, "192.0.2.200", NOW) is None
    assert why_not(made.made, "2001:db8::1", NOW + 9.9) is None
    assert "expired" in (why_not(made.made, "192.0.2.200", NOW + 10) or "")
    assert "from here" in (why_not(made.made, "192.0.3.1", NOW) or "")
    assert "from here" in (why_not(made.made, "", NOW) or "")


WRONG = [
    ({"label": "a b"}, "is no name"),
    ({"label": ""}, "is no name"),
    ({"label": "x", "senders": ["other@x.example"]}, "is no address of"),
    ({"label": "x", "senders": ["*@x.example"]}, "is no address of"),
    ({"label": "x", "senders": ["nonsense"]}, "is no address"),
    ({"label": "x", "networks": ["192.0.2.0/99"]}, "not a network"),
    ({"label": "x", "expires_at": NOW}, "expired already"),
    ({"label": "TAKEN"}, "already"),
]


@pytest.mark.parametrize(("asked", "why"), WRONG)
def test_what_cannot_be_made(passwords: Passwords, asked: dict[str, object], why: str) -> None:
    random = Random()
    ana = add_app_password(account(passwords, random)[0], "taken", random=random, now=NOW).account
    with pytest.raises(AccountError, match=why):
        add_app_password(ana, random=random, now=NOW, **asked)  # type: ignore[arg-type]


def test_keys_with_another_salt_are_never_mixed() -> None:
    """Only a damaged store has such: the first salt counts, and nothing raises."""
    ana = Account("ana@x.example", ("ana@x.example",), "", scram=scram_verifier("secret word", Random()))
    odd = add_app_password(ana, "odd", random=Random(), now=NOW)
    broken = replace(odd.made, scram=scram_verifier(odd.password, lambda n: b"z" * n))
    assert isinstance(scram(replace(ana, app_passwords=(broken,)), odd.password), Failure)
    assert scram(replace(ana, app_passwords=(broken,)), "secret word") == Success("ana@x.example")


def test_who_asks_does_not_change_what_is_derived(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One derivation and one hash for a wrong password of our shape, whether there is an account, with or without app passwords."""
    from kurir.identity import scramkeys

    random = Random()
    ana, _ = account(passwords, random)
    rich = add_app_password(ana, "printer", random=random, now=NOW).account
    for name in ("phone", "laptop", "till"):
        rich = add_app_password(rich, name, random=random, now=NOW).account
    counts: list[int] = []
    derive = scramkeys.hashlib.pbkdf2_hmac

    def counting(name: str, password: bytes, salt: bytes, iterations: int) -> bytes:
        counts.append(iterations)
        return derive(name, password, salt, iterations)

    monkeypatch.setattr(scramkeys.hashlib, "pbkdf2_hmac", counting)

    async def go() -> None:
        for who in (None, ana, rich):
            for text, derived in (("aaaaa-aaaaa-aaaaa-aaaaa", [15_000]), ("wrong password", [])):
                counts.clear()
                assert (await passwords.check(who, text)).login is Login.WRONG
                assert counts == derived

    asyncio.run(go())
