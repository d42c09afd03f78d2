"""The language of the bad-input catalogue: what is sent, what must be answered, what may be stored.

A `Case` is one conversation after the greeting (and EHLO, TLS or login, as the transport wants).  Octets may hold
``%ID%`` (new for each run: it ties a stored message to its run) and ``%FROM%`` (a sender that the door allows).
A reply is written as the beginning of its line: ``"250"``, ``"550 5.5.2"``.
"""

from dataclasses import dataclass
from enum import Enum


class End(Enum):
    """What becomes of the connection, or what the client does to it last."""

    KEPT = "kept"  # answers NOOP and QUIT, with no reply too many
    CLOSED = "closed"  # by the server, after the last reply
    HANG_UP = "hang up"  # the client sends FIN
    RESET = "reset"  # the client sends RST


class Transport(Enum):
    """How the octets travel."""

    PLAIN = "plain"  # port 25
    STARTTLS = "starttls"  # port 25, EHLO, STARTTLS, EHLO
    TLS = "tls"  # port 465, TLS from the first octet, EHLO, AUTH


MX = (Transport.PLAIN, Transport.STARTTLS)  # what only strangers can be refused
ALL = (Transport.PLAIN, Transport.STARTTLS, Transport.TLS)
ONE_HELLO = (Transport.PLAIN, Transport.TLS)  # each hello counts as an idle command too
PLAIN = (Transport.PLAIN,)
LOGGED_IN = (Transport.TLS,)


BULKY = 1500


@dataclass(frozen=True, slots=True)
class Step:
    """Octets that are sent together, and the replies to them."""

    send: bytes
    replies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One entry of the catalogue.

    `bodies` are the messages that are stored, as their bodies arrive at the mailbox (the octets behind the header
    that every message here begins with).  `better` says why the outcome is not the catalogue's.
    """

    group: int
    name: str
    steps: tuple[Step, ...]
    end: End = End.KEPT
    bodies: tuple[bytes, ...] = ()
    over: tuple[Transport, ...] = ALL
    better: str = ""
    together: bool = False  # the point is that the octets of a step come at once: no segments

    @property
    def bulky(self) -> bool:
        """Whether a step is too large to be sent octet by octet."""
        return any(len(step.send) > BULKY for step in self.steps)

    @property
    def title(self) -> str:
        """A name for a test."""
        return f"{self.group:03}-{self.name}"


HELLO = b"EHLO client.test\r\n"
FROM = Step(b"MAIL FROM:<%FROM%>\r\n", ("250 2.1.0",))
TO = Step(b"RCPT TO:<box+%ID%@example.test>\r\n", ("250 2.1.5",))
DATA = Step(b"DATA\r\n", ("354",))
RSET = Step(b"RSET\r\n", ("250",))
HEAD = b"From: <%FROM%>\r\nSubject: %ID%\r\n\r\n"
SMUGGLED = b"MAIL FROM:<%FROM%>\r\nRCPT TO:<box+%ID%@example.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nhello\r\n.\r\n"
FINE = ("250 2.0.0",)


def data(
    group: int,
    name: str,
    body: bytes,
    *replies: str,
    end: End = End.KEPT,
    bodies: tuple[bytes, ...] = (),
    better: str = "",
    over: tuple[Transport, ...] = ALL,
) -> Case:
    """A body by DATA, from behind its header to whatever stands behind its end."""
    steps = (FROM, TO, DATA, Step(HEAD + body, replies))
    return Case(group, name, steps, end, bodies, over, better)


def chunks(
    group: int, name: str, *steps: Step, end: End = End.KEPT, bodies: tuple[bytes, ...] = (), better: str = ""
) -> Case:
    """A message by BDAT."""
    return Case(group, name, (FROM, TO, *steps), end, bodies, ALL, better)


def bdat(octets: bytes, *replies: str, last: bool = True) -> Step:
    """One BDAT chunk, its header included.  ``%ID%`` and ``%FROM%`` are counted as what they will become."""
    return Step(b"BDAT %SIZE:" + octets + b"%" + (b" LAST" if last else b"") + b"\r\n" + octets, replies)


def say(
    group: int,
    name: str,
    line: bytes,
    *replies: str,
    before: tuple[Step, ...] = (),
    end: End = End.KEPT,
    over: tuple[Transport, ...] = ALL,
    better: str = "",
    together: bool = False,
) -> Case:
    """Lines in the middle of a conversation that `before` leads to."""
    return Case(group, name, (*before, Step(line, replies)), end, (), over, better, together)


def rcpt(
    group: int,
    name: str,
    path: bytes,
    reply: str,
    *,
    over: tuple[Transport, ...] = MX,
    better: str = "",
    utf8: bool = False,
) -> Case:
    """One forward-path; whoever logged in may relay, so most are for strangers only."""
    first = Step(b"MAIL FROM:<%FROM%> SMTPUTF8\r\n", ("250",)) if utf8 else FROM
    return Case(group, name, (first, Step(b"RCPT TO:" + path + b"\r\n", (reply,))), over=over, better=better)


def mail(
    group: int,
    name: str,
    argument: bytes,
    reply: str,
    *,
    over: tuple[Transport, ...] = ALL,
    better: str = "",
) -> Case:
    """One MAIL command."""
    return Case(group, name, (Step(b"MAIL " + argument + b"\r\n", (reply,)),), over=over, better=better)
