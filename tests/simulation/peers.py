"""The other side of every conversation: senders that hand mail in, vandals, and destinations that take it or do not.

Destinations draw a *script* for each session: at which step they refuse, hang, babble, hang up, or lose their final
reply.  What they took stands in the world's ledger before they say so, as with a real server.
"""

import asyncio
from random import Random
from typing import TYPE_CHECKING

from kurir.net.ports import NetError

from .lines import Lines
from .net import SimStream

if TYPE_CHECKING:
    from .world import World

SENDER_WAITS = 330.0  # RFC 5321 section 4.5.3.2: a client waits five minutes, and ten for the final reply
FINAL_WAIT = 600.0
STEPS = ("banner", "hello", "mail", "rcpt", "data", "body", "final")
ILLS = ("later", "later", "never", "421", "hang", "garbage", "reset", "end", "slow")
FINAL_ILLS = ("lost", "lost", "late", "later", "never", "hang", "garbage")


class Destination:
    """One mail host.  `lmtp` speaks LMTP.  With `badness` 0 it takes all but the users it does not know."""

    def __init__(self, world: "World", name: str, host: str, *, lmtp: bool = False) -> None:
        self.world, self.name, self.host, self.lmtp = world, name, host, lmtp
        self.badness = 0.0
        random = world.random
        words = ["PIPELINING", "8BITMIME", "DSN", "STARTTLS", "LIMITS RCPTMAX=2", "SIZE 50000000"]
        self.words = [w for w in words if random.random() < 0.5]

    def script(self, random: Random) -> dict[str, str]:
        if random.random() >= self.badness:
            return {}
        step = random.choice(STEPS)
        return {step: random.choice(FINAL_ILLS if step == "final" else ILLS)}

    async def serve(self, stream: SimStream) -> None:
        try:
            await _Hosting(self, stream, self.script(self.world.random)).run()
        except _Enough:
            stream.abort()


class _Enough(Exception):
    """The host ends the session."""


class _Hosting:
    """One session at a destination."""

    def __init__(self, host: Destination, stream: SimStream, script: dict[str, str]) -> None:
        self.host, self.stream, self.script = host, stream, script
        self.world, self.random = host.world, host.world.random
        self.lines = Lines(stream)
        self.sender: str | None = None
        self.recipients: list[str] = []

    async def run(self) -> None:
        await self.answer("banner", f"220 {self.host.name} ESMTP")
        while True:
            line = await self.lines.line()
            verb, _, rest = line.partition(" ")
            verb = verb.upper()
            if verb in ("EHLO", "LHLO"):
                words = [w for w in self.host.words if w != "STARTTLS" or self.stream.tls is None]
                await self.answer("hello", *[f"250-{w}" for w in (self.host.name, *words)], "250 HELP")
            elif verb == "STARTTLS":
                self.say("220 go on")
            elif verb == "MAIL":
                self.sender = rest[rest.find("<") + 1 : rest.find(">")]
                self.recipients = []
                if not await self.answer("mail", "250 ok"):
                    self.sender = None
            elif verb == "RCPT":
                await self.rcpt(rest[rest.find("<") + 1 : rest.find(">")])
            elif verb == "DATA":
                await self.data()
            elif verb == "QUIT":
                self.say("221 bye")
                await self.stream.close()
                return
            else:
                self.say("250 ok" if verb in ("RSET", "NOOP") else "502 5.5.1 what?")

    def say(self, *lines: str) -> None:
        self.stream.write("".join(f"{line}\r\n" for line in lines).encode())

    async def answer(self, step: str, *lines: str) -> bool:
        """Say `lines`, or what the script has for this step; True where it was the good answer."""
        ill = self.script.pop(step, None)
        if ill is None:
            self.say(*lines)
            return True
        self.world.trace("peer", self.host.name, step, ill)
        if ill in ("later", "never"):
            code = {"later": "451 4.3.0", "never": "550 5.7.1"}[ill]
            words = f"{step} of {self.host.name} number {self.world.next_saying()}"
            self.world.said.add(words)
            self.say(f"{code} {words}")
            return False
        if ill == "421":
            self.say("421 4.3.2 not now")
            await self.stream.close()
        elif ill == "hang":
            await self.stream.read(3 * 86400.0)
            await asyncio.sleep(self.random.choice((10.0, 3000.0)))
        elif ill == "garbage":
            self.say(self.random.choice(("", "2 5 0", "250", "999 what", "250-" + "x" * 3000, "\0\0\r\n250")))
            await asyncio.sleep(1.0)
            await self.stream.close()
        elif ill == "slow":
            for octet in "".join(f"{line}\r\n" for line in lines)[:40]:
                self.stream.write(octet.encode())
                await asyncio.sleep(self.random.choice((1.0, 60.0)))
            self.stream.half_close()
        elif ill == "end":
            self.stream.half_close()
        raise _Enough

    async def rcpt(self, address: str) -> None:
        if self.sender is None:
            self.say("503 5.5.1 MAIL first")
        elif address.startswith("nobody"):
            self.world.said.add("no such user")
            self.say("550 5.1.1 no such user")
        elif "LIMITS RCPTMAX=2" in self.host.words and len(self.recipients) >= 2:
            self.say("452 4.5.3 too many recipients")
        elif await self.answer("rcpt", "250 ok"):
            self.recipients.append(address)

    async def data(self) -> None:
        if not self.recipients:
            self.say("503 5.5.1 no recipients")
            return
        if not await self.answer("data", "354 go on"):
            return
        if "body" in self.script:
            self.script.pop("body")
            await self.stream.read(60.0)
            raise _Enough
        body = await self.lines.body()
        ill = self.script.get("final")
        replies = ["250 ok"] * (len(self.recipients) if self.host.lmtp else 1)
        if ill in (None, "lost", "late", "garbage", "hang"):
            self.world.taken(self.host.name, self.sender, tuple(self.recipients), body)
        if ill in ("lost", "late"):
            self.script.clear()
            self.world.trace("peer", self.host.name, "final", ill)
            await asyncio.sleep(self.random.choice((0.0, 5.0)) if ill == "lost" else 800.0)
            if ill == "lost":
                raise _Enough
            self.say(*replies)
            return
        if ill in ("later", "never") and self.host.lmtp:
            # Mixed: one says no, the others have it.
            self.script.clear()
            words = f"final of {self.host.name} number {self.world.next_saying()}"
            self.world.said.add(words)
            self.world.taken(self.host.name, self.sender, tuple(self.recipients[1:]), body)
            self.say(f"{'451 4.3.0' if ill == 'later' else '550 5.7.1'} {words}", *replies[1:])
            return
        await self.answer("final", *replies)


class Sender:
    """Hands one message in until it is taken or refused, as a server that lives by the RFC would."""

    def __init__(
        self, world: "World", host: str, token: str, sender: str, recipients: tuple[str, ...], body: bytes
    ) -> None:
        self.world, self.host, self.token = world, host, token
        self.sender, self.recipients, self.body = sender, recipients, body
        self.notify = world.random.choice(
            ("", "", " NOTIFY=SUCCESS,FAILURE", " NOTIFY=DELAY", " NOTIFY=NEVER")
        )
        self.left = list(recipients)
        self.dots = 0
        self.hopeless = False

    async def run(self) -> None:
        random = self.world.random
        while self.left and not self.hopeless:
            try:
                await self.attempt()
            except (NetError, ValueError) as error:
                self.world.trace("sender", self.token, type(error).__name__, str(error))
            if self.left:
                await asyncio.sleep(random.choice((5.0, 60.0, 600.0)))
        self.world.trace("sender", self.token, "done")

    async def attempt(self) -> None:
        world, random = self.world, self.world.random
        stream = await world.net.connect(self.host, world.front, 30.0)
        lines = Lines(stream)
        try:
            if (await lines.reply(SENDER_WAITS))[0] != 220:
                return
            stream.write(b"EHLO sender.example\r\n")
            await lines.reply(SENDER_WAITS)
            commands = [f"MAIL FROM:<{self.sender}>"] + [f"RCPT TO:<{r}>{self.notify}" for r in self.left]
            commands.append("DATA")
            answers = await self.converse(stream, lines, commands, together=random.random() < 0.6)
            taken = [r for r, (code, _) in zip(self.left, answers[1:-1], strict=True) if code == 250]
            if answers[0][0] != 250:
                self.hopeless = answers[0][0] // 100 == 5
                return
            for recipient, (code, _) in zip(list(self.left), answers[1:-1], strict=True):
                if code // 100 == 5:
                    self.left.remove(recipient)  # an honest refusal: nothing was promised
            if answers[-1][0] != 354:
                return
            ill = random.choice(("cut", "dead", "")) if random.random() < world.faults.senders else ""
            stuffed = (b"\r\n" + self.body).replace(b"\r\n.", b"\r\n..")[2:]
            if ill == "cut":
                stream.write(stuffed[: random.randrange(len(stuffed) + 1)])
                return
            self.dots += 1
            world.dotted(self.token, taken)
            stream.write(stuffed + b".\r\n")
            await stream.drain(SENDER_WAITS)
            if ill == "dead":
                await asyncio.sleep(random.choice((0.0, 0.001, 0.1)))
                return
            code, text = await lines.reply(FINAL_WAIT)
            if code == 250:
                world.acknowledged(self.token, text, taken)
                self.left = [r for r in self.left if r not in taken]
            elif code // 100 == 5:
                self.hopeless = True
                world.trace("sender", self.token, "refused", text)
            stream.write(b"QUIT\r\n")
            await lines.reply(5.0)
        finally:
            stream.abort()

    async def converse(
        self, stream: SimStream, lines: Lines, commands: list[str], *, together: bool
    ) -> list[tuple[int, str]]:
        answers = []
        if together:
            stream.write("".join(f"{c}\r\n" for c in commands).encode())
        for command in commands:
            if not together:
                stream.write(f"{command}\r\n".encode())
            answers.append(await lines.reply(SENDER_WAITS))
        return answers


VANDALISM = (
    b"", b"GET / HTTP/1.1\r\n\r\n", b"EHLO x\r\nMAIL FROM:<a@b.example>\r\n", b"\0\xff" * 200, b"EHLO x\r\nNOOP\r\n",
    b"EHLO x\r\nMAIL FROM:<v@vandal.example>\r\nRCPT TO:<u1@here.example>\r\nDATA\r\nX-Token: vandal\r\n\r\nhalf a messa",
)  # fmt: skip


async def vandal(world: "World", host: str) -> None:
    """Connects, says something useless, and goes in one of several ways."""
    random = world.random
    try:
        stream = await world.net.connect(host, world.front, 30.0)
    except NetError:
        return
    try:
        stream.write(random.choice(VANDALISM))
        await asyncio.sleep(random.choice((0.0, 1.0, 400.0)))
        if random.random() < 0.5:
            stream.half_close()
            await stream.read(7200.0)
    except NetError:
        return
    finally:
        stream.abort()
