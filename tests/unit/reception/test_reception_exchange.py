"""AUTH exchanges without a network: tokens, certificates and app passwords, what the brake learns, what clients are told."""

import json
import time
from dataclasses import dataclass, field, replace

import pytest
from reception_fakes import House
from tests.harness.clientcerts import make

from kurir.identity import TokenChecked, add_app_password, add_certificate
from kurir.identity.sasl import Challenge
from kurir.net.tls import ClientShown
from kurir.reception import replies
from kurir.reception.authentication import Exchange, LoggedIn, NotLoggedIn
from kurir.smtp.events import AuthAnswered, AuthStarted

ALICE, BOB = "alice@local.example", "bob@local.example"
HERE = "192.0.2.7"


@dataclass
class Tokens:
    """Knows these tokens."""

    known: dict[str, TokenChecked] = field(default_factory=dict)
    scope: str = "smtp"
    configuration: str = ""

    async def check(self, token: str) -> TokenChecked:
        return self.known.get(token, TokenChecked(reason="never heard of it"))


@pytest.fixture
def house() -> House:
    house = House()
    house.people()
    tokens = Tokens({"alice": TokenChecked(ALICE, ""), "nobody": TokenChecked("nobody@local.example", "")})
    tokens.known["later"] = TokenChecked(reason="the issuer sleeps", later=True)
    house.desk.tokens = tokens
    return house


def exchange(house: House, shown: ClientShown | None = None) -> Exchange:
    return Exchange(house.desk, HERE, None, shown)


def bearer(token: str, name: str = "") -> AuthStarted:
    gs2 = f"n,a={name}," if name else "n,,"
    return AuthStarted("OAUTHBEARER", f"{gs2}\x01auth=Bearer {token}\x01\x01".encode())


@pytest.mark.parametrize("name", ["", ALICE, ALICE.upper()])
async def test_a_token(house: House, name: str) -> None:
    step = await exchange(house).step(bearer("alice", name))
    assert isinstance(step, LoggedIn)
    assert (step.account.name, step.how) == (ALICE, "OAUTHBEARER")
    assert house.brain.logins == [(HERE, ALICE, True)]


REFUSED = [
    ("unknown", "", f"({HERE})", "never heard of it"),
    ("unknown", ALICE, ALICE, "never heard of it"),
    ("alice", BOB, BOB, "not for who asked"),
    ("alice", "no@local.example", "no@local.example", "not for who asked"),
    ("nobody", "", f"({HERE})", "no account here"),
]


@pytest.mark.parametrize(("token", "name", "counted", "why"), REFUSED)
async def test_a_refused_token(house: House, token: str, name: str, counted: str, why: str) -> None:
    one = exchange(house)
    told = await one.step(bearer(token, name))
    assert isinstance(told, Challenge)
    assert json.loads(told.data) == {"status": "invalid_token", "scope": "smtp"}
    assert house.brain.logins == []
    end = await one.step(AuthAnswered(b"\x01"))
    assert isinstance(end, NotLoggedIn)
    assert end.reply is replies.WRONG_CREDENTIALS
    assert why in end.reason
    assert house.brain.logins == [(HERE, counted, False)]


async def test_an_issuer_that_is_away_is_nobodys_fault(house: House) -> None:
    step = await exchange(house).step(bearer("later", ALICE))
    assert isinstance(step, NotLoggedIn)
    assert step.reply is replies.ISSUER_AWAY
    assert house.brain.logins == []


async def test_the_brake_comes_before_the_token(house: House) -> None:
    house.brain.wait = 5.0
    for name in ("", ALICE):
        step = await exchange(house).step(bearer("alice", name))
        assert isinstance(step, NotLoggedIn)
        assert step.close


async def test_a_certificate(house: House, tmp_path) -> None:
    made = make(tmp_path, "laptop", email=BOB)
    account, _ = add_certificate(
        house.store.by_name[ALICE], made.pem.read_text(), others=(), now=time.time(), label="l"
    )
    house.store.put(account)
    shown = ClientShown(made.der, by_authority=False)
    for name in ("", ALICE):
        step = await exchange(house, shown).step(AuthStarted("EXTERNAL", name.encode()))
        assert isinstance(step, LoggedIn)
        assert step.account.name == ALICE
    for other in (BOB, "nobody@local.example"):
        step = await exchange(house, shown).step(AuthStarted("EXTERNAL", other.encode()))
        assert isinstance(step, NotLoggedIn)
        assert step.reply is replies.WRONG_CREDENTIALS
    house.store.put(replace(account, disabled="left"))
    step = await exchange(house, shown).step(AuthStarted("EXTERNAL", b""))
    assert isinstance(step, NotLoggedIn)
    assert step.reply is replies.ACCOUNT_DISABLED
    none = await exchange(house).step(AuthStarted("EXTERNAL", b""))
    assert isinstance(none, NotLoggedIn)
    assert "no certificate" in none.reason


async def test_an_app_password(house: House) -> None:
    alice = house.store.by_name[ALICE]
    wide = replace(alice, addresses=(*alice.addresses, "*@shop.example"))
    made = add_app_password(
        wide, "till", random=house.desk.random, now=time.time(), senders=["till@shop.example"],
        networks=["192.0.2.0/24"], expires_at=time.time() + 60,
    )  # fmt: skip
    house.store.put(made.account)
    proof = AuthStarted("PLAIN", f"\0{ALICE}\0{made.password}".encode())
    step = await exchange(house).step(proof)
    assert isinstance(step, LoggedIn)
    assert step.account.addresses == ("till@shop.example",)
    assert step.how == "PLAIN, app password till"
    elsewhere = await Exchange(house.desk, "198.51.100.1", None).step(proof)
    assert isinstance(elsewhere, NotLoggedIn)
    assert elsewhere.reply is replies.APP_PASSWORD_ELSEWHERE
    house.store.put(replace(made.account, app_passwords=(replace(made.made, expires_at=1.0),)))
    late = await exchange(house).step(proof)
    assert isinstance(late, NotLoggedIn)
    assert late.reply is replies.APP_PASSWORD_EXPIRED
    assert [ok for _, _, ok in house.brain.logins] == [True, False, False]


async def test_what_is_offered(house: House) -> None:
    from reception_fakes import SUBMISSION

    offered = {
        external: house.desk.offer(SUBMISSION, HERE, external=external).auth_mechanisms for external in (0, 1)
    }
    assert offered == {0: ("OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN"),
                       1: ("EXTERNAL", "OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN")}  # fmt: skip
    house.desk.tokens = None
    house.desk._offers.clear()
    assert house.desk.offer(SUBMISSION, HERE).auth_mechanisms == ("PLAIN", "LOGIN")
