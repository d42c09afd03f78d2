"""What can be set in the sandbox."""

from dataclasses import dataclass

from . import store


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """Limits.  Sizes in octets, times in seconds.

    `idle` is how long a client may be silent; a part that hangs does so until the client goes away, but at
    most `hang`.  `attempts` bounds how many messages ``defer-<N>`` remembers.
    """

    max_size: int = 128 * 1024 * 1024
    max_messages: int = store.MAX_MESSAGES
    max_octets: int = store.MAX_OCTETS
    idle: float = 300.0
    hang: float = 3600.0
    attempts: int = 10_000
    pending_bounces: int = 1_000
