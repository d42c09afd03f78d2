"""Who is who here: what reception asks, and where accounts are kept."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from kurir.model import Address


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may log in.

    `name` is what is typed as user name, an address as a rule.  `addresses` are what it may send as:
    full addresses or ``*@domain``, and ``<>`` for a server's reports.  `password_hash` is an argon2id encoded hash; `scram` the
    SCRAM-SHA-256 verifier (``iterations, salt, stored_key, server_key``) where one is kept.
    """

    name: str
    addresses: tuple[str, ...]
    password_hash: str
    scram: tuple[int, bytes, bytes, bytes] | None = None
    disabled: str | None = None
    created_at: float = 0.0


class DomainKind(str, Enum):
    """What this server is for a domain."""

    LOCAL = "local"  # mailboxes here
    RELAYED = "relayed"  # we are its MX and pass mail on; recipients are verified at the next hop
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Resolution:
    """What an address means here.

    `kind` of its domain; `targets` are the final addresses (one itself, several for an alias; empty: unknown
    user); `via` the name of the rule (``mailbox``, ``alias``, ``catch-all``, ``postmaster``, ``alias-loop``).
    """

    kind: DomainKind
    targets: tuple[Address, ...]
    via: str = ""


class AccountStore(Protocol):
    """Accounts, kept.  Reading is cheap (cached); writing is durable when it returns."""

    def account(self, name: str) -> Account | None:
        """Return the account with that login name (case-insensitive), or None."""
        ...

    def accounts(self) -> Iterable[Account]:
        """Yield all accounts, by name."""
        ...

    def put(self, account: Account) -> None:
        """Make or replace an account."""
        ...

    def remove(self, name: str) -> bool:
        """Delete an account; False where there was none."""
        ...
