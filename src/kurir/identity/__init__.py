"""Who may log in, who may send as whom, and what an address of ours means.

A login goes: `LoginBrake.wait` (by the brain) -> a mechanism of `sasl` -> `Passwords.check` in a thread (or
SCRAM's own proof, `TokenChecker.check`, `certificate_owner`) -> `LoginBrake.succeeded` / ``failed``.  A recipient goes: `Directory.resolve` -> its
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
from .apppasswords import MadeAppPassword, add_app_password, revoke_app_password, scoped, why_not
from .brake import ConnectionBrake, LoginBrake, is_within, network_of, plain_address
from .directory import ALIAS_LOOP, Directory
from .external import add_certificate, peer_certificate, remove_certificate
from .external import owner as certificate_owner
from .passwords import Checked, Login, Passwords, RandomBytes, generate_password, prepare, scram_verifier
from .ports import (
    Account,
    AccountStore,
    AppPassword,
    ClientCertificate,
    DomainKind,
    PeerCertificate,
    Resolution,
    TokenChecked,
    TokenChecker,
)
from .settings import (
    ConnectionBrakeSettings,
    DirectorySettings,
    LoginBrakeSettings,
    Network,
    OAuthSettings,
    PasswordSettings,
    Window,
)
from .tokens import make_token_checker

__all__ = [
    "ALIAS_LOOP",
    "REPORTS",
    "Account",
    "AccountError",
    "AccountStore",
    "AppPassword",
    "Checked",
    "ClientCertificate",
    "ConnectionBrake",
    "ConnectionBrakeSettings",
    "Directory",
    "DirectorySettings",
    "DomainKind",
    "Login",
    "LoginBrake",
    "LoginBrakeSettings",
    "MadeAccount",
    "MadeAppPassword",
    "Network",
    "OAuthSettings",
    "PasswordSettings",
    "Passwords",
    "PeerCertificate",
    "RandomBytes",
    "Resolution",
    "TokenChecked",
    "TokenChecker",
    "Window",
    "add_app_password",
    "add_certificate",
    "certificate_owner",
    "generate_password",
    "is_within",
    "make_account",
    "make_token_checker",
    "may_send_as",
    "may_send_reports",
    "network_of",
    "peer_certificate",
    "plain_address",
    "prepare",
    "rehashed",
    "remove_certificate",
    "revoke_app_password",
    "scoped",
    "scram_verifier",
    "why_not",
]
