"""`SqliteAccounts`: who may log in, in a file of its own.

Logins must not wait for the queue, nor the queue for logins, hence the file.  Reads come from a cache that
``PRAGMA data_version`` invalidates as soon as another process (``kurir user add``) has written.
"""

import json
import threading
from collections.abc import Iterator
from typing import Final

import apsw
import msgspec

from kurir.identity.ports import Account, AppPassword, ClientCertificate, ScramKeys
from kurir.model import Clock
from kurir.model.told import told
from kurir.queue.ports import StoreError

from .database import Row, Schema, copy_log, finish, open_reader, open_writer, transaction, translated
from .layout import Layout
from .rows import marks

ACCOUNTS: Final = Schema.of("accounts", "accounts", "accounts-2", "accounts-3")

_COLUMNS = "key, name, addresses, password_hash, scram, disabled, created_at, app_passwords, certificates, urgent, summary"
_LATER = (None,) * 4  # columns of later steps
_scram = msgspec.msgpack.Decoder(ScramKeys).decode
_app_passwords = msgspec.msgpack.Decoder(tuple[AppPassword, ...]).decode
_certificates = msgspec.msgpack.Decoder(tuple[ClientCertificate, ...]).decode


class SqliteAccounts:
    """Accounts (implements `kurir.identity.ports.AccountStore`); thread-safe.

    With `writable` False the file is opened read-only and must exist.  Raises `StoreError`, and `NoDatabase`
    for a file that is not there.
    """

    def __init__(self, layout: Layout, clock: Clock, *, writable: bool = True) -> None:
        self._db: apsw.Connection
        if writable:
            self._db = open_writer(layout.accounts, ACCOUNTS, clock.now, mode=0o600)
        else:
            self._db = open_reader(layout.accounts)
        self._lock = threading.Lock()
        self._cache: dict[str, Account] | None = None
        self._seen = -1

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            finish(self._db)

    def account(self, name: str) -> Account | None:
        """Return the account with that login name (case-insensitive), or None."""
        return self._all().get(name.lower())

    def accounts(self) -> Iterator[Account]:
        """Yield all accounts, by name."""
        found = self._all()
        return iter([found[key] for key in sorted(found)])

    def put(self, account: Account) -> None:
        """Make or replace an account; durable when it returns.  Raises `StoreError`."""
        row = (
            account.name.lower(),
            account.name,
            json.dumps(account.addresses),
            account.password_hash,
            None if account.scram is None else msgspec.msgpack.encode(account.scram),
            account.disabled,
            account.created_at,
            msgspec.msgpack.encode(account.app_passwords) if account.app_passwords else None,
            msgspec.msgpack.encode(account.certificates) if account.certificates else None,
            account.urgent,
            account.summary or None,
        )
        self._write(f"INSERT OR REPLACE INTO account ({_COLUMNS}) VALUES ({marks(_COLUMNS)})", row)

    def remove(self, name: str) -> bool:
        """Delete an account; False where there was none.  Raises `StoreError`."""
        return self._write("DELETE FROM account WHERE key = ?", (name.lower(),)) > 0

    def _write(self, sql: str, row: Row) -> int:
        with self._lock, translated(self._db, "writing accounts"):
            if self._db.readonly("main"):
                raise StoreError(told("the accounts were opened for reading only"))
            with transaction(self._db):
                self._db.execute(sql, row)
            changed = self._db.changes()
            copy_log(self._db)
            self._cache = None
        return changed

    def _all(self) -> dict[str, Account]:
        with self._lock, translated(self._db, "reading accounts"):
            version = self._db.pragma("data_version")
            if self._cache is None or version != self._seen:
                # A reader may come before the first start after an upgrade: the last columns are not there yet.
                rows = self._db.execute("SELECT * FROM account")
                self._cache = {row[0]: _account((*row, *_LATER)) for row in rows}
                self._seen = version
            return self._cache


def _account(row: Row) -> Account:
    return Account(
        name=row[1],
        addresses=tuple(json.loads(row[2])),
        password_hash=row[3],
        scram=None if row[4] is None else _scram(row[4]),
        disabled=row[5],
        created_at=row[6],
        app_passwords=_app_passwords(row[7]) if row[7] else (),
        certificates=_certificates(row[8]) if row[8] else (),
        urgent=None if row[9] is None else bool(row[9]),
        summary=row[10] or "",
    )
