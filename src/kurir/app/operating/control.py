"""The local control socket: one JSON line asks, one JSON line answers.  File permissions decide who may.

Commands that change something go through it, so that there is one writer.  ``Operations`` (in
``operations``) is the table of what can be asked; this module only carries it.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from kurir.app.ipc.channel import KEEP_SOCKET
from kurir.model.told import Packed, of_error, pack, told, unpack

MAX_LINE = 16 * 1024 * 1024
ANSWER_TIMEOUT = 60.0


class ControlError(Exception):
    """The server could not be asked, or refused; the text says why and what to do next."""


class NotRunning(ControlError):
    """Nobody listens on the control socket."""


Ask = Callable[[str, dict[str, Any]], Awaitable[Any]]


async def serve(listener: socket.socket, ask: Ask) -> asyncio.AbstractServer:
    """Listen; `ask(op, args)` answers, raising `ControlError` for what is to be said to the asker.

    The socket outlives this server: who asks during a reload is answered after it.
    """

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readuntil(b"\n")
            writer.write(msgspec.json.encode(await _answer(line, ask)) + b"\n")
            await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, msgspec.DecodeError):
            pass  # the asker went away or talked garbage: nobody to tell
        finally:
            writer.close()

    return await asyncio.start_unix_server(talk, sock=listener, limit=MAX_LINE, **KEEP_SOCKET)


class _Question(msgspec.Struct, frozen=True):
    op: str
    args: dict[str, Any]


async def _answer(line: bytes, ask: Ask) -> dict[str, Any]:
    question = msgspec.json.decode(line, type=_Question)
    try:
        return {"ok": True, "value": await ask(question.op, question.args)}
    except ControlError as e:
        return {"ok": False, "error": pack(of_error(e))}


def call(path: Path, op: str, *, patience: float = ANSWER_TIMEOUT, **args: object) -> Any:
    """Ask the running server and return its answer.  Raises `NotRunning` or `ControlError`.

    No part of it takes longer than `patience` seconds; a server that is just reloading answers when it has.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(patience)
        try:
            s.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            raise NotRunning(
                told("no server is running here ({path}); start it with: kurir serve", path=path)
            ) from None
        except PermissionError:
            raise ControlError(
                told("you may not use {path}; run this as the server's user or as root", path=path)
            ) from None
        except OSError as e:  # a path too long for a socket, and the like
            raise ControlError(
                told("the server cannot be asked at {path}: {why}", path=path, why=e.strerror or str(e))
            ) from None
        answer = msgspec.json.decode(_asked(s, msgspec.json.encode({"op": op, "args": args}) + b"\n"))
    if not answer["ok"]:
        raise ControlError(unpack(msgspec.convert(answer["error"], Packed)))
    return answer["value"]


def _asked(s: socket.socket, question: bytes) -> bytes:
    """Return the answer to a question.  Raises `ControlError` where there is none."""
    data = bytearray()
    try:
        s.sendall(question)
        while not data.endswith(b"\n"):
            piece = s.recv(1 << 16)
            if not piece:
                break
            data += piece
    except TimeoutError:
        raise ControlError(
            told(
                "the server did not answer within {seconds:.0f} seconds; look into its log",
                seconds=s.gettimeout(),
            )
        ) from None
    except ConnectionError:
        data.clear()
    if not data.endswith(b"\n"):
        raise ControlError(
            told(
                "the server ended in the middle of the conversation; look whether it was done, and ask again if not"
            )
        )
    return bytes(data)
