"""What a session notes of what never became a message: batched, bounded, and without secrets.

At most `KEPT` observations of a session are told one by one; beyond that equal kinds are counted
together and told at the end.  Of a broken command only a known verb is kept, because an argument (or a
line out of step) may be a password.
"""

from collections import Counter

from kurir.model import Cause, Clock, Observation, ObservationKind, Reply, TlsFacts

from .ports import BrainDoor
from .replies import cause_of

KEPT = 50
BATCH = 16
MAX_TEXT = 512

_VERBS = frozenset(
    [
        "HELO",
        "EHLO",
        "LHLO",
        "MAIL",
        "RCPT",
        "DATA",
        "BDAT",
        "RSET",
        "NOOP",
        "QUIT",
        "HELP",
        "VRFY",
        "EXPN",
        "STARTTLS",
        "AUTH",
        "XCLIENT",
        "ETRN",
        "GET",
        "POST",
    ]
)


def verb(command: str) -> str:
    """Return the command's verb where it is a known one, else ``"?"``."""
    word = command.partition(" ")[0].partition(":")[0].upper()
    return word if word in _VERBS else "?"


class Notebook:
    """Observations of one session."""

    __slots__ = ("_batch", "_clock", "_counted", "_door", "_kept", "client", "helo", "listener", "tls")

    def __init__(
        self, door: BrainDoor, clock: Clock, listener: str, client: str, tls: TlsFacts | None
    ) -> None:
        self._door = door
        self._clock = clock
        self._batch: list[Observation] = []
        self._counted: Counter[ObservationKind] = Counter()
        self._kept = 0
        self.listener = listener
        self.client = client
        self.helo = ""
        self.tls = tls

    def note(
        self,
        kind: ObservationKind,
        *,
        reply: Reply | None = None,
        cause: Cause | None = None,
        account: str = "",
        sender: str | None = None,
        recipient: str = "",
        detail: str = "",
    ) -> None:
        """Note one; `cause` is looked up by the reply where it is not given."""
        if self._kept >= KEPT:
            self._counted[kind] += 1
            return
        self._kept += 1
        if cause is None and reply is not None:
            cause = cause_of(reply)
        self._batch.append(
            Observation(
                kind=kind,
                at=self._clock.now(),
                client=self.client,
                listener=self.listener,
                helo=self.helo[:MAX_TEXT],
                account=account[:MAX_TEXT],
                sender=sender,
                recipient=recipient[:MAX_TEXT],
                reply=reply,
                cause=cause,
                detail=detail[:MAX_TEXT],
                tls=self.tls,
            )
        )
        if len(self._batch) >= BATCH:
            self.tell()

    def tell(self) -> None:
        """Hand over what was noted so far."""
        if self._batch:
            batch = tuple(self._batch)
            self._batch.clear()
            self._door.observe(batch)

    def close(self) -> None:
        """Hand over the rest, with the counts of what was too much to tell one by one."""
        for kind, count in self._counted.items():
            self._batch.append(
                Observation(
                    kind=kind,
                    at=self._clock.now(),
                    client=self.client,
                    listener=self.listener,
                    helo=self.helo[:MAX_TEXT],
                    detail="more of the same session",
                    count=count,
                )
            )
        self._counted.clear()
        self.tell()
