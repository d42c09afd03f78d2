"""Reading SMTP off a stream, for scripted peers: lines, bodies, replies."""

from kurir.net.ports import NetError

from .net import SimStream

MAX = 1 << 20


class Lines:
    """A buffer over a stream."""

    def __init__(self, stream: SimStream) -> None:
        self.stream = stream
        self._buffer = b""

    async def _more(self, timeout: float) -> None:
        data = await self.stream.read(timeout)
        if not data:
            raise NetError("lost", "end of file")
        self._buffer += data
        if len(self._buffer) > MAX:
            raise NetError("lost", "too much")

    async def line(self, timeout: float = 3600.0) -> str:
        while (end := self._buffer.find(b"\r\n")) < 0:
            await self._more(timeout)
        line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        return line.decode("latin-1")

    async def body(self, timeout: float = 3600.0) -> bytes:
        """Return a DATA body, dots unstuffed."""
        while not self._buffer.startswith(b".\r\n") and (end := self._buffer.find(b"\r\n.\r\n")) < 0:
            await self._more(timeout)
        if self._buffer.startswith(b".\r\n"):
            self._buffer = self._buffer[3:]
            return b""
        body, self._buffer = self._buffer[: end + 2], self._buffer[end + 5 :]
        return (b"\r\n" + body).replace(b"\r\n.", b"\r\n")[2:]

    async def reply(self, timeout: float) -> tuple[int, str]:
        """Return (code, text) of one reply."""
        texts = []
        while True:
            line = await self.line(timeout)
            texts.append(line[4:])
            if line[3:4] != "-":
                return int(line[:3]), " ".join(texts)
