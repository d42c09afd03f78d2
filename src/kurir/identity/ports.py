"""Who is who here: what reception asks, and where accounts are kept."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from kurir.model import Address

ScramKeys = tuple[int, bytes, bytes, bytes]
"""What a server keeps to check SCRAM-SHA-256: iterations, salt, StoredKey, ServerKey (RFC 5802 section 3)."""


@dataclass(frozen=True, slots=True)
class AppPassword:
    """A generated password for one program, beside the account's own.  It is good for sending mail, nothing else.

    All keys of an account share one salt, so that SCRAM finds out which password was meant.  `senders` are those
    of the account's addresses that it may send as, `networks` from where it works (both: empty for all);
    `expires_at` is in seconds since the epoch, None for never.
    """

    label: str
    scram: ScramKeys
    senders: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    expires_at: float | None = None
    created_at: float = 0.0


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A certificate registered for an account: `key` is the SHA-256 of its public key (SPKI) in hex, `der` the whole."""

    key: str
    der: bytes
    label: str = ""
    added_at: float = 0.0


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """What the TLS layer knows of the certificate that a client proved to have: the facts `external` judges by.

    `key` as in `ClientCertificate`; `addresses` are the mail addresses of its subjectAltName, as written;
    `by_authority` says that the configured authority for clients issued it.  Times are seconds since the epoch.
    """

    key: str
    addresses: tuple[str, ...]
    by_authority: bool
    not_before: float
    not_after: float


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may log in.

    `name` is what is typed as user name, an address as a rule.  `addresses` are what it may send as:
    full addresses or ``*@domain``, and ``<>`` for a server's reports.  `password_hash` is an argon2id encoded hash; `scram` the
    SCRAM-SHA-256 verifier (``iterations, salt, stored_key, server_key``) where one is kept.  `urgent` says whether it may
    make its mail urgent (None: by an urgent door only); `summary` is the language in which it wants the summary of each day, "" for none.
    """

    name: str
    addresses: tuple[str, ...]
    password_hash: str
    scram: ScramKeys | None = None
    disabled: str | None = None
    created_at: float = 0.0
    app_passwords: tuple[AppPassword, ...] = ()
    certificates: tuple[ClientCertificate, ...] = ()
    urgent: bool | None = None
    summary: str = ""


@dataclass(frozen=True, slots=True)
class TokenChecked:
    """What a bearer token is worth: `name` logs in; or "" with the `error` that the client is told (RFC 7628 section 3.2.2).

    `reason` is for the trace; `later` says that the issuer could not be asked now.
    """

    name: str = ""
    error: str = "invalid_token"
    reason: str = ""
    later: bool = False


class TokenChecker(Protocol):
    """Checks bearer tokens of OAUTHBEARER and XOAUTH2."""

    scope: str
    configuration: str

    async def check(self, token: str) -> TokenChecked:
        """Say whom the token stands for.  Never raises."""
        ...


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
