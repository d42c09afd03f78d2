"""One SMTP or LMTP session after its set-up, and what its peer offers.

The session moves bytes between the stream and the sans-IO client; it decides nothing.
"""

from dataclasses import dataclass

from kurir.model import Cause, Clock, Outcome, OutcomeKind, Reply, Stage, TlsFacts
from kurir.net.ports import NetError, Stream
from kurir.smtp.client import Client, ClientEvent, PeerBroke, PeerExtensions

from .classify import classify


@dataclass(frozen=True, slots=True)
class Offer:
    """What the peer offers, read once per session.  0 means that it named no limit."""

    size: int = 0
    eightbit: bool = False
    smtputf8: bool = False
    binarymime: bool = False
    dsn: bool = False
    requiretls: bool = False
    mt_priority: bool = False
    recipients: int = 0
    messages: int = 0


def read_offer(extensions: PeerExtensions | None) -> Offer:
    """Return what an EHLO answer means for us.  LIMITS: RFC 9422."""
    if extensions is None:
        return Offer()
    limits = dict(item.upper().partition("=")[::2] for item in extensions.keywords.get("LIMITS", ()))
    return Offer(
        size=_number(next(iter(extensions.keywords.get("SIZE", ())), "")),
        eightbit="8BITMIME" in extensions,
        smtputf8="SMTPUTF8" in extensions,
        binarymime="BINARYMIME" in extensions and "CHUNKING" in extensions,
        dsn="DSN" in extensions,
        requiretls="REQUIRETLS" in extensions,
        mt_priority="MT-PRIORITY" in extensions,
        recipients=_number(limits.get("RCPTMAX", "")),
        messages=_number(limits.get("MAILMAX", "")),
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why a session could not be opened, or broke: what every recipient of the lease will be told."""

    stage: Stage
    cause: Cause
    kind: OutcomeKind = OutcomeKind.DEFERRED
    host: str = ""
    reply: Reply | None = None
    detail: str = ""
    tls: TlsFacts | None = None
    plaintext_fallback: bool = False
    retry_after: float | None = None
    lasting: bool = False
    clear_from: float | None = None
    tls_result: str = ""  # for TLS-RPT: a result type of RFC 8460 section 4.3
    policy: bool = False  # the demands of this mail failed: other mail may well be taken

    def outcome(self, at: float, road: str, seconds: float = 0.0) -> Outcome:
        """Return the outcome of one recipient."""
        return Outcome(
            kind=self.kind,
            cause=self.cause,
            at=at,
            stage=self.stage,
            road=road,
            host=self.host,
            reply=self.reply,
            detail=self.detail,
            tls=self.tls,
            plaintext_fallback=self.plaintext_fallback,
            retry_after=self.retry_after,
            lasting=self.lasting,
            clear_from=self.clear_from,
            seconds=seconds,
        )


# `NetError.kind` -> cause
NET_CAUSES = {
    "refused": Cause.UNREACHABLE,
    "unreachable": Cause.UNREACHABLE,
    "denied": Cause.UNREACHABLE,
    "timeout": Cause.TIMEOUT,
    "lost": Cause.CONNECTION_LOST,
    "tls": Cause.TLS_FAILED,
}


def net_trouble(error: NetError, stage: Stage, host: str = "", tls: TlsFacts | None = None) -> Trouble:
    """Return what a failure of the network means at `stage`."""
    return Trouble(
        stage=stage,
        cause=NET_CAUSES.get(error.kind, Cause.CONNECTION_LOST),
        host=host,
        detail=str(error),
        tls=tls,
    )


def refusal(reply: Reply, stage: Stage, host: str = "", tls: TlsFacts | None = None) -> Trouble:
    """Return what a refusing reply means at `stage`."""
    meaning = classify(stage, reply, host)
    return Trouble(
        stage=stage,
        cause=meaning.cause,
        kind=meaning.kind,
        host=host,
        reply=reply,
        tls=tls,
        retry_after=meaning.retry_after,
        lasting=meaning.lasting,
    )


def broken(event: PeerBroke, stage: Stage, host: str = "", tls: TlsFacts | None = None) -> Trouble:
    """Return what a broken protocol means at `stage`: the peer's refusal where it said one."""
    if event.reply is not None and event.reply.klass in (4, 5):
        return refusal(event.reply, stage, host, tls)
    return Trouble(
        stage=stage, cause=Cause.PROTOCOL_ERROR, host=host, reply=event.reply, detail=event.problem, tls=tls
    )


class Session:
    """A connection that has said hello, with its client state machine.

    `host` is ``"mx1.example.org[192.0.2.1]:25"``.  `used` counts the transactions so far.  `inside` says that the
    peer is a door of this server itself, found by its path: nobody else can stand there, whatever it shows.
    `cleared` are the recipients' domains whose TLS policy it is known to meet; `note` what the trace has to say
    about its protection.
    """

    __slots__ = (
        "cleared",
        "client",
        "clock",
        "fallback",
        "host",
        "inside",
        "mail_host",
        "note",
        "offer",
        "proof",
        "stream",
        "used",
    )

    def __init__(self, stream: Stream, client: Client, host: str, clock: Clock) -> None:
        self.stream = stream
        self.client = client
        self.host = host
        self.clock = clock
        self.offer = Offer()
        self.fallback = False
        self.inside = False
        self.used = 0
        self.cleared: set[str] = set()
        self.mail_host = ""
        self.note = ""
        self.proof: TlsFacts | None = None

    @property
    def tls(self) -> TlsFacts | None:
        """How the connection is protected, and what its certificate was found to prove."""
        return self.proof or self.stream.tls

    @property
    def proven(self) -> bool:
        """Whether the connection is encrypted to a peer that is known to be the right one (RFC 8689 section 4.2.1)."""
        tls = self.tls
        return tls is not None and (self.inside or tls.verified is not None)

    def flush(self) -> None:
        """Write what the client has queued, in one piece."""
        pieces = self.client.take_output()
        if pieces:
            self.stream.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    async def event(self, timeout: float) -> ClientEvent:
        """Flush, then return the next event.

        `timeout` is the deadline of one exchange: it starts again only when the client has something
        new to say, so a peer that sends a byte a minute does not stretch it.  Raises `NetError`.
        """
        client = self.client
        self.flush()
        event = client.next_event()
        if event is not None:
            return event
        stream = self.stream
        data = await stream.read(timeout)
        if data:
            client.receive(data)
            event = client.next_event()
            if event is not None:
                return event
        return await self._more(data, timeout)

    async def _more(self, data: bytes, timeout: float) -> ClientEvent:
        """The answer did not come in one piece."""
        clock = self.clock
        until = clock.monotonic() + timeout
        while True:
            if not data:
                raise NetError("lost", "the other side closed the connection")
            pieces = self.client.take_output()
            if pieces:
                self.stream.write(b"".join(pieces))
                until = clock.monotonic() + timeout
            left = until - clock.monotonic()
            if left <= 0:
                raise NetError("timeout", f"no complete answer within {timeout:.0f} seconds")
            data = await self.stream.read(left)
            if data:
                self.client.receive(data)
                event = self.client.next_event()
                if event is not None:
                    return event

    async def quit(self, timeout: float) -> None:
        """Say goodbye, do not wait long for an answer, close."""
        try:
            self.client.quit()
            self.flush()
            await self.stream.drain(timeout)
        except NetError:
            self.stream.abort()
            return
        await self.stream.close()

    def abort(self) -> None:
        """Close at once."""
        self.stream.abort()
