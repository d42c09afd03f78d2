"""``kurir send``: hand a message to the running server."""

import getpass
import re
import secrets
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import click

from kurir.app.operating import control
from kurir.app.operating.control import ControlError
from kurir.app.operating.submit import SubmitError, submit
from kurir.app.wiring import settings
from kurir.cli.help import Command, common, option
from kurir.cli.output import Failure, configuration, document, moment
from kurir.cli.words import current, say
from kurir.config import Config
from kurir.message import compose_text, scan
from kurir.model import AddressError, parse_address
from kurir.model.told import of_error, told
from kurir.trace import say_noted


@click.command(cls=Command)
@option("--to", multiple=True, metavar="ADDRESS", help="opt.to")
@option("--from", "sender", metavar="ADDRESS", default=None, help="opt.from")
@option("--subject", metavar="TEXT", default=None, help="opt.subject")
@option("--sealed", is_flag=True, help="opt.sealed")
@option("--strict", is_flag=True, help="opt.sealed_strict")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@common
def command(
    to: tuple[str, ...], sender: str | None, subject: str | None, sealed: bool, strict: bool,
    file: Path | None, config_file: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Send a message and print its id."""
    _, config = configuration(config_file)
    if not to:
        raise Failure(say("error.no_recipient"))
    who = sender or _default_sender(config)
    for address in [who, *to]:
        try:
            parse_address(address, bare_postmaster=True)
        except AddressError as e:
            raise Failure(told("{address}: {why}", address=address, why=e)) from None
    message = _message(_read(file, subject), who, to, subject)
    if sealed or strict:
        message = b"Kurir-Sealed: %s\r\n%s" % (b"strict" if strict else b"yes", message)
    try:
        done = submit(config.server.state, who, to, message)
    except SubmitError as e:
        if as_json:
            document({"id": None, "error": str(e), "final": e.final})
            return 1
        raise Failure(_said(e)) from None
    forecast = _forecast(config, done.id)
    if as_json:
        document({"id": done.id, "refused": done.refused, "note": done.note, "forecast": forecast})
    else:
        click.echo(say("send.id", id=done.id))
        if any(f["waits"] or f["closed"] for f in forecast) or len({f["label"] for f in forecast}) > 1:
            click.echo(_told(forecast, len(to) - len(done.refused)))
        for line in [
            *(_in_words(f"{address}: {why}") or f"{address}: {why}" for address, why in done.refused.items()),
            *_noted(done.note, forecast),
        ]:
            click.echo(f"kurir: {line}", err=True)
    return 1 if done.refused else 0


_REPLY = re.compile(r"^(\S+@\S+: )?(?:(\d{3}) )?(\d\.\d{1,3}\.\d{1,3}) (.+)$", re.MULTILINE)


def _said(error: SubmitError) -> str:
    """Return why nothing was taken; what we wrote ourselves into a reply in the reader's language."""
    text = of_error(error)
    return _in_words(text) if _REPLY.match(text) else text


def _in_words(text: str) -> str:
    """Say the words of a reply, each line of which may name a recipient first."""
    return "\n".join(
        f"{m[1] or ''}{m[2] or ' ' * 3} {m[3]} {say_noted(m[4].strip(), current())}"
        for m in _REPLY.finditer(text)
    )


_FORETOLD = re.compile(r"^\d+ (?:of \d+ )?recipients go (?:now by|later, (?:by a limit|after an outage) of) ")


def _noted(note: str, forecast: list[dict[str, Any]]) -> list[str]:
    """Return what the server said beside the id; what the forecast tells better is not told twice."""
    parts = [part for part in note.split("; ") if part and not (forecast and _FORETOLD.match(part))]
    return [say_noted("; ".join(parts), current())] if parts else []


def _forecast(config: Config, id: str) -> list[dict[str, Any]]:
    """Return when the recipients go, as far as limits of others let them wait; only the server's own user may ask."""
    try:
        path = config.server.state / settings.CONTROL_SOCKET
        found: list[dict[str, Any]] = control.call(path, "limits.foresee", id=id)
    except ControlError:
        return []
    return found


def _told(forecast: list[dict[str, Any]], recipients: int) -> str:
    """Say how many recipients go when, and by whom."""
    later: dict[tuple[str, bool], list[dict[str, Any]]] = {}
    now: Counter[str] = Counter()
    for part in forecast:
        if part["waits"] or part["closed"]:
            later.setdefault((part["label"], part["closed"]), []).append(part)
        else:
            now[part["label"]] += part["recipients"]
    said = [say("send.now_by", count=count, label=label) for label, count in now.items()]
    if free := recipients - sum(
        p["recipients"] for p in forecast
    ):  # by roads without limits, or on their way
        said.append(say("send.now", count=free))
    for (label, closed), parts in later.items():
        count, times = sum(p["recipients"] for p in parts), [p["at"] for p in parts]
        first, last = moment(times[0]), moment(times[-1])
        limited = "send.open" if None in times else "send.at" if first == last else "send.between"
        key = "send.closed" if closed else limited
        said.append(say(key, count=count, label=label, first=first, last=last))
    return say("send.forecast", recipients=recipients, parts=", ".join(said))


def _default_sender(config: Config) -> str:
    domain = next(iter(config.domains), config.server.hostname)
    return f"{getpass.getuser()}@{domain}"


def _read(file: Path | None, subject: str | None) -> bytes:
    if file is not None:
        return file.read_bytes()
    if sys.stdin.isatty() and subject is not None:
        return b"\n"  # a subject alone is a message
    return sys.stdin.buffer.read()


_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")


_TELLING = ("From", "To", "Subject")  # any of them tells a message from a text that begins with "Note: ..."


def _message(data: bytes, sender: str, to: tuple[str, ...], subject: str | None) -> bytes:
    """Return `data` as a message: as it is where it has header fields, else as the text of a new one."""
    data = re.sub(rb"\r?\n", b"\r\n", data)
    if not data.strip() and subject is None:
        raise Failure(say("error.empty"))
    head = scan(data)
    if subject is None and _FIELD.match(data) and any(head.get(name) is not None for name in _TELLING):
        missing = [("From", sender)] if head.get("From") is None else []
        missing += [("To", ", ".join(to))] if head.get("To") is None and head.get("Cc") is None else []
        return b"".join(f"{name}: {value}\r\n".encode() for name, value in missing) + data
    return compose_text(
        sender=sender, to=to, subject=subject or "", text=data.decode("utf-8", "replace"),
        at=time.time(), token=secrets.token_hex(8),
    )  # fmt: skip
