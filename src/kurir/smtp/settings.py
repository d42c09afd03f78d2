"""What a listener offers and bears: the settings of the server role."""

from dataclasses import dataclass
from typing import Literal

from . import limits


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What a listener offers.  Sizes in octets; `max_size` 0 means no limit is announced.

    `hostname` is our name in the banner and in EHLO.  `auth_mechanisms` are offered only when
    `tls` is on (or `auth_without_tls` for tests on a unix socket).  `max_text_line` 0 takes lines of
    any length.  `nul_in_body` says what becomes of octets 0 in a body: ``"keep"`` passes them on as they
    came, except where a next hop that drops them would see an end of data (always 550 5.6.0);
    ``"refuse"`` answers 550 5.6.0 to any, unless the client declared ``BODY=BINARYMIME``.
    """

    hostname: str
    lmtp: bool = False
    max_size: int = 50 * 1024 * 1024
    max_recipients: int = limits.RECIPIENTS
    max_transactions: int = 0
    offer_starttls: bool = False
    auth_mechanisms: tuple[str, ...] = ()
    auth_required: bool = False
    auth_without_tls: bool = False
    offer_xclient: bool = False
    offer_requiretls: bool = False
    offer_mt_priority: bool = False
    binarymime: bool = False
    max_errors: int = limits.ERRORS
    max_auth_failures: int = limits.AUTH_FAILURES
    max_idle_commands: int = limits.IDLE_COMMANDS
    max_text_line: int = limits.TEXT_LINE
    nul_in_body: Literal["keep", "refuse"] = "keep"
