"""Making accounts, and the rule of who may send as whom.

A generated password carries 100 bits, so a SCRAM verifier of it is safe to keep; a chosen one is kept as
argon2id only, unless asked otherwise, because SCRAM's PBKDF2 is far cheaper to guess against.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from kurir.model import Address, AddressError, normalise_domain, parse_address
from kurir.model.told import told

from .passwords import Passwords, RandomBytes, generate_password, prepare
from .ports import Account
from .scramkeys import ITERATIONS, common_salt, scram_keys

MIN_PASSWORD = 8
"""Characters of a chosen password (NIST SP 800-63B section 3.1.1.2)."""


REPORTS = "<>"
"""Among an account's addresses: it is a mail server that hands in its reports (RFC 5321 section 4.5.5) under any From."""


class AccountError(ValueError):
    """The account cannot be made so: `str(error)` says why, in words for a person."""


@dataclass(frozen=True, slots=True)
class MadeAccount:
    """`password` is shown once to the person who asked; it is stored nowhere."""

    account: Account
    password: str = field(repr=False)
    generated: bool


def make_account(
    name: str,
    addresses: Iterable[str] = (),
    *,
    passwords: Passwords,
    random: RandomBytes,
    now: float,
    password: str | None = None,
    scram: bool | None = None,
    instead_of: Account | None = None,
) -> MadeAccount:
    """Check and make an account; blocks for one hash.  Raises `AccountError`.

    `name` is an address as a rule and is then one of the account's addresses.  `scram` None keeps a
    verifier for generated passwords only.  `instead_of` is the account that gets a new password: whatever else it
    has is kept.
    """
    login, own = _names(name, addresses)
    generated = password is None
    text = generate_password(random) if password is None else password
    prepared = prepare(text)
    if prepared is None:
        raise AccountError(told("the password is empty, longer than 1 KB, or has control characters"))
    if len(prepared) < MIN_PASSWORD:
        raise AccountError(
            told("the password is shorter than {min_password} characters", min_password=MIN_PASSWORD)
        )
    if prepared.lower() in {login, login.partition("@")[0]}:
        raise AccountError(told("the password is the account's name"))
    verifier = None
    if generated if scram is None else scram:
        iterations, salt = (common_salt(instead_of) if instead_of else None) or (ITERATIONS, random(16))
        verifier = scram_keys(prepared, salt, iterations)
    hashed = passwords.hash(prepared)
    if instead_of is not None:
        account = replace(instead_of, password_hash=hashed, scram=verifier)
    else:
        account = Account(name=login, addresses=own, password_hash=hashed, scram=verifier, created_at=now)
    return MadeAccount(account, text, generated)


def _names(name: str, addresses: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    own: list[str] = []
    login = name.strip()
    if "@" in login:
        login = spelled(login)
        own.append(login)
    elif prepare(login) is None or not login.isprintable() or len(login) > 64 or " " in login:
        raise AccountError(
            told(
                "{name!r} is no account name: use an address, or up to 64 characters without blanks",
                name=name,
            )
        )
    else:
        login = login.lower()
    for text in addresses:
        one = spelled(text.strip())
        if one not in own:
            own.append(one)
    if not own:
        raise AccountError(
            told(
                "{login!r} is no address: write name@domain, or give the account at least one address to send as",
                login=login,
            )
        )
    return login, tuple(own)


def spelled(text: str) -> str:
    """Return an address, or ``*@domain``, as accounts keep it.  Raises `AccountError`."""
    if text == REPORTS:
        return REPORTS
    try:
        if text.startswith("*@"):
            return f"*@{normalise_domain(text[2:])}"
        return parse_address(text).key
    except AddressError as e:
        raise AccountError(told("{text!r} is no address: {why}", text=text, why=e)) from None


def rehashed(account: Account, password_hash: str) -> Account:
    """Return the account with a fresh hash of the same password."""
    return replace(account, password_hash=password_hash)


def may_send_as(account: Account, address: Address, *, separator: str = "+") -> bool:
    """Whether the account owns `address`: exactly, by ``*@domain``, or as a plus-address of its own."""
    key = address.key
    if key in account.addresses or f"*@{address.domain}" in account.addresses:
        return True
    local, found, _ = address.local.lower().partition(separator) if separator else ("", "", "")
    return bool(found and local) and f"{local}@{address.domain}" in account.addresses


def may_send_reports(account: Account) -> bool:
    """Whether messages of the account with the empty reverse-path may name anybody as From.

    The empty reverse-path is everybody's (a notice of a mail program has it), but the From of such a message is the
    account's own.  A server that sends through us as its smarthost writes ``MAILER-DAEMON@`` its own name there.
    """
    return REPORTS in account.addresses
