"""Settings of the identity room: plain values, read by `kurir.config`, passed in by `kurir.app`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from kurir.model import Address

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class PasswordSettings:
    """Cost of a password hash and who may wait for one.

    The argon2id figures are the OWASP minimum (19 MiB, two passes, one lane): about 25 ms, so that
    guessing is dear and a few hashes at once do not grow the process by much.  `concurrency` hashes run
    at a time, `waiting` more may queue; beyond that a login is put off (454).  A password proven right
    is remembered for `remember` seconds (keyed digest only) for at most `remembered` clients.
    """

    time_cost: int = 2
    memory_kib: int = 19 * 1024
    parallelism: int = 1
    concurrency: int = 2
    waiting: int = 200
    remember: float = 300.0
    remembered: int = 4096


@dataclass(frozen=True, slots=True)
class DirectorySettings:
    """What our domains are and what their addresses mean.

    Domains are lower-case A-labels.  `aliases` maps `Address.key` to its targets; `catch_all` a local
    domain to the address that takes whatever is unknown there; `literals` are address literals (as
    `Address.domain` writes them) that stand for `default_domain`.  `postmaster` takes the mail for
    ``postmaster`` and ``abuse`` where these have no entry of their own.
    """

    local: frozenset[str] = frozenset()
    relayed: frozenset[str] = frozenset()
    aliases: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)
    catch_all: Mapping[str, Address] = field(default_factory=dict)
    postmaster: Address | None = None
    separator: str = "+"
    literals: frozenset[str] = frozenset()
    default_domain: str = ""
    refresh: float = 5.0
    max_depth: int = 10
    max_targets: int = 500


@dataclass(frozen=True, slots=True)
class Window:
    """At most `limit` in `seconds`."""

    limit: int
    seconds: float


@dataclass(frozen=True, slots=True)
class LoginBrakeSettings:
    """How many failed logins are borne.

    `account` does not lock: beyond its limit unfamiliar clients are let through one at a time, spaced by
    a pause that doubles up to `longest_pause` seconds.  A client stays familiar to an account for
    `familiar` seconds after a good login.  `keys` bounds each table.
    """

    address: Window = Window(20, 3600.0)
    network: Window = Window(100, 3600.0)
    pair: Window = Window(10, 900.0)
    account: Window = Window(20, 3600.0)
    longest_pause: float = 60.0
    familiar: float = 30 * 86400.0
    keys: int = 20_000
    trusted: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class ConnectionBrakeSettings:
    """How many connections one address and one network may hold and open in a while, and how many messages they may bring."""

    per_address: int = 50
    per_network: int = 200
    address_rate: Window = Window(300, 60.0)
    network_rate: Window = Window(1200, 60.0)
    address_messages: Window = Window(6000, 60.0)
    network_messages: Window = Window(24_000, 60.0)
    keys: int = 20_000
    trusted: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class OAuthSettings:
    """Whose bearer tokens are taken, and what must stand in them.

    Either `jwks` (a path, or an HTTPS address) checks signed tokens here, or `introspection` (an address, RFC 7662, with
    `client_id` and `client_secret`) asks the issuer about each.  `audience`: one of them must be in the token;
    `claim` names the account; `scope` is required where set.  `leeway` seconds are borne between the clocks.  Keys are kept
    `keys_for` seconds, `stale_for` where no fresh ones can be had; unknown keys are asked for every `hurry` seconds at most.
    """

    issuer: str
    audience: tuple[str, ...] = ()
    jwks: str = ""
    introspection: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "EdDSA")
    claim: str = "email"
    scope: str = ""
    configuration: str = ""
    leeway: float = 60.0
    keys_for: float = 3600.0
    stale_for: float = 86400.0
    hurry: float = 60.0
    remember: float = 60.0
    remembered: int = 4096
