"""Handing a message to the running server over its local socket: plain SMTP, the standard library only.

Used by ``kurir send`` and by the ``sendmail`` entry point, which must start quickly.  The socket's file
permissions decide who may send; the server treats it like any other door.
"""

import smtplib
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from kurir.model.told import told

SOCKET = Path("run/submit.sock")


class SubmitError(Exception):
    """The message was not taken; `final` says whether trying again makes no sense."""

    def __init__(self, text: str, *, final: bool) -> None:
        super().__init__(text)
        self.final = final


class _LocalSMTP(smtplib.SMTP):
    """smtplib over a unix socket; the path travels as the host name."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(timeout)
        s.connect(host)
        return s


class Submitted(NamedTuple):
    """The id of a message, the recipients that were refused, with the reason, and what the server said beside it."""

    id: str
    refused: dict[str, str]
    note: str = ""


def submit(
    state: Path, sender: str, recipients: Sequence[str], message: bytes, *, options: Sequence[str] = (),
    rcpt_options: Sequence[str] = (), timeout: float = 120.0,
) -> Submitted:  # fmt: skip
    """Send `message` (any line ends; raw letters beyond ASCII in its header are encoded, unless it needs SMTPUTF8 anyway).

    Raises `SubmitError` when nothing was taken.
    """
    for word in (sender, *recipients, *options, *rcpt_options):
        if any(c < " " or c == "\x7f" for c in word):  # a line end would begin another command
            raise SubmitError(
                told("there is a line end or another control character in {word!r}", word=word), final=True
            )
    path = state / SOCKET
    try:
        with _LocalSMTP(local_hostname="localhost", timeout=timeout) as smtp:
            code, banner = smtp.connect(str(path), 1)
            if code != 220:
                raise SubmitError(f"{code} {banner.decode(errors='replace')}", final=code >= 500)
            smtp.ehlo()
            message = message.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
            return _transaction(smtp, sender, recipients, message, options, rcpt_options)
    except (FileNotFoundError, ConnectionRefusedError):
        raise SubmitError(
            told("no server is running here ({path}); start it with: kurir serve", path=path), final=False
        ) from None
    except PermissionError:
        raise SubmitError(
            told("you may not use {path}; ask the operator to add you to its group", path=path), final=True
        ) from None
    except (OSError, smtplib.SMTPException) as e:
        raise SubmitError(
            told("the conversation with the server broke off: {why}", why=e), final=False
        ) from None


def _transaction(
    smtp: smtplib.SMTP, sender: str, recipients: Sequence[str], message: bytes,
    options: Sequence[str], rcpt_options: Sequence[str],
) -> Submitted:  # fmt: skip
    narrow = _without_smtputf8(message) if all(a.isascii() for a in [sender, *recipients]) else None
    message, wide = (message, ["SMTPUTF8"]) if narrow is None else (narrow, [])
    smtp.command_encoding = "utf-8" if wide else "ascii"
    body = [] if message.isascii() else ["BODY=8BITMIME"]
    _must(smtp.mail(sender, [f"SIZE={len(message)}", *options, *body, *wide]))
    refused = {}
    for recipient in recipients:
        code, said = smtp.rcpt(recipient, list(rcpt_options))
        if code >= 300:
            refused[recipient] = f"{code} {said.decode(errors='replace')}"
    if len(refused) == len(recipients):
        raise SubmitError("; ".join(f"{a}: {why}" for a, why in refused.items()), final=_final(refused))
    code, said = _must(smtp.data(message))
    promise, _, note = said.decode(errors="replace").partition("; ")
    words = promise.split()
    id = next((w for w in words if w.startswith("k") and w[1:2].isdigit() and len(w) >= 8), "")
    return Submitted(id, refused, note)


def _without_smtputf8(message: bytes) -> bytes | None:
    """Return the message with its header encoded, or None where only SMTPUTF8 can carry it (then it goes as it is)."""
    if message.isascii():
        return message
    from kurir.message.encoded import (
        encoded_header,
        is_plain,
    )  # only where needed: sendmail must start quickly

    message = encoded_header(message)
    return message if is_plain(message) else None


def _must(answer: tuple[int, bytes]) -> tuple[int, bytes]:
    code, said = answer
    if code >= 300:
        raise SubmitError(f"{code} {said.decode(errors='replace')}", final=code >= 500)
    return code, said


def _final(refused: dict[str, str]) -> bool:
    return all(why.startswith("5") for why in refused.values())
