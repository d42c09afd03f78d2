"""What the queue and the trace want to know of each message, read in one cheap pass (the hot path).

No field table is built: the block is lower-cased once and the few names are found in it at C speed.  What is found
agrees with `headers.scan` (a test insists), which looks at everything and costs ten times as much.
"""

import re
from typing import NamedTuple

from .headers import Problem, find_header_end, has_long_line, scan, unfold
from .limits import MAX_DISPLAY, HeaderLimits
from .words import decode_text, disarm

_MAX_ID = 998  # a longer one is cut: RFC 5322 section 2.1.1 bounds the line that it stands in
# A block of well-formed fields, every octet of it; possessive, hence linear.
_WELL_FORMED = re.compile(rb"(?:[!-9;-~]++:[^\n\0]*+\n(?:[ \t]++[!-~\x80-\xff][^\n\0]*+\n)*+)*+(?:\r?\n)?")

_SOUND = Problem(0)
_DEFAULT = HeaderLimits()


class MessageFacts(NamedTuple):
    """Facts of one message.

    `message_id` with its angle brackets as written (controls as blanks), ``""`` where there is none.  `subject` is decoded, harmless,
    at most 255 characters.  `header_from` is the From value decoded for display and search, nothing proven.
    `header_end` is the offset of the body proper.
    """

    message_id: str
    subject: str
    header_from: str
    received_count: int
    header_end: int
    problems: Problem


def facts_of(head: bytes, limits: HeaderLimits = _DEFAULT) -> MessageFacts:
    """Read the facts from a message or its first octets (give at least the header block).  Never raises."""
    end, seen = find_header_end(head, limits.octets)
    block = head[:end]
    problems = _SOUND
    if (
        not seen
        or not block.isascii()
        or block.count(b"\n") > limits.fields
        or not _WELL_FORMED.fullmatch(block)
        or has_long_line(block)
    ):
        found = scan(head, limits)
        problems = found.problems
        if problems & Problem.NO_HEADER:
            return MessageFacts("", "", "", 0, 0, problems)
        if problems & Problem.MALFORMED_LINE:  # only the scanner knows what counts as a field then
            return _facts(
                found.get(b"message-id") or b"",
                found.get(b"subject") or b"",
                found.get(b"from") or b"",
                len(found.named(b"received")),
                end,
                problems,
            )
    folded = b"\n" + block.lower()
    return _facts(
        _value(block, folded, b"\nmessage-id:"),
        _value(block, folded, b"\nsubject:"),
        _value(block, folded, b"\nfrom:"),
        folded.count(b"\nreceived:"),
        end,
        problems,
    )


def _facts(
    message_id: bytes, subject: bytes, sender: bytes, received: int, end: int, problems: Problem
) -> MessageFacts:
    return MessageFacts(
        message_id=disarm(message_id[:_MAX_ID].decode("utf-8", "replace")),
        subject=decode_text(subject),
        header_from=decode_text(sender, MAX_DISPLAY),
        received_count=received,
        header_end=end,
        problems=problems,
    )


def _value(block: bytes, folded: bytes, key: bytes) -> bytes:
    """Return the unfolded value behind `key`; `folded` is the lower-cased block with one octet in front."""
    at = folded.find(key)
    if at < 0:
        return b""
    start = at + len(key) - 1
    stop = block.find(b"\n", start)
    while 0 <= stop < len(block) - 1 and block[stop + 1] in b" \t":
        stop = block.find(b"\n", stop + 1)
    return unfold(block[start : stop if stop >= 0 else len(block)])
