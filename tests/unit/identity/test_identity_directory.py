"""What addresses mean."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.identity import ALIAS_LOOP, Account, Directory, DirectorySettings, DomainKind
from kurir.model import Address, parse_address


@dataclass
class Clock:
    at: float = 0.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


class Store:
    def __init__(self, *accounts: Account) -> None:
        self.all = {a.name: a for a in accounts}
        self.walks = 0

    def account(self, name: str) -> Account | None:
        return self.all.get(name.lower())

    def accounts(self) -> list[Account]:
        self.walks += 1
        return list(self.all.values())

    def put(self, account: Account) -> None:
        self.all[account.name] = account

    def remove(self, name: str) -> bool:
        return self.all.pop(name, None) is not None


def a(text: str) -> Address:
    return parse_address(text, bare_postmaster=True)


def aliases(**entries: str) -> dict[str, tuple[Address, ...]]:
    return {f"{k}@x.example": tuple(a(t) for t in v.split()) for k, v in entries.items()}


SETTINGS = DirectorySettings(
    local=frozenset({"x.example", "y.example", "empty.example"}),
    relayed=frozenset({"relayed.example"}),
    aliases=aliases(
        team="anna@x.example bert@x.example out@far.example",
        nested="team@x.example anna@x.example",
        keep="keep@x.example copy@far.example",
        round="circle@x.example",
        circle="round@x.example",
        half="round@x.example anna@x.example",
        dead="nobody@x.example",
        exact="bert@x.example",
        detail="anna+list@x.example",
    ),
    catch_all={"y.example": a("anna@x.example")},
    literals=frozenset({"[192.0.2.1]"}),
    default_domain="x.example",
)
STORE = (
    Account(
        "anna@x.example",
        ("anna@x.example", "second@y.example", "*@wild.example"),
        "",
        scram=(1, b"", b"", b""),
    ),
    Account("bert@x.example", ("bert@x.example",), ""),
    Account("keep@x.example", ("keep@x.example",), ""),
    Account("anna+own@x.example", ("anna+own@x.example",), ""),
    Account("app", ("app@x.example",), ""),
)

CASES = [
    ("anna@x.example", "anna@x.example", "mailbox"),
    ("ANNA@X.example", "anna@x.example", "mailbox"),
    ("anna+news@x.example", "anna@x.example", "mailbox"),
    ("anna+a+b@x.example", "anna@x.example", "mailbox"),
    ("anna+own@x.example", "anna+own@x.example", "mailbox"),
    ("+anna@x.example", "", ""),
    ("second@y.example", "anna@x.example", "mailbox"),
    ("app@x.example", "app@x.example", "mailbox"),
    ("team@x.example", "anna@x.example bert@x.example out@far.example", "alias"),
    ("team+x@x.example", "anna@x.example bert@x.example out@far.example", "alias"),
    ("nested@x.example", "anna@x.example bert@x.example out@far.example", "alias"),
    ("keep@x.example", "keep@x.example copy@far.example", "alias"),
    ("round@x.example", "", ALIAS_LOOP),
    ("half@x.example", "anna@x.example", "alias"),
    ("dead@x.example", "", ALIAS_LOOP),
    ("detail@x.example", "anna@x.example", "alias"),
    ("nobody@x.example", "", ""),
    ("anybody@y.example", "anna@x.example", "catch-all"),
    ("postmaster@empty.example", "postmaster@empty.example", "postmaster"),
    ("Abuse@empty.example", "postmaster@empty.example", "postmaster"),
    ("postmaster", "postmaster@x.example", "postmaster"),
    ("postmaster@y.example", "postmaster@y.example", "postmaster"),
    ("anna@[192.0.2.1]", "anna@x.example", "mailbox"),
    ('"anna@x.example"@x.example', "", ""),
    ("anna%far.example@x.example", "", ""),
]


def directory(settings: DirectorySettings = SETTINGS) -> tuple[Directory, Store, Clock]:
    store, clock = Store(*STORE), Clock()
    return Directory(settings, store, clock), store, clock


@pytest.mark.parametrize(("address", "targets", "via"), CASES)
def test_resolve(address: str, targets: str, via: str) -> None:
    found = directory()[0].resolve(a(address))
    assert found.kind is DomainKind.LOCAL
    assert sorted(map(str, found.targets)) == sorted(targets.split())
    assert found.via == via


@pytest.mark.parametrize(
    ("domain", "kind"),
    [
        ("relayed.example", DomainKind.RELAYED),
        ("far.example", DomainKind.FOREIGN),
        ("[127.0.0.1]", DomainKind.FOREIGN),
        ("sub.x.example", DomainKind.FOREIGN),
    ],
)
def test_other_domains_mean_themselves(domain: str, kind: DomainKind) -> None:
    address = Address("Any.Body+x", domain)
    found = directory()[0].resolve(address)
    assert (found.kind, found.targets) == (kind, (address,))


def test_the_postmaster_that_was_named() -> None:
    for named, expected in (("bert@x.example", "bert@x.example"), ("me@far.example", "me@far.example")):
        d = directory(replace(SETTINGS, postmaster=a(named)))[0]
        for address in (
            "postmaster@x.example",
            "abuse@y.example",
            "postmaster",
            "postmaster+x@empty.example",
        ):
            assert [str(t) for t in d.resolve(a(address)).targets] == [expected], address


def test_a_change_of_accounts_counts_at_once_or_soon() -> None:
    d, store, clock = directory()
    store.put(Account("new@x.example", ("new@x.example", "also@x.example"), ""))
    assert d.resolve(a("new@x.example")).via == "mailbox"
    assert d.resolve(a("also@x.example")).via == "mailbox"
    store.put(Account("new@x.example", ("new@x.example",), ""))
    assert d.resolve(a("also@x.example")).targets == ()
    store.put(Account("new@x.example", ("new@x.example", "third@x.example"), ""))
    for _ in range(100):
        d.resolve(a("third@x.example"))
    assert store.walks == 1
    clock.at += 6
    assert d.resolve(a("third@x.example")).via == "mailbox"
    store.remove("new@x.example")
    assert d.resolve(a("third@x.example")).targets == ()


def test_logging_in_by_an_own_address() -> None:
    d = directory()[0]
    for name in ("ANNA@x.example", "second@y.example"):
        found = d.account(name)
        assert found is not None
        assert found.name == "anna@x.example"
    assert d.account("app") is not None
    assert d.account("nobody") is None
    assert d.account("any@wild.example") is None
    assert d.account("@@") is None


def test_scram_is_for_all_or_none() -> None:
    d, store, clock = directory()
    assert not d.scram_for_all()
    for name in list(store.all):
        if name != "anna@x.example":
            store.remove(name)
    store.put(Account("off@x.example", ("off@x.example",), "", disabled="left"))
    clock.at += 6
    assert d.scram_for_all()


@given(
    st.dictionaries(
        st.sampled_from("abcdefgh"),
        st.lists(st.sampled_from([*"abcdefgh", "anna", "nobody"]), min_size=1, max_size=4),
        max_size=8,
    )
)
def test_aliases_always_end(tree: dict[str, list[str]]) -> None:
    entries = {f"{k}@x.example": tuple(a(f"{t}@x.example") for t in v) for k, v in tree.items()}
    d = directory(replace(SETTINGS, aliases=entries))[0]
    for key in entries:
        found = d.resolve(a(key))
        assert len(found.targets) == len(set(found.targets)) <= 1
        assert {str(t) for t in found.targets} <= {"anna@x.example"}


def test_too_deep_and_too_many() -> None:
    deep = {f"d{i}@x.example": (a(f"d{i + 1}@x.example"),) for i in range(20)}
    deep["d20@x.example"] = (a("anna@x.example"),)
    d = directory(replace(SETTINGS, aliases=deep))[0]
    assert d.resolve(a("d0@x.example")).via == ALIAS_LOOP
    assert d.resolve(a("d15@x.example")).via == "alias"
    wide = {"w@x.example": tuple(a(f"u{i}@far.example") for i in range(501))}
    assert directory(replace(SETTINGS, aliases=wide))[0].resolve(a("w@x.example")).targets == ()
