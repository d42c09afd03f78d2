"""When a certificate is to be had anew: after two thirds of its life, or when its authority says so (RFC 9773).

Pure.  What spreads the load is taken from the certificate itself, so that a restart does not throw the dice again.
"""

import zlib
from dataclasses import dataclass

SHARE_OF_LIFE = 2 / 3
SPREAD = 0.05  # of its life, behind that: no two servers come in the same second
FIRST_RETRY = 900.0  # seconds after a failure; Let's Encrypt takes five failed validations an hour
MOST_RETRY = 86_400.0
RETRY_SPREAD = 0.25


@dataclass(frozen=True, slots=True)
class Window:
    """When an authority wants a certificate to be renewed: seconds since the epoch."""

    start: float
    end: float


def renew_at(begins: float, ends: float, serial: int, window: Window | None = None) -> float:
    """Return when to renew a certificate that is valid from `begins` to `ends` (seconds since the epoch)."""
    share = zlib.crc32(f"{serial:x}".encode()) / 2**32
    if window is not None:
        return window.start + share * (window.end - window.start)
    return begins + (ends - begins) * (SHARE_OF_LIFE + share * SPREAD)


def next_try(failures: int, failed_at: float, retry_after: float, roll: float) -> float:
    """Return when to try again after so many failures in a row; `roll` is a random number in [0, 1)."""
    wait = min(FIRST_RETRY * 2 ** max(failures - 1, 0), MOST_RETRY) if failures < 16 else MOST_RETRY
    wait *= 1 + RETRY_SPREAD * (2 * roll - 1)
    return failed_at + max(wait, retry_after)
