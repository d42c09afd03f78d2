"""Passwords: made, hashed with argon2id (RFC 9106), and checked without telling who exists.

Rules: what is longer than 1 KB or not preparable by SASLprep (RFC 4013) is refused before hashing; an
unknown name costs the same hash as a wrong password; what has the shape of a generated password is compared
with app passwords first, whoever asks; hashing runs in the pool passed in, a few at a
time; a right password is remembered for minutes as a digest under a key that dies with the process,
so that a client that sends a hundred mails pays for one hash.
"""

import asyncio
import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from enum import Enum

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from scramp import ScramException
from scramp.utils import saslprep

from kurir.model import Clock

from .ports import Account, AppPassword, ScramKeys
from .scramkeys import matching, scram_keys
from .settings import PasswordSettings

RandomBytes = Callable[[int], bytes]

MAX_PASSWORD = 1024
"""Octets of a password or user name that are looked at; more is refused before any work."""

# 32 characters without look-alikes: five bits each, so four groups of five are 100 bits.
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_GENERATED = re.compile(f"[{_ALPHABET}]{{5}}(-[{_ALPHABET}]{{5}}){{3}}")


class Login(str, Enum):
    """What checking a password came to."""

    RIGHT = "right"
    WRONG = "wrong"
    BUSY = "busy"  # too many hashes wait: try later, nothing is said about the password


@dataclass(frozen=True, slots=True)
class Checked:
    """`rehashed` is a new hash of the right password where the stored one has other parameters.

    `app` is the app password that it was, None for the account's own.
    """

    login: Login
    rehashed: str | None = None
    app: AppPassword | None = None


def generate_password(random: RandomBytes) -> str:
    """Return a password of 23 characters (100 bits) that can be read aloud: ``k7wmx-...``."""
    letters = "".join(_ALPHABET[b & 31] for b in random(20))
    return "-".join(letters[i : i + 5] for i in range(0, 20, 5))


def prepare(text: str) -> str | None:
    """Return `text` after SASLprep, or None where it is empty, too long or forbidden (NUL, controls)."""
    if not text or len(text) > MAX_PASSWORD or len(text.encode("utf-8", "surrogatepass")) > MAX_PASSWORD:
        return None
    if text.isascii():
        return text if text.isprintable() else None
    try:
        return str(saslprep(text)) or None
    except ScramException:
        return None


def looks_generated(password: str) -> bool:
    """Whether the password has the shape of those we generate."""
    return _GENERATED.fullmatch(password) is not None


def scram_verifier(password: str, random: RandomBytes, *, iterations: int = 15_000) -> ScramKeys:
    """Return the SCRAM-SHA-256 verifier (RFC 7677) of an already prepared password: `Account.scram`."""
    return scram_keys(password, random(16), iterations)


class Passwords:
    """Hashes and checks.  One per process; `executor` bounds the threads, `random` is ``os.urandom``."""

    def __init__(
        self, settings: PasswordSettings, *, executor: Executor, clock: Clock, random: RandomBytes
    ) -> None:
        self._settings = settings
        self._executor = executor
        self._clock = clock
        self._key = random(32)
        self._random = random
        self._hasher = PasswordHasher(
            time_cost=settings.time_cost,
            memory_cost=settings.memory_kib,
            parallelism=settings.parallelism,
            type=Type.ID,
        )
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._waiting = 0
        # digest -> until when, and the StoredKey of the app password that it was
        self._known: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()
        self._salt = random(16)
        self._dummy: str | None = None

    def hash(self, password: str) -> str:
        """Return the encoded argon2id hash of a prepared password.  Blocks for some 25 ms."""
        return self._hasher.hash(password, salt=self._random(16))

    async def check(self, account: Account | None, password: str) -> Checked:
        """Check a password as it was typed.  `account` None costs the same and is always wrong."""
        prepared = prepare(password)
        if prepared is None:
            return Checked(Login.WRONG)
        digest = self._digest(account, prepared) if account is not None else b""
        known = self._remembered(digest, account) if account is not None else None
        if known is not None:
            return known
        if self._waiting >= self._settings.waiting:
            return Checked(Login.BUSY)
        self._waiting += 1
        try:
            async with self._slots:
                loop = asyncio.get_running_loop()
                checked = await loop.run_in_executor(self._executor, self._check, account, prepared)
        finally:
            self._waiting -= 1
        if digest and checked.login is Login.RIGHT:
            self._remember(digest, checked)
        return checked

    def _check(self, account: Account | None, password: str) -> Checked:
        if self._dummy is None:  # made by the first check of any kind, so that its cost tells nothing
            self._dummy = self.hash("nobody has this password")
        app = matching(account, password, self._salt) if looks_generated(password) else None
        if app is not None:
            return Checked(Login.RIGHT, app=app)
        known = account is not None and bool(account.password_hash)
        encoded = account.password_hash if account is not None and known else self._dummy
        try:
            self._hasher.verify(encoded, password)
        except (VerificationError, InvalidHashError):
            return Checked(Login.WRONG)
        if not known:
            return Checked(Login.WRONG)
        old = self._hasher.check_needs_rehash(encoded)
        return Checked(Login.RIGHT, self.hash(password) if old else None)

    def _digest(self, account: Account, password: str) -> bytes:
        # The stored hash is part of it: a changed password forgets what was remembered.
        parts = f"{account.name}\0{account.password_hash}\0{password}".encode()
        return hmac.new(self._key, parts, hashlib.sha256).digest()

    def _remembered(self, digest: bytes, account: Account) -> Checked | None:
        until, key = self._known.get(digest, (0.0, b""))
        if until <= self._clock.monotonic():
            self._known.pop(digest, None)
            return None
        if not key:
            return Checked(Login.RIGHT)
        app = next((p for p in account.app_passwords if p.scram[2] == key), None)
        return Checked(Login.RIGHT, app=app) if app is not None else None  # None: revoked meanwhile

    def _remember(self, digest: bytes, checked: Checked) -> None:
        until = self._clock.monotonic() + self._settings.remember
        self._known[digest] = (until, checked.app.scram[2] if checked.app is not None else b"")
        self._known.move_to_end(digest)
        while len(self._known) > self._settings.remembered:
            self._known.popitem(last=False)
