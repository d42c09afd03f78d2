"""What a message handed in by a user still needs, and what must not leave with it (RFC 6409 section 8, RFC 5322 section 3.6).

Pure: who, when and the fresh id are parameters.  The answer is a prefix to put in front and spans to cut from the
header block; no other octet changes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from kurir.model import Address, Cause, Reply

from .addresses import AddressProblem, MailboxList, parse_mailboxes
from .dates import format_date
from .headers import Headers, Problem
from .received import return_path
from .sealed import SEAL_FIELD, Seal, seal_of

# Blind copies must not be seen by anybody (RFC 5322 section 3.6.3); Return-Path is the last server's to write; what is
# asked of this server is nobody else's business; a priority travels as a parameter, and in a field of ours where
# that is not known (RFC 6758 section 3.3).
_REMOVED = (b"bcc", b"resent-bcc", b"return-path", b"mt-priority", SEAL_FIELD)
# RFC 5322 section 3.6: these occur once at most.  More than one lets two readers see two different letters.
_ONCE: tuple[bytes, ...] = (
    b"from",
    b"sender",
    b"date",
    b"message-id",
    b"reply-to",
    b"to",
    b"cc",
    b"subject",
    b"in-reply-to",
)
_ONCE += (b"references", b"mime-version", b"content-type", b"content-transfer-encoding")


class Fault(Enum):
    """Why a submission is refused: cause, code, enhanced code, and what a person reads."""

    TOO_MUCH_HEADER = (Cause.MALFORMED, 552, "5.3.4", "The header of the message is too large")
    BROKEN_HEADER = (Cause.MALFORMED, 550, "5.6.0", "The header of the message is malformed")
    DUPLICATE_FIELD = (Cause.MALFORMED, 550, "5.6.0", "A header field that may occur once occurs twice")
    NO_FROM = (Cause.MALFORMED, 550, "5.6.0", "The message has no From address")
    BAD_FROM = (Cause.MALFORMED, 550, "5.6.0", "The From address cannot be understood")
    NO_SENDER = (Cause.MALFORMED, 550, "5.6.0", "Several From addresses need a Sender field")
    BAD_SENDER = (Cause.MALFORMED, 550, "5.6.0", "The Sender address cannot be understood")
    NOT_YOURS = (Cause.SENDER_NOT_YOURS, 550, "5.7.1", "You may not send as this address")
    BAD_SEAL = (Cause.MALFORMED, 550, "5.6.0", "Kurir-Sealed has one of the values yes, strict and no")
    RAW_LETTERS = (
        Cause.MALFORMED,
        550,
        "5.6.0",
        "A header field has letters beyond ASCII, neither encoded (RFC 2047) nor sent with SMTPUTF8",
    )

    @property
    def cause(self) -> Cause:
        """The cause for the observation."""
        cause: Cause = self.value[0]
        return cause


@dataclass(frozen=True, slots=True)
class Edits:
    """What to do to the message.

    `prefix` goes in front (complete fields, with the empty line where the text had no header); `cuts` are spans
    of the scanned octets to leave out, in order, all before the body proper.  `seal` is what the author demands of
    its way.  With a `fault` it is refused.
    """

    prefix: bytes = b""
    cuts: tuple[tuple[int, int], ...] = ()
    fault: Fault | None = None
    detail: str = ""
    seal: Seal = Seal.NO

    @property
    def reply(self) -> Reply | None:
        """The refusal to send, or None."""
        if self.fault is None:
            return None
        _, code, enhanced, text = self.fault.value
        return Reply.of(code, enhanced, f"{text}: {self.detail}" if self.detail else text)

    @property
    def removed(self) -> int:
        """How many octets the cuts take away."""
        return sum(stop - start for start, stop in self.cuts)

    def apply(self, head: bytes) -> bytes:
        """Return `head` (the octets that were scanned, body included or not) without the cut spans."""
        if not self.cuts:
            return head
        pieces, at = [], 0
        for start, stop in self.cuts:
            pieces.append(head[at:start])
            at = stop
        pieces.append(head[at:])
        return b"".join(pieces)


def prepare(
    head: Headers,
    *,
    may_send_as: Callable[[Address], bool],
    at: float,
    message_id: str,
    add_from: Address | None = None,
    smtputf8: bool = False,
    offset_minutes: int = 0,
) -> Edits:
    """Return the edits that make `head` a complete message of its owner, or why it is refused.

    `may_send_as` says whether an address belongs to who is logged in.  `at` is now in epoch seconds; `message_id`
    a fresh ``<token@host>``.  `add_from` is the address to write where there is no From at all (local programs),
    None to refuse that.
    """
    if head.problems & Problem.NO_HEADER and add_from is None:
        return Edits(fault=Fault.NO_FROM)
    fault = _shape(head, smtputf8=smtputf8) or _owner(head, may_send_as, add_from)
    if fault is not None:
        return fault
    prefix: list[str] = []
    if not head.named(b"Date"):
        prefix.append(f"Date: {format_date(at, offset_minutes)}\r\n")
    if not head.named(b"Message-ID"):
        prefix.append(f"Message-ID: {message_id}\r\n")
    if not head.named(b"From") and add_from is not None:
        prefix.append("From:" + return_path(add_from).decode().partition(":")[2])
    if head.problems & Problem.NO_HEADER:
        prefix.append("\r\n")
    cuts = tuple((f.start, f.end) for f in head if f.name.lower() in _REMOVED)
    seal = seal_of(head) if cuts else Seal.NO
    if seal is None:
        return Edits(fault=Fault.BAD_SEAL)
    return Edits("".join(prefix).encode(), cuts, seal=seal)


def _shape(head: Headers, *, smtputf8: bool) -> Edits | None:
    if head.problems & (Problem.TOO_LONG | Problem.TOO_MANY):
        return Edits(fault=Fault.TOO_MUCH_HEADER)
    broken = Problem.MALFORMED_LINE | Problem.NUL | Problem.BLANK_LINE
    if head.problems & broken:
        names = [p.name or "" for p in broken & head.problems]
        return Edits(fault=Fault.BROKEN_HEADER, detail=", ".join(names).lower().replace("_", " "))
    if smtputf8 and head.problems & Problem.NOT_UTF8:
        return Edits(fault=Fault.BROKEN_HEADER)
    if not smtputf8 and head.problems & Problem.EIGHT_BIT:
        raw = (f.name for f in head if not head.data[f.start : f.end].isascii())
        return Edits(fault=Fault.RAW_LETTERS, detail=next(raw, b"").decode("ascii", "replace"))
    for name in _ONCE:
        if len(head.named(name)) > 1:
            return Edits(fault=Fault.DUPLICATE_FIELD, detail=name.decode().title())
    return None


def _owner(head: Headers, may_send_as: Callable[[Address], bool], add_from: Address | None) -> Edits | None:
    value = head.get(b"From")
    if value is None:
        if add_from is None:
            return Edits(fault=Fault.NO_FROM)
        return None if may_send_as(add_from) else Edits(fault=Fault.NOT_YOURS, detail=str(add_from))
    authors = parse_mailboxes(value)
    if authors.problem is not None or not authors.mailboxes:
        empty = authors.problem in (None, AddressProblem.EMPTY)
        return Edits(fault=Fault.NO_FROM if empty else Fault.BAD_FROM, detail=_why(authors))
    if authors.groups:  # RFC 6854 allows it, but DMARC finds no author in it (RFC 7489 section 6.6.1)
        return Edits(fault=Fault.BAD_FROM, detail="a group is no author")
    sender = head.get(b"Sender")
    answerable = authors.mailboxes
    if sender is not None:
        parsed = parse_mailboxes(sender)
        if parsed.single is None:
            return Edits(fault=Fault.BAD_SENDER, detail=_why(parsed))
        # The authors are shown to people, so owning the Sender alone is not enough.
        answerable = (*answerable, parsed.single)
    elif len(authors.mailboxes) > 1:
        return Edits(fault=Fault.NO_SENDER)
    for mailbox in answerable:
        if not may_send_as(mailbox.address):
            return Edits(fault=Fault.NOT_YOURS, detail=str(mailbox.address))
    return None


def _why(parsed: MailboxList) -> str:
    return parsed.problem.value if parsed.problem else ""
