"""Trace fields: what Kurir writes in front of a message, and what it reads there to see a loop.

`Received:` after RFC 5321 section 4.4 with the protocol words of RFC 3848, and `Return-Path:` (same section).  Nothing that a peer sent gets in unwashed: no value can end the
line, close a comment or pose as another clause.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from kurir.model import Address, Origin

from .dates import format_date
from .headers import Headers

SOFTWARE = "Kurir"

# What may stand in a domain, an address literal or a TLS name; all else becomes "?".
_FOREIGN = re.compile(r"[^A-Za-z0-9.:_+=/\[\]-]")
_CONTROL = re.compile("[\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_BY = re.compile(rb"(?:\A|[ \t)])by[ \t]++([^ \t();]++)", re.IGNORECASE)
_COMMENT = re.compile(rb"\([^()]*+\)")

_MAX_NAME = 255


@dataclass(frozen=True, slots=True)
class HopLimits:
    """When a message has travelled too far (RFC 5321 section 6.3): all servers, and ours alone."""

    received: int = 50
    own: int = 8


def received_field(
    origin: Origin,
    *,
    by: str,
    queue_id: str,
    at: float,
    recipients: Sequence[Address] = (),
    hide_client: bool = False,
    client_name: str = "",
    offset_minutes: int = 0,
) -> bytes:
    """Return our ``Received:`` field, CRLF included.

    `by` is our host name; `at` epoch seconds.  The `for` clause is written only for a single recipient (two would
    betray each other) in ASCII.  `hide_client` leaves out who handed it in, for submission.  `client_name` is
    the verified reverse name of the client, if any.
    """
    clauses = [] if hide_client or not (origin.helo or origin.client) else [_from_clause(origin, client_name)]
    tls = f" ({_name(origin.tls.version)} {_name(origin.tls.cipher)})" if origin.tls else ""
    clauses.append(f"by {_name(by)} ({SOFTWARE}) with {_name(origin.protocol or 'ESMTP')}{tls}")
    for_whom = ""
    if len(recipients) == 1 and recipients[0].is_ascii:
        for_whom = f"\r\n\tfor <{_washed(str(recipients[0]))}>"
    clauses.append(f"id {_name(queue_id)}{for_whom}; {format_date(at, offset_minutes)}")
    return ("Received: " + "\r\n\t".join(clauses) + "\r\n").encode("ascii", "replace")


def _from_clause(origin: Origin, client_name: str) -> str:
    helo = _name(origin.helo) or "unknown"
    if not origin.client:
        return f"from {helo}"
    ip = _name(origin.client)
    literal = f"[IPv6:{ip}]" if ":" in ip else f"[{ip}]"
    return f"from {helo} ({_name(client_name) + ' ' if client_name else ''}{literal})"


@lru_cache(4096)  # the same few names stand in the fields of all messages
def _name(text: str) -> str:
    return _FOREIGN.sub("?", text[:_MAX_NAME])


def _washed(text: str) -> str:
    return _CONTROL.sub("?", text)


def return_path(reverse_path: Address | None) -> bytes:
    """Return the ``Return-Path:`` field for the final delivery; None is the null sender."""
    return f"Return-Path: <{_washed(str(reverse_path)) if reverse_path else ''}>\r\n".encode()


def count_received(head: Headers) -> int:
    """Return how many servers the message says it has passed."""
    return len(head.named(b"Received"))


def own_passes(head: Headers, by: str) -> int:
    """Return how often the message has passed the server called `by` (its name in the ``by`` clause)."""
    name = by.lower().encode()
    passes = 0
    for value in head.all(b"Received"):
        m = _BY.search(_COMMENT.sub(b" ", value))
        passes += bool(m and m[1].lower() == name)
    return passes


def loop_reason(head: Headers, by: str, *, limits: HopLimits | None = None) -> str | None:
    """Return in plain words why the message runs in a circle, or None (RFC 5321 section 6.3; answer 554 5.4.6)."""
    limits = limits or HopLimits()
    hops = count_received(head)
    if hops > limits.received:
        return f"the message has passed {hops} servers; {limits.received} are allowed"
    own = own_passes(head, by)
    if own > limits.own:
        return f"the message has passed this server {own} times; {limits.own} are allowed"
    return None
