"""What checking and making signatures may cost, and what is done where the rules leave a choice."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DkimSettings:
    """Bounds and policy of one check (RFC 6376 section 6.1, RFC 8301 section 3).

    `candidates` fields are read and `signatures` of them checked; a longer field than `signature_octets`, a longer
    key record than `record_octets` is not read, and of several records under one name `records` are tried.
    RSA keys outside of `min_rsa_bits` to `max_rsa_bits` are refused (RFC 8301 section 3.2).  `expiry_slack` and
    `future_slack` (seconds) forgive clocks that differ; `deadline` (seconds) is for each key lookup.
    `accept_partial` counts a signature that leaves octets of the body unsigned (``l=``); it should not be set:
    anything can be appended to such a message.  `service` is the service type a key must allow (``s=``).
    """

    signatures: int = 8
    candidates: int = 50
    signature_octets: int = 16 * 1024
    signed_names: int = 1_000
    record_octets: int = 8 * 1024
    records: int = 4
    min_rsa_bits: int = 1024
    max_rsa_bits: int = 4096
    expiry_slack: float = 300.0
    future_slack: float = 36_000.0
    deadline: float = 20.0
    accept_partial: bool = False
    service: str = "email"


@dataclass(frozen=True, slots=True)
class SigningSettings:
    """Which fields a signature covers (RFC 6376 sections 5.4 and 8.15); names in lower case.

    Fields in `sealed` are listed once more than they occur, so that none can be added, not even where there is
    none; those in `guarded` likewise, but only where they occur (mailing lists may add them otherwise); those in
    `signed` as often as they occur.  `expires_after` in seconds writes ``x=``; None leaves it out, since mail may
    wait for days.
    """

    sealed: tuple[str, ...] = ("from", "reply-to", "subject", "to", "cc")
    guarded: tuple[str, ...] = (
        "sender",
        "date",
        "message-id",
        "in-reply-to",
        "references",
        "mime-version",
        "content-type",
        "content-transfer-encoding",
        "list-unsubscribe",  # RFC 8058 section 4 wants both signed
        "list-unsubscribe-post",
        "tls-required",  # RFC 8689 section 5
        "tls-report-domain",  # RFC 8460 section 5.3
        "tls-report-submitter",
        "autocrypt",
    )
    signed: tuple[str, ...] = (
        "resent-date",
        "resent-from",
        "resent-sender",
        "resent-to",
        "resent-cc",
        "resent-message-id",
        "content-id",
        "content-description",
        "list-id",
        "list-help",
        "list-subscribe",
        "list-post",
        "list-owner",
        "list-archive",
    )
    expires_after: int | None = None


@dataclass(frozen=True, slots=True)
class SelectorSettings:
    """When keys change; all in seconds.

    A new key takes over once its record has been seen in the DNS without a break for `settle` (longer than the time
    a resolver may remember that it was missing); where no key is in use, at first sight.  A key that was followed by another stays published for
    `retire_after`: longer than mail may wait in any queue.  `rotate_after` None makes no new keys by itself.
    """

    settle: float = 3_600.0
    retire_after: float = 8 * 86_400.0
    rotate_after: float | None = 180 * 86_400.0
    prefix: str = "k"
