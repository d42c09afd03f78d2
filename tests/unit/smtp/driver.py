"""A driver that says yes to everything, and keeps what it was told."""

from dataclasses import dataclass, field

from kurir.model import Reply
from kurir.smtp import Server, ServerSettings
from kurir.smtp import events as e

SETTINGS = ServerSettings("mx.test")
MAIL_OK = Reply.of(250, "2.1.0", "OK")
RCPT_OK = Reply.of(250, "2.1.5", "OK")
GO = Reply.of(354, None, "Go")
QUEUED = Reply.of(250, "2.0.0", "Queued")


@dataclass
class Yes:
    """Drives a server: every recipient that does not begin with ``no`` is taken."""

    settings: ServerSettings = SETTINGS
    tls: bool = False
    login: bool = False
    output: bytes = b""
    events: list = field(default_factory=list)
    messages: list = field(default_factory=list)  # (sender, [recipients], body)
    challenges: list = field(default_factory=list)

    def __post_init__(self):
        self.server = Server(self.settings, tls=self.tls)
        self.server.greet()
        self.pump()
        self.output = b""
        self.drop()

    def drop(self):
        self.sender, self.recipients, self.pieces = None, [], []

    def feed(self, *pieces):
        for piece in pieces:
            self.server.receive(piece)
            self.pump()
        return self

    def pump(self):
        while (event := self.server.next_event()) is not None:
            self.events.append(event)
            self.answer(event)
        self.output += self.server.take_output()

    def answer(self, event):
        s = self.server
        match event:
            case e.Hello():
                s.accept_hello()
            case e.MailFrom():
                self.drop()
                self.sender = event.reverse_path
                s.reply(MAIL_OK)
            case e.RcptTo():
                if event.recipient.address.local.startswith("no"):
                    s.reply(Reply.of(550, "5.1.1", "No such user"))
                else:
                    self.recipients.append(event.recipient)
                    s.reply(RCPT_OK)
            case e.BodyStarted(chunking=True):
                s.go_on()
            case e.BodyStarted():
                s.reply(GO)
            case e.BodyChunk():
                assert event.data
                self.pieces.append(event.data)
            case e.BodyEnded():
                if event.problem is None:
                    body = b"".join(self.pieces)
                    assert len(body) == event.size
                    self.messages.append((self.sender, list(self.recipients), body))
                reply = event.problem or QUEUED
                if self.settings.lmtp:
                    s.reply_each([reply] * len(self.recipients))
                else:
                    s.reply(reply)
                self.drop()
            case e.TransactionReset():
                self.drop()
            case e.AuthStarted() | e.AuthAnswered():
                if self.challenges:
                    s.challenge(self.challenges.pop(0))
                elif self.login:
                    s.auth_succeeded(Reply.of(235, "2.7.0", "Welcome"))
                else:
                    s.reply(Reply.of(535, "5.7.8", "No"))
            case e.StartTls():
                s.reply(Reply.of(220, "2.0.0", "Go ahead"))
            case e.Verify():
                s.reply(Reply.of(252, "2.5.0", "Try"))
            case e.Xclient():
                s.reply(Reply.of(220, None, "mx.test"))

    @property
    def codes(self):
        """The codes of all replies, one for each reply."""
        return [int(line[:3]) for line in self.output.split(b"\r\n") if line[3:4] == b" "]

    @property
    def closed(self):
        return any(isinstance(event, e.Closing) for event in self.events)


def cuts(data):
    """The ways a network may cut `data`: whole, byte by byte, and in two at every offset."""
    yield [data]
    yield [data[i : i + 1] for i in range(len(data))]
    for i in range(1, len(data)):
        yield [data[:i], data[i:]]
