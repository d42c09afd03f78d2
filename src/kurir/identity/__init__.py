"""Who may log in, who may send as whom, and what an address of ours means.

A login goes: `LoginBrake.wait` (by the brain) -> a mechanism of `sasl` -> `Passwords.check` in a thread (or
SCRAM's own proof) -> `LoginBrake.succeeded` / ``failed``.  A recipient goes: `Directory.resolve` -> its
`Resolution`.  Accounts are made by `make_account` and kept behind `AccountStore`.  Nothing here knows
SMTP; clocks, randomness and threads are passed in.
"""

from .accounts import (
    REPORTS,
    AccountError,
    MadeAccount,
    make_account,
    may_send_as,
    may_send_reports,
    rehashed,
)
from .brake import ConnectionBrake, LoginBrake, is_within, network_of, plain_address
from .directory import ALIAS_LOOP, Directory
from .passwords import Checked, Login, Passwords, RandomBytes, generate_password, prepare, scram_verifier
from .ports import Account, AccountStore, DomainKind, Resolution
from .settings import (
    ConnectionBrakeSettings,
    DirectorySettings,
    LoginBrakeSettings,
    Network,
    PasswordSettings,
    Window,
)

__all__ = [
    "ALIAS_LOOP",
    "REPORTS",
    "Account",
    "AccountError",
    "AccountStore",
    "Checked",
    "ConnectionBrake",
    "ConnectionBrakeSettings",
    "Directory",
    "DirectorySettings",
    "DomainKind",
    "Login",
    "LoginBrake",
    "LoginBrakeSettings",
    "MadeAccount",
    "Network",
    "PasswordSettings",
    "Passwords",
    "RandomBytes",
    "Resolution",
    "Window",
    "generate_password",
    "is_within",
    "make_account",
    "may_send_as",
    "may_send_reports",
    "network_of",
    "plain_address",
    "prepare",
    "rehashed",
    "scram_verifier",
]
