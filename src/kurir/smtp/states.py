"""The transition tables, as data: which command is welcome in which state (RFC 5321 section 4.1.4).

Each row is a command, each column a state.  A cell is the state after a positive answer, or the reply
that refuses the command there.  What a cell cannot say (is it offered, is TLS on, are the arguments
right) stands with the command.
"""

from enum import IntEnum

from kurir.model import Reply

from . import replies as r


class State(IntEnum):
    """Where a server session stands between two commands."""

    CONNECTED = 0  # greeted, no EHLO yet; also after TLS has begun
    IDLE = 1  # EHLO done, no message under way
    MAIL = 2  # MAIL accepted
    RCPT = 3  # at least one RCPT accepted
    CHUNKS = 4  # between the BDAT chunks of a message
    FAILED = 5  # a chunk was refused: the rest of the message is swallowed until RSET


class Mode(IntEnum):
    """What the next octets of a server session are."""

    SILENT = 0  # before the banner, or during the TLS handshake: nothing may come
    COMMAND = 1
    AUTH = 2  # lines of base64
    DATA = 3  # a body up to CRLF.CRLF
    CHUNK = 4  # as many octets as BDAT said
    SWALLOW = 5  # the octets of a refused BDAT
    LONG_LINE = 6  # the rest of a too long command
    CLOSED = 7


Cell = State | Reply
Row = tuple[Cell, Cell, Cell, Cell, Cell, Cell]

_CON, _IDLE, _MAIL, _RCPT, _CHUNKS, _FAILED = State
_STAY: Row = (_CON, _IDLE, _MAIL, _RCPT, _CHUNKS, _FAILED)
_NONE: Row = (r.NOT_IMPLEMENTED,) * 6
_FIRST, _BUSY, _NEST, _GONE = r.HELLO_FIRST, r.IN_TRANSACTION, r.NESTED_MAIL, r.CHUNKS_FAILED

_COMMON: dict[bytes, Row] = {
    # STARTTLS before EHLO is no good manners, but what is said before TLS counts for nothing anyway: gsasl does it.
    # command       CONNECTED  IDLE          MAIL          RCPT     CHUNKS       FAILED
    b"STARTTLS": (_CON, _CON, _BUSY, _BUSY, _BUSY, _BUSY),
    b"AUTH": (_FIRST, _IDLE, _BUSY, _BUSY, _BUSY, _BUSY),
    b"XCLIENT": (_FIRST, _CON, _BUSY, _BUSY, _BUSY, _BUSY),
    b"MAIL": (_FIRST, _MAIL, _NEST, _NEST, _NEST, _NEST),
    b"RCPT": (_FIRST, r.MAIL_FIRST, _RCPT, _RCPT, r.IN_CHUNKS, _GONE),
    b"DATA": (_FIRST, r.MAIL_FIRST, r.RCPT_FIRST, _IDLE, r.IN_CHUNKS, _GONE),
    b"BDAT": (_FIRST, r.MAIL_FIRST, r.RCPT_FIRST, _CHUNKS, _CHUNKS, _GONE),
    b"RSET": (_CON, _IDLE, _IDLE, _IDLE, _IDLE, _IDLE),
    b"NOOP": _STAY,
    b"HELP": _STAY,
    b"VRFY": _STAY,
    b"QUIT": _STAY,
    b"EXPN": _NONE,
    b"ETRN": _NONE,
    b"ATRN": _NONE,
    b"TURN": _NONE,
    b"SEND": _NONE,
    b"SOML": _NONE,
    b"SAML": _NONE,
}
_HELLO: Row = (_IDLE,) * 6

SMTP_COMMANDS: dict[bytes, Row] = {
    b"EHLO": _HELLO,
    b"HELO": _HELLO,
    b"LHLO": (r.NOT_LMTP,) * 6,
    **_COMMON,
}
LMTP_COMMANDS: dict[bytes, Row] = {
    b"LHLO": _HELLO,
    b"EHLO": (r.NOT_HERE,) * 6,
    b"HELO": (r.NOT_HERE,) * 6,
    **_COMMON,
}

# RFC 2920 section 3.1: nothing may be sent behind these before their reply (QUIT, NOOP and VRFY are let pass).
LAST_IN_GROUP = frozenset({b"EHLO", b"HELO", b"LHLO", b"DATA", b"STARTTLS", b"AUTH", b"XCLIENT"})

# Commands whose line may exceed RFC 5321's 512 octets: parameters, long names (answered 501), base64.
PARAMETER_COMMANDS = frozenset({b"MAIL", b"RCPT", b"AUTH", b"XCLIENT", b"EHLO", b"HELO", b"LHLO"})

# Commands that carry a message: a door that asks for a login takes them behind it only (RFC 6409 section 4.3).
MAIL_COMMANDS = frozenset({b"MAIL", b"RCPT", b"DATA", b"BDAT"})

# Commands that bring no message nearer; so many of them in a row are no mail client.
IDLE_COMMANDS = frozenset({b"EHLO", b"HELO", b"LHLO", b"RSET", b"NOOP", b"HELP", b"VRFY"})

# What talks to a mail port by accident or by abuse (cross-protocol attacks): answered 521, never parsed.
OTHER_PROTOCOLS = frozenset(
    {b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"PRI"}
)
# A TLS record of type handshake at the start of a line; a command never begins so (RFC 8446 section 5.1).
TLS_HANDSHAKE = 0x16


class Awaits(IntEnum):
    """What the next reply answers, in a client session."""

    BANNER = 0
    EHLO = 1  # also LHLO
    HELO = 2
    STARTTLS = 3
    AUTH = 4
    MAIL = 5
    RCPT = 6
    DATA = 7
    CHUNK = 8  # BDAT, not the last one
    BODY = 9  # the final dot, or BDAT LAST; in LMTP once for each accepted recipient
    SKIP = 10  # RSET, QUIT, and whatever no longer matters


class Sense(IntEnum):
    """What the first digit of a reply means where it came."""

    BROKEN = 0  # not an answer to that command: the peer and we have lost step
    YES = 1
    MORE = 2  # go on with what belongs to the command
    NO = 3
    OLDER = 4  # no ESMTP here: say HELO


_Y, _M, _N, _X, _O = Sense.YES, Sense.MORE, Sense.NO, Sense.BROKEN, Sense.OLDER

# RFC 5321 sections 4.2.1 and 4.3.2: any code is legal and acts by its first digit.
CLIENT: tuple[tuple[Sense, Sense, Sense, Sense], ...] = (
    # 2yz 3yz 4yz 5yz
    (_Y, _X, _N, _N),  # BANNER
    (_Y, _X, _N, _O),  # EHLO
    (_Y, _X, _N, _N),  # HELO
    (_Y, _X, _N, _N),  # STARTTLS
    (_Y, _M, _N, _N),  # AUTH
    (_Y, _X, _N, _N),  # MAIL
    (_Y, _X, _N, _N),  # RCPT
    (_X, _M, _N, _N),  # DATA
    (_Y, _X, _N, _N),  # CHUNK
    (_Y, _X, _N, _N),  # BODY
    (_Y, _X, _N, _N),  # SKIP
)
