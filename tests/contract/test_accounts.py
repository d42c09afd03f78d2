"""What every store of accounts does."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kurir.identity.ports import Account, AccountStore, AppPassword, ClientCertificate
from kurir.queue.ports import StoreError
from kurir.storage import Layout, MemoryAccounts, NoDatabase, SqliteAccounts
from kurir.storage.database import Schema, open_writer
from tests.unit.storage.mail import StandingClock

ALICE = Account(
    "Alice@example.com", ("alice@example.com", "*@lists.example.com"), "$argon2id$x", created_at=1.5
)
BOB = Account("bob@example.com", ("bob@example.com",), "h", (4096, b"salt", b"s", b"k"), disabled="left")


@pytest.fixture(params=["memory", "sqlite"])
def accounts(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AccountStore]:
    if request.param == "memory":
        yield MemoryAccounts()
    else:
        store = SqliteAccounts(Layout(tmp_path), StandingClock())
        yield store
        store.close()


def test_what_was_put_is_found_in_any_case(accounts: AccountStore) -> None:
    accounts.put(ALICE)
    accounts.put(BOB)
    assert accounts.account("alice@EXAMPLE.com") == ALICE
    assert accounts.account("bob@example.com") == BOB
    assert accounts.account("nobody") is None
    assert list(accounts.accounts()) == [ALICE, BOB]


def test_every_way_to_log_in_is_kept(accounts: AccountStore) -> None:
    keys = (15_000, b"salt", b"stored", b"server")
    apps = (
        AppPassword("printer", keys, ("a@example.com",), ("192.0.2.0/24",), 99.5, 7.0),
        AppPassword("phone", keys),
    )
    rich = replace(
        BOB, app_passwords=apps, certificates=(ClientCertificate("ab" * 32, b"der", "laptop", 8.0),)
    )
    accounts.put(rich)
    accounts.put(ALICE)
    assert list(accounts.accounts()) == [ALICE, rich]


def test_accounts_of_an_earlier_version_are_read_and_brought_up_to_date(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    old = open_writer(layout.accounts, Schema.of("accounts"), StandingClock().now, mode=0o600)
    columns = ("alice@example.com", ALICE.name, '["alice@example.com", "*@lists.example.com"]', "$argon2id$x")
    old.execute("INSERT INTO account VALUES (?, ?, ?, ?, NULL, NULL, 1.5)", columns)
    old.close()
    for writable in (False, True, False):
        store = SqliteAccounts(layout, StandingClock(), writable=writable)
        assert list(store.accounts()) == [ALICE]
        store.close()


def test_putting_again_replaces(accounts: AccountStore) -> None:
    accounts.put(ALICE)
    accounts.put(replace(ALICE, name="alice@example.com", password_hash="new"))
    assert [a.password_hash for a in accounts.accounts()] == ["new"]


def test_removing(accounts: AccountStore) -> None:
    accounts.put(ALICE)
    assert accounts.remove("ALICE@example.com") is True
    assert accounts.remove("alice@example.com") is False
    assert accounts.account("alice@example.com") is None


def test_another_process_sees_changes_at_once_and_cannot_make_any(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with pytest.raises(NoDatabase):
        SqliteAccounts(layout, StandingClock(), writable=False)
    writer = SqliteAccounts(layout, StandingClock())
    reader = SqliteAccounts(layout, StandingClock(), writable=False)
    assert reader.account("bob@example.com") is None
    writer.put(BOB)
    assert reader.account("bob@example.com") == BOB
    writer.remove("bob@example.com")
    assert reader.account("bob@example.com") is None
    with pytest.raises(StoreError):
        reader.put(BOB)
    assert layout.accounts.stat().st_mode & 0o077 == 0
    reader.close()
    writer.close()
