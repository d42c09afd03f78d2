"""What a broken server does instead of answering: it hangs, cuts off, talks nonsense or stops in mid-reply."""

from collections.abc import Awaitable, Callable

from kurir.net.ports import NetError, Stream

from .roles import Act

GARBAGE = b"\x16\x03\x01\xff not a reply\r\n\x00\x00\x80 \xfe\xff\r\nHTTP/1.1 200 OK\r\n\r\n"
HALF = b"250-2.1.5 this reply never en"
_FLUSH_SECONDS = 30.0


async def drop(stream: Stream, _: float) -> None:
    """Close without a word."""
    await stream.close()


async def garbage(stream: Stream, _: float) -> None:
    """Say what is no reply, and close."""
    stream.write(GARBAGE)
    await stream.close()


async def half(stream: Stream, _: float) -> None:
    """Stop in the middle of a reply, and close."""
    stream.write(HALF)
    await stream.close()


async def hang(stream: Stream, seconds: float) -> None:
    """Say nothing until the other side gives up: everything it says is read and forgotten."""
    await stream.drain(_FLUSH_SECONDS)
    try:
        while await stream.read(seconds):
            pass
    except NetError:
        pass
    await stream.close()


MISHAPS: dict[Act, Callable[[Stream, float], Awaitable[None]]] = {
    Act.DROP: drop,
    Act.GARBAGE: garbage,
    Act.HALF: half,
    Act.HANG: hang,
}
