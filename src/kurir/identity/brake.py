"""The brakes at the door: against guessing passwords, and against too many connections and messages.

Pure arithmetic with bounded tables; the clock is passed in.  Failed logins are counted per client
address, per network (/24, /64) and per pair of client and account; each count ends the attempts from
*there* and expires by itself.  What is counted per account only slows clients the account has never
logged in from, so nobody can lock out somebody from elsewhere.
"""

from collections import OrderedDict, deque
from collections.abc import Hashable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Generic, TypeVar

from kurir.model import Clock

from .settings import ConnectionBrakeSettings, LoginBrakeSettings, Network, Window

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MAX_NAME = 256
"""Characters of an account name that tables keep."""


class _Table(OrderedDict[K, V], Generic[K, V]):
    """A dict that forgets what was touched longest ago above `bound` keys."""

    def __init__(self, bound: int) -> None:
        super().__init__()
        self._bound = bound

    def touch(self, key: K, value: V) -> V:
        self[key] = value
        self.move_to_end(key)
        if len(self) > self._bound:
            self.popitem(last=False)
        return value


class _Windows(Generic[K]):
    """Sliding windows: the last `limit` times of each key."""

    def __init__(self, window: Window, keys: int) -> None:
        self.window = window
        self._times: _Table[K, deque[float]] = _Table(keys)

    def add(self, key: K, now: float) -> None:
        times = self._times.get(key)
        if times is None:
            times = deque(maxlen=max(self.window.limit, 1))
        times.append(now)
        self._times.touch(key, times)

    def wait(self, key: K, now: float) -> float:
        """Seconds until the key is below its limit again, 0 where it is."""
        times = self._times.get(key)
        if times is None or len(times) < self.window.limit:
            return 0.0
        return max(0.0, times[0] + self.window.seconds - now)

    def recent(self, key: K, now: float) -> tuple[int, float]:
        """How many times lie in the window, and when the last was."""
        times = self._times.get(key)
        if not times:
            return 0, 0.0
        since = now - self.window.seconds
        return sum(t > since for t in times), times[-1]

    def forget(self, key: K) -> None:
        self._times.pop(key, None)

    def __len__(self) -> int:
        return len(self._times)


class _Pace(Generic[K]):
    """A burst of `limit`, then as many in each `seconds` at an even pace: one number for each key.

    (The generic cell rate algorithm, ITU-T I.371: the number is when the next one would be due at that pace.)
    """

    def __init__(self, window: Window, keys: int) -> None:
        self._every = window.seconds / max(window.limit, 1)
        self._burst = window.seconds
        self._due: _Table[K, float] = _Table(keys)

    def free(self, key: K, now: float) -> bool:
        """Whether one more fits now."""
        return max(self._due.get(key, now), now) + self._every <= now + self._burst + 1e-6

    def add(self, key: K, now: float) -> None:
        self._due.touch(key, max(self._due.get(key, now), now) + self._every)


@lru_cache(4096)  # asked for each message of a connection
def plain_address(client: str) -> IPv4Address | IPv6Address | None:
    """Return the client's IP address with IPv4-mapped IPv6 written as IPv4; None for a unix socket."""
    try:
        address = ip_address(client.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def network_of(client: str) -> str:
    """Return the network that a client is counted under: its /24 or /64 as text, or the text itself."""
    address = plain_address(client)
    if address is None:
        return client
    keep = 24 if address.version == 4 else 64
    shift = address.max_prefixlen - keep
    return f"{type(address)(int(address) >> shift << shift)}/{keep}"


def is_within(client: str, networks: tuple[Network, ...]) -> bool:
    """Whether the client's address lies in one of the networks."""
    address = plain_address(client)
    return address is not None and any(address in n for n in networks if n.version == address.version)


class LoginBrake:
    """Counts failed logins and says how long the next attempt has to wait."""

    def __init__(self, settings: LoginBrakeSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        keys = settings.keys
        self._addresses: _Windows[str] = _Windows(settings.address, keys)
        self._networks: _Windows[str] = _Windows(settings.network, keys)
        self._pairs: _Windows[tuple[str, str]] = _Windows(settings.pair, keys)
        # Twice the limit is kept, so that the pause can grow.
        self._accounts: _Windows[str] = _Windows(
            Window(settings.account.limit * 2, settings.account.seconds), keys
        )
        self._familiar: _Table[tuple[str, str], float] = _Table(keys)

    def wait(self, client: str, account: str) -> float:
        """Return the seconds this attempt has to wait; 0 means go on."""
        now = self._clock.monotonic()
        name = _name(account)
        waits = [self._pairs.wait((client, name), now)]
        if not self._is_familiar(client, name, now):
            waits.append(self._addresses.wait(client, now))
            if not is_within(client, self._settings.trusted):
                waits.append(self._networks.wait(network_of(client), now))
            waits.append(self._pause(name, now))
        return max(waits)

    def failed(self, client: str, account: str) -> None:
        """Count a failed login."""
        now = self._clock.monotonic()
        name = _name(account)
        self._addresses.add(client, now)
        self._networks.add(network_of(client), now)
        self._pairs.add((client, name), now)
        if not self._is_familiar(client, name, now):
            self._accounts.add(name, now)

    def succeeded(self, client: str, account: str) -> None:
        """Note a good login: the pair starts afresh and is familiar.

        The counts of the address and its network stay: one stolen account must not wash away the
        guessing at others.
        """
        name = _name(account)
        self._pairs.forget((client, name))
        self._familiar.touch((client, name), self._clock.monotonic() + self._settings.familiar)

    def _is_familiar(self, client: str, name: str, now: float) -> bool:
        return self._familiar.get((client, name), now) > now

    def _pause(self, name: str, now: float) -> float:
        count, last = self._accounts.recent(name, now)
        above = count - self._settings.account.limit
        if above < 0:
            return 0.0
        pause = min(2.0 ** min(above, 30), self._settings.longest_pause)
        return max(0.0, last + pause - now)

    def size(self) -> int:
        """Number of keys kept (for metrics)."""
        return (
            len(self._addresses)
            + len(self._networks)
            + len(self._pairs)
            + len(self._accounts)
            + len(self._familiar)
        )


def _name(account: str) -> str:
    return account[:MAX_NAME].lower()


class ConnectionBrake:
    """Counts connections and the messages they bring.

    `admit` counts the attempt itself; each admitted one is given back by `departed`.
    """

    def __init__(self, settings: ConnectionBrakeSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._open: dict[str, int] = {}
        self._address_rate: _Windows[str] = _Windows(settings.address_rate, settings.keys)
        self._network_rate: _Windows[str] = _Windows(settings.network_rate, settings.keys)
        self._address_messages: _Pace[str] = _Pace(settings.address_messages, settings.keys)
        self._network_messages: _Pace[str] = _Pace(settings.network_messages, settings.keys)

    def admit(self, client: str) -> str | None:
        """Return None and count the connection, or the reason in words why it is one too many."""
        network = network_of(client)
        if plain_address(client) is not None and not is_within(client, self._settings.trusted):
            refusal = self._refusal(client, network)
            if refusal:
                return refusal
        for key in {client, network}:
            self._open[key] = self._open.get(key, 0) + 1
        return None

    def _refusal(self, client: str, network: str) -> str | None:
        s = self._settings
        now = self._clock.monotonic()
        if self._open.get(client, 0) >= s.per_address:
            return "too many connections at once from your address"
        if self._open.get(network, 0) >= s.per_network:
            return "too many connections at once from your network"
        if self._address_rate.wait(client, now) > 0:
            return "too many connections in a short time from your address"
        if self._network_rate.wait(network, now) > 0:
            return "too many connections in a short time from your network"
        self._address_rate.add(client, now)
        self._network_rate.add(network, now)
        return None

    def message(self, client: str) -> str | None:
        """Return None and count a message that begins, or the reason in words why it is one too many."""
        if plain_address(client) is None or is_within(client, self._settings.trusted):
            return None
        network = network_of(client)
        now = self._clock.monotonic()
        if not self._address_messages.free(client, now):
            return "too many messages in a short time from your address"
        if not self._network_messages.free(network, now):
            return "too many messages in a short time from your network"
        self._address_messages.add(client, now)
        self._network_messages.add(network, now)
        return None

    def departed(self, client: str) -> None:
        """Give an admitted connection back."""
        for key in {client, network_of(client)}:
            left = self._open.get(key, 0) - 1
            if left > 0:
                self._open[key] = left
            else:
                self._open.pop(key, None)

    @property
    def connections(self) -> int:
        """Addresses and networks that hold a connection (for metrics)."""
        return len(self._open)
