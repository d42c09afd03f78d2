"""A message on its way out: what a client knows of the transaction that runs."""

from kurir.model import Reply

from .answers import TransactionDone
from .data import DotStuffer
from .states import Awaits

Result = tuple[str, Reply]

# The stage that a reply decides for the recipients still open.
STAGE = {
    Awaits.MAIL: "mail",
    Awaits.RCPT: "rcpt",
    Awaits.DATA: "data",
    Awaits.CHUNK: "body",
    Awaits.BODY: "body",
}


class Transfer:
    """One message on its way: who was accepted, what was decided, how far the body is."""

    __slots__ = ("accepted", "chunking", "dot_sent", "held", "mail_accepted", "results", "sending", "stuffer")

    def __init__(self, recipients: int, *, chunking: bool) -> None:
        self.results: list[Result | None] = [None] * recipients
        self.accepted: list[int] = []
        self.mail_accepted = False
        self.chunking = chunking
        self.sending = False  # the peer waits for the body
        self.dot_sent = False
        self.stuffer: DotStuffer | None = None
        self.held: bytes | None = None  # BDAT: the last piece, which may have to say LAST

    def decide(self, stage: str, reply: Reply) -> None:
        """Give `reply` to every recipient that has none yet."""
        self.results = [(stage, reply) if result is None else result for result in self.results]

    def done(self) -> TransactionDone:
        """Return the event that tells the verdicts, once there is one for each recipient."""
        return TransactionDone(tuple(result for result in self.results if result is not None))
