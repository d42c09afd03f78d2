"""Hashing, checking, remembering; who is told what."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.identity import (
    Account,
    AccountError,
    Login,
    Passwords,
    PasswordSettings,
    generate_password,
    make_account,
    may_send_as,
    prepare,
)
from kurir.model import parse_address

CHEAP = PasswordSettings(time_cost=1, memory_kib=64, parallelism=1, remember=300.0, remembered=3)


@dataclass
class Clock:
    at: float = 1000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


def counting(count: int) -> bytes:
    return bytes(range(count))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as executor:
        yield executor


@pytest.fixture
def passwords(pool: ThreadPoolExecutor, clock: Clock) -> Passwords:
    return Passwords(CHEAP, executor=pool, clock=clock, random=counting)


def account(passwords: Passwords, password: str = "correct horse") -> Account:
    return make_account(
        "a@x.example", passwords=passwords, random=counting, now=1.0, password=password
    ).account


async def test_right_wrong_unknown(passwords: Passwords) -> None:
    a = account(passwords)
    assert (await passwords.check(a, "correct horse")).login is Login.RIGHT
    assert (await passwords.check(a, "battery staple")).login is Login.WRONG
    assert (await passwords.check(None, "correct horse")).login is Login.WRONG
    assert (await passwords.check(None, "nobody has this password")).login is Login.WRONG
    assert (await passwords.check(replace(a, password_hash="broken"), "correct horse")).login is Login.WRONG
    assert (
        await passwords.check(replace(a, password_hash=""), "nobody has this password")
    ).login is Login.WRONG


@pytest.mark.parametrize("password", ["", "x" * 1025, "é" * 600, "a\0b", "a\nb", "\ud800", "\u200e\u0627a"])
async def test_refused_before_hashing(passwords: Passwords, password: str) -> None:
    assert prepare(password) is None
    passwords.hash = None  # type: ignore[method-assign,assignment]
    assert (await passwords.check(None, password)).login is Login.WRONG


def test_preparation_joins_the_spellings_of_one_text() -> None:
    assert prepare("e\u0301") == prepare("é")
    assert prepare("a\u00adb") == "ab"


async def test_a_right_password_is_remembered_for_a_while(passwords: Passwords, clock: Clock) -> None:
    a = account(passwords)
    hashed: list[str] = []
    check = passwords._check
    passwords._check = lambda *args: (hashed.append(args[0]), check(*args))[1]  # type: ignore[method-assign]
    for _ in range(100):
        assert (await passwords.check(a, "correct horse")).login is Login.RIGHT
    assert len(hashed) == 1
    await passwords.check(a, "wrong one")
    assert len(hashed) == 2
    assert "correct horse" not in repr(vars(passwords))
    changed = replace(a, password_hash=passwords.hash("another one"))
    assert (await passwords.check(changed, "correct horse")).login is Login.WRONG
    clock.at += 301
    await passwords.check(a, "correct horse")
    assert len(hashed) == 4
    for i in range(10):
        one = replace(a, name=f"a{i}@x.example")
        await passwords.check(one, "correct horse")
    assert len(passwords._known) == 3


async def test_rehash_when_the_cost_changed(
    passwords: Passwords, pool: ThreadPoolExecutor, clock: Clock
) -> None:
    a = account(passwords)
    dearer = Passwords(replace(CHEAP, time_cost=2), executor=pool, clock=clock, random=counting)
    checked = await dearer.check(a, "correct horse")
    assert checked.rehashed is not None
    assert (await dearer.check(replace(a, password_hash=checked.rehashed), "correct horse")).rehashed is None
    assert (await dearer.check(a, "wrong")).rehashed is None


async def test_hashes_are_few_at_a_time(pool: ThreadPoolExecutor, clock: Clock) -> None:
    passwords = Passwords(
        replace(CHEAP, concurrency=1, waiting=3), executor=pool, clock=clock, random=counting
    )
    running = most = 0

    def slow(encoded: str, password: str) -> object:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.01)
        running -= 1
        from kurir.identity import Checked

        return Checked(Login.WRONG)

    passwords._check = slow  # type: ignore[method-assign,assignment]
    results = await asyncio.gather(*(passwords.check(None, f"guess {i}") for i in range(10)))
    assert most == 1
    assert [r.login for r in results].count(Login.BUSY) == 7


@given(st.binary(min_size=20, max_size=20))
def test_generated_passwords(octets: bytes) -> None:
    password = generate_password(lambda n: octets[:n])
    assert len(password) == 23
    assert prepare(password) == password
    assert not set(password) & set("lo01")


def test_accounts(passwords: Passwords) -> None:
    made = make_account(
        "A.B@X.example", ["*@Y.example", "c@z.example"], passwords=passwords, random=counting, now=5.0
    )
    assert made.generated
    assert made.account.scram is not None
    assert made.account.addresses == ("a.b@x.example", "*@y.example", "c@z.example")
    assert made.password not in repr(made)
    assert made.account.name == "a.b@x.example"
    chosen = make_account(
        "c@x.example", passwords=passwords, random=counting, now=5.0, password="long enough"
    )
    assert chosen.account.scram is None
    asked = make_account(
        "c@x.example", passwords=passwords, random=counting, now=5.0, password="long enough", scram=True
    )
    assert asked.account.scram is not None


@pytest.mark.parametrize(
    ("name", "addresses", "password"),
    [
        ("no address@", (), None),
        ("app", (), None),
        ("two words", ("a@x.example",), None),
        ("a@x.example", ("*@",), None),
        ("a@x.example", (), "short"),
        ("a@x.example", (), "a@x.example"),
        ("a@x.example", (), "has\0nul in it"),
        ("", ("a@x.example",), None),
    ],
)
def test_bad_accounts(
    passwords: Passwords, name: str, addresses: tuple[str, ...], password: str | None
) -> None:
    with pytest.raises(AccountError) as e:
        make_account(name, addresses, passwords=passwords, random=counting, now=0.0, password=password)
    assert str(e.value)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("a@x.example", True),
        ("A@X.example", True),
        ("a+news@x.example", True),
        ("+a@x.example", False),
        ("b@x.example", False),
        ("anything@wild.example", True),
        ("anything@sub.wild.example", False),
        ('"*"@x.example', False),
        ("a@evil-x.example", False),
        ("a-news@x.example", False),
    ],
)
def test_may_send_as(address: str, allowed: bool) -> None:
    owner = Account("a@x.example", ("a@x.example", "*@wild.example"), "")
    assert may_send_as(owner, parse_address(address)) is allowed
    assert not may_send_as(replace(owner, addresses=()), parse_address(address))


def test_a_name_that_is_no_address_is_told_as_such(passwords: Passwords) -> None:
    with pytest.raises(AccountError, match="'nonsense' is no address: write name@domain"):
        make_account("nonsense", passwords=passwords, random=counting, now=0.0)
