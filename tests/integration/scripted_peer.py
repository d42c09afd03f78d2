"""A difficult SMTP server on loopback: what it says at each step is a table."""

import asyncio
import contextlib
import ssl
from contextlib import asynccontextmanager

# Hang up; say nothing until the client has lost patience; say nothing, and no time passes; send a reset.
CLOSE, HANG, SILENT, RESET = object(), object(), object(), object()
LEAP = 3600.0  # seconds: longer than any time limit of a client
TURNS = 50  # of the loop, in which the client reads what was said before

DEFAULTS = {
    "banner": b"220 peer.example ready\r\n",
    "EHLO": b"250-peer.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 1000000\r\n250-DSN\r\n250 SMTPUTF8\r\n",
    "HELO": b"250 peer.example\r\n",
    "STARTTLS": b"220 go\r\n",
    "MAIL": b"250 2.1.0 ok\r\n",
    "RCPT": b"250 2.1.5 ok\r\n",
    "DATA": b"354 go\r\n",
    "RSET": b"250 ok\r\n",
    "QUIT": b"221 bye\r\n",
    "dot": b"250 2.0.0 taken\r\n",
}


def ehlo(*keywords):
    lines = ["peer.example", *keywords]
    return b"".join(
        f"250{' ' if i == len(lines) - 1 else '-'}{line}\r\n".encode() for i, line in enumerate(lines)
    )


async def outlast(reader):
    """Say nothing until the client has gone: time leaps in the loop, so that nobody really waits for a time limit."""
    loop, gone = asyncio.get_running_loop(), asyncio.ensure_future(reader.read(-1))
    while not gone.done():
        for _ in range(TURNS):
            await asyncio.sleep(0)
        loop.time = lambda now=loop.time: now() + LEAP
        await asyncio.wait([gone], timeout=1.0)
    await gone


class Peer:
    """`script` maps a step (``banner MAIL RCPT:a@x dot ...``) to bytes, an action, or a function of the line.

    A list is used up one entry per time, its last entry stays.  `messages` are the bodies that were taken
    whole, `connections` counts, `lines` are all commands; `silent` is set where it said nothing more.
    """

    def __init__(self, script, tls=None, lmtp=False, implicit=False):
        self.script = DEFAULTS | {"LHLO": DEFAULTS["EHLO"]} | script
        self.tls = tls
        self.lmtp = lmtp
        self.connections = 0
        self.lines = []
        self.messages = []
        self.envelopes = []
        self.port = 0
        self.tasks = set()
        self.silent = asyncio.Event()

    def answer(self, *steps):
        for step in steps:
            if step in self.script:
                found = self.script[step]
                if isinstance(found, list):
                    found = found.pop(0) if len(found) > 1 else found[0]
                return found
        return b"502 5.5.1 what?\r\n"

    async def say(self, reader, writer, answer):
        """Return whether the session goes on."""
        if isinstance(answer, tuple):  # several in a row
            for one in answer:
                if not await self.say(reader, writer, one):
                    return False
            return True
        if answer is HANG:
            await outlast(reader)
            return False
        if answer is SILENT:
            self.silent.set()
            await reader.read(-1)
            return False
        if answer is CLOSE:
            return False
        if answer is RESET:
            writer.transport.abort()
            return False
        writer.write(answer)
        await writer.drain()
        return True

    async def serve(self, reader, writer):
        self.connections += 1
        task = asyncio.current_task()
        self.tasks.add(task)
        try:
            if await self.say(reader, writer, self.answer("banner")):
                await self.session(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            self.tasks.discard(task)
            with contextlib.suppress(Exception):
                writer.close()

    async def session(self, reader, writer):
        rcpts, accepted, open_ = 0, [], False
        while line := await reader.readline():
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            self.lines.append(text)
            verb = text.split(" ")[0].split(":")[0].upper()
            step = verb
            if verb == "RCPT":
                step = "RCPT:" + text[text.index("<") + 1 : text.index(">")]
            answer = self.answer(step, verb)
            if verb == "MAIL":
                rcpts, accepted = 0, []
                open_ = isinstance(answer, bytes) and answer[:1] == b"2"
            elif verb == "RCPT" and not open_ and isinstance(answer, bytes):
                answer = b"503 5.5.1 MAIL first\r\n"
            elif verb == "DATA" and not rcpts and isinstance(answer, bytes):
                answer = b"554 5.5.1 no valid recipients\r\n"
            if not await self.say(reader, writer, answer):
                return
            good = isinstance(answer, bytes) and answer[:1] == b"2"
            if verb == "RCPT" and good:
                rcpts += 1
                accepted.append(step[5:])
            if verb == "STARTTLS" and good:
                if self.tls is None:
                    return
                await writer.start_tls(self.tls)
            if verb == "QUIT":
                return
            if verb == "DATA" and isinstance(answer, bytes) and answer[:1] == b"3":
                body = await self.body(reader, writer)
                if body is None:
                    return
                for _ in range(rcpts if self.lmtp else 1):
                    if not await self.say(reader, writer, self.answer("dot")):
                        return
                self.messages.append(body)
                self.envelopes.append(accepted)

    async def body(self, reader, writer):
        mid = self.script.get("mid-body")
        lines = []
        while True:
            line = await reader.readline()
            if not line:
                return None
            if line == b".\r\n":
                return b"".join(lines)
            lines.append(line[1:] if line.startswith(b".") else line)
            if mid is not None and len(lines) > 5 and not await self.say(reader, writer, mid):
                return None


@asynccontextmanager
async def peer(script=None, *, tls=None, lmtp=False, implicit=False, kind=Peer, host="127.0.0.1", port=0):
    """Serve; yields the peer with its port."""
    p = kind(script or {}, tls=tls, lmtp=lmtp)
    server = await asyncio.start_server(p.serve, host, port, ssl=tls if implicit else None, limit=2**20)
    p.port = server.sockets[0].getsockname()[1]
    try:
        yield p
    finally:
        server.close()
        for task in list(p.tasks):
            task.cancel()
        if p.tasks:
            await asyncio.wait(list(p.tasks), timeout=2)
