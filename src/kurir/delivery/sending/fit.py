"""Does what the message needs fit what this peer offers?  Decided before a byte of it is sent.

A message that does not fit is converted where that loses nothing (8-bit body), or refused with the reason
here rather than mangled or rejected after an upload (RFC 6531, RFC 6152, RFC 1870).  What protection it
needs was decided when the session was opened.
"""

from dataclasses import dataclass

from kurir.delivery.connecting.session import Offer, Trouble
from kurir.model import Body, Cause, OutcomeKind, Stage
from kurir.queue.asks import Lease, Work


@dataclass(frozen=True, slots=True)
class Fit:
    """`refused` recipients are not tried, with the reason.  `convert`: the body must become 7-bit first.

    `ascii_header` says that the header must prove to be ASCII before the message may go without SMTPUTF8.
    """

    work: tuple[Work, ...]
    refused: tuple[tuple[Work, Trouble], ...] = ()
    convert: bool = False
    ascii_header: bool = False


def fit(lease: Lease, offer: Offer, host: str) -> Fit:
    """Return how the lease can go to a peer with that offer."""
    params = lease.params
    large = too_large(len(lease.trace_block) + lease.size, offer, host)
    if large is not None:
        return Fit((), tuple((work, large) for work in lease.work))
    work = lease.work
    refused: tuple[tuple[Work, Trouble], ...] = ()
    if not offer.smtputf8:
        reverse = lease.reverse_path
        if reverse is not None and not reverse.is_ascii:
            return _none(
                lease, host, Stage.MAIL, Cause.NEEDS_SMTPUTF8, f"the sender's address {reverse} needs {_UTF8}"
            )
        bad = [w for w in work if not w.recipient.address.is_ascii]
        if bad:
            work = tuple(w for w in work if w.recipient.address.is_ascii)
            refused = tuple((w, _needs_utf8(w, host)) for w in bad)
    return Fit(
        work,
        refused,
        convert=(not offer.eightbit and params.body is not Body.SEVEN)
        or (params.body is Body.BINARY and not offer.binarymime),
        ascii_header=params.smtputf8 and not offer.smtputf8,
    )


_UTF8 = "SMTPUTF8, which the server does not offer (5.6.7)"


def _needs_utf8(work: Work, host: str) -> Trouble:
    return Trouble(
        stage=Stage.RCPT,
        cause=Cause.NEEDS_SMTPUTF8,
        kind=OutcomeKind.FAILED,
        host=host,
        detail=f"the address {work.recipient.address} needs {_UTF8}",
    )


def too_large(octets: int, offer: Offer, host: str) -> Trouble | None:
    """Return the trouble of a message that is larger than the peer takes (RFC 1870 section 6.1), or None."""
    if not offer.size or octets <= offer.size:
        return None
    return Trouble(
        stage=Stage.MAIL,
        cause=Cause.TOO_LARGE,
        kind=OutcomeKind.FAILED,
        host=host,
        detail=f"the message has {octets} octets, the server takes at most {offer.size} (5.3.4)",
    )


def header_needs_utf8(host: str) -> Trouble:
    """Return the trouble of a message whose header is not ASCII, at a peer without SMTPUTF8."""
    return Trouble(
        stage=Stage.MAIL,
        cause=Cause.NEEDS_SMTPUTF8,
        kind=OutcomeKind.FAILED,
        host=host,
        detail=f"the header of the message needs {_UTF8}",
    )


def _none(lease: Lease, host: str, stage: Stage, cause: Cause, detail: str) -> Fit:
    trouble = Trouble(stage=stage, cause=cause, kind=OutcomeKind.FAILED, host=host, detail=detail)
    return Fit((), tuple((work, trouble) for work in lease.work))
