"""App passwords: one for each program that sends mail, so that one can be taken away without touching the others.

They are generated (100 bits), shown once, and kept as SCRAM keys only: guessing one of them from the keys is
hopeless, so the dear hash that a chosen password needs would buy nothing.  All keys of an account have the same salt
and count: one derivation (RFC 5802 section 3) compares a password with all of them, and SCRAM, where the
client names no password, tries its proof on each.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from ipaddress import ip_network

from kurir.model import parse_address
from kurir.model.told import told

from .accounts import AccountError, may_send_as, spelled
from .brake import is_within
from .passwords import RandomBytes, generate_password
from .ports import Account, AppPassword
from .scramkeys import ITERATIONS, common_salt, scram_keys

MOST = 50
"""App passwords of one account."""

_LABEL = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")


@dataclass(frozen=True, slots=True)
class MadeAppPassword:
    """`password` is shown once; `account` is what to store."""

    account: Account
    made: AppPassword
    password: str = field(repr=False)


def add_app_password(
    account: Account,
    label: str,
    *,
    random: RandomBytes,
    now: float,
    senders: Iterable[str] = (),
    networks: Iterable[str] = (),
    expires_at: float | None = None,
) -> MadeAppPassword:
    """Make an app password; blocks for some milliseconds.  Raises `AccountError`."""
    name = label.strip().lower()
    if not _LABEL.fullmatch(name):
        raise AccountError(
            told("{label!r} is no name for an app password: use up to 32 of a-z 0-9 . _ -", label=label)
        )
    if any(p.label == name for p in account.app_passwords):
        raise AccountError(told("there is an app password {label!r} already; revoke it first", label=name))
    if len(account.app_passwords) >= MOST:
        raise AccountError(told("the account has {most} app passwords; revoke one first", most=MOST))
    if expires_at is not None and expires_at <= now:
        raise AccountError(told("the app password would have expired already"))
    text = generate_password(random)
    iterations, salt = common_salt(account) or (ITERATIONS, random(16))
    made = AppPassword(
        label=name,
        scram=scram_keys(text, salt, iterations),
        senders=_senders(account, senders),
        networks=_networks(networks),
        expires_at=expires_at,
        created_at=now,
    )
    return MadeAppPassword(replace(account, app_passwords=(*account.app_passwords, made)), made, text)


def revoke_app_password(account: Account, label: str) -> Account:
    """Return the account without it.  Raises `AccountError` where there is none of that name."""
    kept = tuple(p for p in account.app_passwords if p.label != label.strip().lower())
    if len(kept) == len(account.app_passwords):
        raise AccountError(told("{name} has no app password {label!r}", name=account.name, label=label))
    return replace(account, app_passwords=kept)


def scoped(account: Account, used: AppPassword) -> Account:
    """Return the account as somebody has it who logged in with this app password: with fewer addresses to send as."""
    return replace(account, addresses=used.senders) if used.senders else account


def why_not(used: AppPassword, client: str, now: float) -> str | None:
    """Return why this app password, although right, does not count from this client now; None where it does."""
    if used.expires_at is not None and now >= used.expires_at:
        return "this app password has expired"
    if used.networks and not is_within(client, tuple(ip_network(n) for n in used.networks)):
        return "this app password does not work from here"
    return None


def _senders(account: Account, senders: Iterable[str]) -> tuple[str, ...]:
    found: list[str] = []
    for text in senders:
        address = spelled(text.strip())
        if address not in account.addresses and not _owned(account, address):
            raise AccountError(
                told(
                    "{address} is no address of {name}: an app password may allow less than its account, never more",
                    address=address,
                    name=account.name,
                )
            )
        found.append(address)
    return tuple(dict.fromkeys(found))


def _owned(account: Account, address: str) -> bool:
    return not address.startswith("*@") and may_send_as(account, parse_address(address))


def _networks(networks: Iterable[str]) -> tuple[str, ...]:
    found = []
    for text in networks:
        try:
            found.append(str(ip_network(text.strip(), strict=False)))
        except ValueError:
            raise AccountError(
                told('{text!r} is not a network; write "192.0.2.0/24" or "2001:db8::/32"', text=text)
            ) from None
    return tuple(found)
