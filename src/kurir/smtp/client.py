"""The client role: wishes of the driver in, commands out; replies in, events out.

The driver says what it wants (`hello`, `start_tls_command`, `auth`, `transaction`, `quit`); the client
queues commands, pipelines them where the peer allows, and turns replies into events.  `client_session` is
the state, `commands` the words, `transfer` the message under way.
"""

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections import deque
from typing import ClassVar

from kurir.model import Envelope, Reply

from .answers import (
    AuthChallenged,
    AuthDone,
    BodyWanted,
    ClientEvent,
    Greeted,
    HelloAnswered,
    PeerBroke,
    PeerExtensions,
    TlsAnswered,
    TransactionDone,
    parse_extensions,
)
from .client_session import ClientSession, Handler
from .commands import envelope_lines, travels_by_bdat
from .data import DotStuffer
from .states import Awaits, Sense
from .transfer import Transfer

__all__ = [
    "AuthChallenged", "AuthDone", "BodyWanted", "Client", "ClientEvent", "Greeted", "HelloAnswered", "PeerBroke",
    "PeerExtensions", "TlsAnswered", "TransactionDone",
]  # fmt: skip


class Client(ClientSession):
    """One session as the sending side of SMTP or LMTP."""

    __slots__ = ()

    # -- what the driver may wish --------------------------------------------------------------------------

    def hello(self) -> None:
        """Queue EHLO or LHLO."""
        self._say(Awaits.EHLO, f"{'LHLO' if self._lmtp else 'EHLO'} {self._name}\r\n".encode())

    def start_tls_command(self) -> None:
        """Queue STARTTLS."""
        self._say(Awaits.STARTTLS, b"STARTTLS\r\n")

    def tls_started(self) -> None:
        """The handshake is done: forget the extensions; say `hello` again."""
        self.extensions = None
        self._pipelining = False
        if self._replies.pending:  # came in the clear (RFC 3207 section 4.2)
            self._break(None, "talked in the clear behind its answer to STARTTLS")

    def auth(self, mechanism: str, initial: bytes | None) -> None:
        """Queue AUTH."""
        line = f"AUTH {mechanism}".encode()
        if initial is not None:
            line += b" " + (b2a_base64(initial, newline=False) or b"=")
        self._say(Awaits.AUTH, line + b"\r\n")

    def auth_response(self, data: bytes) -> None:
        """Queue the answer to a challenge."""
        self._say(Awaits.AUTH, b2a_base64(data, newline=False) + b"\r\n")

    def transaction(self, envelope: Envelope, size: int | None) -> None:
        """Queue MAIL, RCPT... and DATA (or BDAT): pipelined where offered, one by one elsewhere.

        Parameters of the envelope are sent only where the peer offers the extension; whether that is
        good enough is the driver's decision, taken before.  Raises ValueError for an address that would
        break the command line; RuntimeError while another transaction runs.
        """
        if self._transaction is not None:
            raise RuntimeError("transaction: the one before has not ended")
        offered = self.extensions.keywords if self.extensions else {}
        lines = envelope_lines(envelope, size, offered)
        count = len(lines) - 1
        if not count:
            raise ValueError("transaction: no recipients")
        self._transaction = Transfer(count, chunking=travels_by_bdat(envelope.params, offered))
        steps = [(Awaits.MAIL, 0), *((Awaits.RCPT, i) for i in range(count))]
        if not self._transaction.chunking:
            steps.append((Awaits.DATA, 0))
            lines.append("DATA")
        if self._pipelining:
            lines.append("")
            self._say(Awaits.MAIL, "\r\n".join(lines).encode())
            self._expected += steps[1:]
        else:
            for (awaits, index), line in zip(steps, lines, strict=True):
                self._say(awaits, line.encode() + b"\r\n", index)

    def body(self, data: bytes) -> None:
        """Queue a piece of the body (dot-stuffed for DATA, framed for BDAT).

        DATA takes text lines as they are: that bodies hold no bare CR or LF was seen to where they came in.
        Without effect once the transaction is decided (the peer may refuse in the midst of a body).
        """
        t = self._transaction
        if t is None or not t.sending or not data:
            return
        if t.stuffer is not None:
            self._out.append(t.stuffer.feed(data))
        else:
            if t.held is not None:
                self._say(Awaits.CHUNK, b"BDAT %d\r\n%b" % (len(t.held), t.held))
            t.held = data

    def end_body(self) -> None:
        """Queue the end of the body."""
        t = self._transaction
        if t is None or not t.sending:
            return
        t.sending = False
        t.dot_sent = True
        waiting = t.accepted if self._lmtp else t.accepted[:1]
        if t.stuffer is not None:
            self._out.append(t.stuffer.end())
            self._expected += [(Awaits.BODY, i) for i in waiting]
        else:
            held = t.held or b""
            self._say(Awaits.BODY, b"BDAT %d LAST\r\n%b" % (len(held), held), waiting[0])
            for i in waiting[1:]:
                self._say(Awaits.BODY, b"", i)

    def reset(self) -> None:
        """Queue RSET (its reply is awaited silently)."""
        self._say(Awaits.SKIP, b"RSET\r\n")

    def quit(self) -> None:
        """Queue QUIT."""
        self._say(Awaits.SKIP, b"QUIT\r\n")
        self._quitting = True

    # -- what the peer says --------------------------------------------------------------------------------

    def _banner(self, _: int, reply: Reply, __: Sense) -> None:
        self._events.append(Greeted(reply))

    def _hello(self, _: int, reply: Reply, sense: Sense) -> None:
        if sense is Sense.OLDER and not self._lmtp:
            self._say(Awaits.HELO, f"HELO {self._name}\r\n".encode())
            return
        self.extensions = parse_extensions(reply) if sense is Sense.YES else PeerExtensions("")
        self._pipelining = "PIPELINING" in self.extensions
        self._events.append(HelloAnswered(reply, self.extensions))

    def _helo(self, _: int, reply: Reply, sense: Sense) -> None:
        name = reply.lines[0].partition(" ")[0] if sense is Sense.YES else ""
        self.extensions = PeerExtensions(name)
        self._pipelining = False
        self._events.append(HelloAnswered(reply, self.extensions))

    def _starttls(self, _: int, reply: Reply, sense: Sense) -> None:
        if sense is Sense.YES and self._replies.pending:  # RFC 3207 section 4.2; CVE-2021-38371 and its kin
            self._break(reply, "talked in the clear behind its answer to STARTTLS")
        else:
            self._events.append(TlsAnswered(reply))

    def _auth(self, _: int, reply: Reply, sense: Sense) -> None:
        if sense is not Sense.MORE:
            self._events.append(AuthDone(reply))
            return
        try:
            self._events.append(AuthChallenged(a2b_base64(reply.text, strict_mode=True)))
        except (Base64Error, ValueError):
            self._break(reply, "sent a challenge that is not base64")

    def _mail(self, _: int, reply: Reply, sense: Sense) -> None:
        assert self._transaction is not None
        if sense is Sense.YES:
            self._transaction.mail_accepted = True
            return
        self._transaction.decide("mail", reply)
        if self._planned:
            self._planned.clear()
            self._finish()

    def _rcpt(self, index: int, reply: Reply, sense: Sense) -> None:
        t = self._transaction
        assert t is not None
        if t.results[index] is None:  # else MAIL was refused, whatever is said here
            if sense is Sense.YES:
                t.accepted.append(index)
            else:
                t.results[index] = ("rcpt", reply)
        if index == len(t.results) - 1 and (t.chunking or not t.accepted) and not self._data_follows():
            self._planned.clear()
            if t.accepted:
                t.sending = True
                self._events.append(BodyWanted())
            else:
                self._give_up()

    def _data_follows(self) -> bool:
        return bool(self._expected) and self._expected[0][0] is Awaits.DATA

    def _data(self, _: int, reply: Reply, sense: Sense) -> None:
        t = self._transaction
        assert t is not None
        if sense is Sense.NO:
            t.decide("data", reply)
            self._give_up()
        elif t.accepted:
            t.sending = True
            t.stuffer = DotStuffer()
            self._events.append(BodyWanted())
        else:  # it takes a body for nobody: give it an empty one (RFC 2920 section 3.1)
            self._out.append(b".\r\n")
            if not self._lmtp:  # in LMTP there is one answer for each of no recipients
                self._expected.append((Awaits.SKIP, 0))
            self._finish()

    def _chunk(self, _: int, reply: Reply, sense: Sense) -> None:
        t = self._transaction
        if sense is Sense.YES or t is None:
            return
        t.decide("body", reply)
        self._planned.clear()
        several = self._lmtp and len(t.accepted) > 1 and t.dot_sent
        if several:  # one 503 or one for each recipient to BDAT LAST: nobody knows
            self._finish()
            self._break(reply, "refused the message in the midst of its chunks")
            return
        self._expected = deque((Awaits.SKIP, 0) for _ in self._expected)
        self._give_up()

    def _body(self, index: int, reply: Reply, _: Sense) -> None:
        t = self._transaction
        assert t is not None
        if self._lmtp:
            t.results[index] = ("body", reply)
        else:
            t.decide("body", reply)
        if index == t.accepted[-1] or not self._lmtp:
            self._finish()

    def _skip(self, _: int, __: Reply, ___: Sense) -> None:
        pass

    def _give_up(self) -> None:
        """The transaction is decided without a body: clear what the peer may still hold of it."""
        assert self._transaction is not None
        if self._transaction.mail_accepted:
            self._say(Awaits.SKIP, b"RSET\r\n")
        self._finish()

    _HANDLERS: ClassVar[tuple[Handler, ...]] = (  # by Awaits
        _banner,
        _hello,
        _helo,
        _starttls,
        _auth,
        _mail,
        _rcpt,
        _data,
        _chunk,
        _body,
        _skip,
    )
