"""SCRAM-SHA-256 keys (RFC 5802 section 3, RFC 7677), and which of an account's passwords a key belongs to."""

import hashlib
import hmac

from .ports import Account, AppPassword, ScramKeys

ITERATIONS = 15_000
"""What every account is made with, so that how long a derivation takes says nothing about the account."""


def scram_keys(password: str, salt: bytes, iterations: int = ITERATIONS) -> ScramKeys:
    """Return the keys of a prepared password."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    return iterations, salt, stored_key, hmac.digest(salted, b"Server Key", "sha256")


def common_salt(account: Account) -> tuple[int, bytes] | None:
    """Return count and salt that all keys of the account share; None where it has no keys yet."""
    first = account.scram or next((p.scram for p in account.app_passwords), None)
    return None if first is None else first[:2]


def candidates(account: Account) -> list[tuple[ScramKeys, AppPassword | None]]:
    """Return every key that a login may be proved with: the account's own first, then those of app passwords."""
    common = common_salt(account)
    every = [(account.scram, None), *((p.scram, p) for p in account.app_passwords)]
    return [(keys, used) for keys, used in every if keys is not None and keys[:2] == common]


def matching(account: Account | None, password: str, dummy_salt: bytes) -> AppPassword | None:
    """Return the app password that `password` is.  One derivation, whether or not there is an account."""
    apps = account.app_passwords if account is not None else ()
    iterations, salt = apps[0].scram[:2] if apps else (ITERATIONS, dummy_salt)
    stored = scram_keys(password, salt, iterations)[2]
    found = None
    for app in apps:
        if hmac.compare_digest(app.scram[2], stored) and app.scram[1] == salt:
            found = app
    return found
