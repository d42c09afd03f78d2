"""Whole SMTP sessions made by chance from a seed, and what a strict reading of them comes to."""

import random
import re
from dataclasses import dataclass, field

_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n)")

CLEAN = (
    b"", b"text", b".", b"..", b"...", b".text", b"..text", b"QUIT", b"MAIL FROM:<x@y.test>", b" .", b". ", b"x.", b"DATA", b"RSET",
    b"x" * 998, "sch\u00f6n".encode(), b"\t", b"BDAT 5 LAST", b"From nobody", b"~.", b"--",
)  # fmt: skip
"""Lines that every server passes on as they are (but for a dot in front)."""

HOSTILE = (
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r.\n",
    b"\n.\r",
    b"\r.\r\n",
    b"\r\n.\r\r\n",
    b"\r\r\n.\r\r\n",
    b"\n",
    b"\r",
    b"\r\n\0.\r\n",
)
"""What some servers take for an end of data, or for a line end."""


@dataclass(slots=True)
class Talk:
    """One session: steps of octets, each with the number of replies that a strict server gives.

    `bodies` are the messages that a strict server stores, dots taken out; `flags` say what is peculiar.
    """

    number: int
    steps: list[tuple[bytes, int]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)

    @property
    def tag(self) -> bytes:
        """What ties a stored message to its session."""
        return b"s%05dn" % self.number

    @property
    def head(self) -> bytes:
        """The header of each of its messages."""
        return b"From: <a@sender.test>\r\nTo: <box@x.test>\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <%b@sender.test>\r\nSubject: %b\r\n\r\n" % (self.tag, self.tag)  # fmt: skip


def talk(seed: int, domain: bytes, *, hostile: bool) -> Talk:
    """Make a session for a server of `domain`; the same seed gives the same one but for the domain."""
    chance = random.Random(seed)
    made = Talk(seed)
    add = made.steps.append
    add((b"EHLO client.test\r\n", 1))
    envelope = b"MAIL FROM:<a@sender.test>\r\nRCPT TO:<box@%b>\r\n" % domain
    for _ in range(chance.randint(1, 3)):
        for _ in range(chance.randint(0, 2)):
            add((chance.choice((b"NOOP\r\n", b"RSET\r\n")), 1))
        lines = b"\r\n".join(chance.choice(CLEAN) for _ in range(chance.randint(0, 8))) + b"\r\n"
        if hostile and chance.random() < 0.7:
            # The end that is none, and behind it a second message, should somebody believe it.
            lines += b"mid" + chance.choice(HOSTILE) + envelope + b"DATA\r\n" + made.head + b"smuggled\r\n"
        text = made.head + lines
        way = chance.random()
        if way < 0.2 and not hostile:
            made.flags.add("bdat")
            cut = chance.randint(0, len(text))
            add((envelope, 2))
            if cut == 0:
                made.flags.add("empty chunk")
            add((b"BDAT %d\r\n" % cut + text[:cut], 1))
            if chance.random() < 0.2:
                add((b"RSET\r\n", 1))
                made.flags.add("reset between chunks")
                continue
            add((b"BDAT %d LAST\r\n" % len(text[cut:]) + text[cut:], 1))
            made.bodies.append(lines)
            continue
        if way < 0.3:
            add((envelope, 2))
            add((b"RSET\r\n", 1))
            continue
        together = chance.random() < 0.5
        if together:
            add((envelope + b"DATA\r\n", 3))
        else:
            add((envelope, 2))
            add((b"DATA\r\n", 1))
        stuffed = re.sub(rb"(\A|\r\n)\.", rb"\1..", text) if not hostile else _stuffed_cleanly(text)
        add((stuffed + b".\r\n", 1))
        body, rest = _strictly(stuffed + b".\r\n")
        if _BARE.search(body) or b"\0" in body:
            made.flags |= {"bare"} if _BARE.search(body) else {"nul"}
            return made  # a strict server refuses and hangs up
        made.bodies.append(body.partition(b"\r\n\r\n")[2])
        if rest:
            made.flags.add("early")
            return made
    add((b"QUIT\r\n", 1))
    return made


def _stuffed_cleanly(text: bytes) -> bytes:
    """Stuff dots as a client does that knows CRLF only, and leave alone what it does not know."""
    first, mark, rest = text.partition(b"\r\nmid")
    stuffed = re.sub(rb"(\A|\r\n)\.", rb"\1..", first)
    return stuffed + mark + rest


def _strictly(wire: bytes) -> tuple[bytes, bytes]:
    """Read by RFC 5321 section 4.1.1.4: up to CRLF.CRLF, one dot taken off each line that begins with it."""
    body, _, rest = (b"\r\n" + wire).partition(b"\r\n.\r\n")
    return (body + b"\r\n").replace(b"\r\n.", b"\r\n")[2:], rest
