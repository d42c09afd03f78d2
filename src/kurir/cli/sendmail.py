"""``sendmail`` and ``mailq`` as other programs know them; the standard library only, so that they start at once.

Options as in Postfix' sendmail(1): what changes the message is honoured, the rest is accepted and ignored.
Exit codes are those of sysexits.h.
"""

import getpass
import os
import re
import socket
import sys
import tomllib
from pathlib import Path

from kurir.app.operating.submit import SubmitError, submit

EX_OK, EX_USAGE, EX_DATAERR, EX_UNAVAILABLE, EX_TEMPFAIL, EX_CONFIG = 0, 64, 65, 69, 75, 78

USAGE = """\
usage: sendmail [-t] [-i] [-f SENDER] [-F NAME] [-B 7BIT|8BITMIME] [-N NOTIFY] [-R full|hdrs] [-V ENVID] RECIPIENT...
Reads a message from standard input and hands it to the running Kurir.  Exit 75: try again later."""

_WITH_VALUE = set("fFrBNRVXLhpqCOUoC")
_RECIPIENT_HEADERS = re.compile(rb"^(to|cc|bcc)[ \t]*:", re.IGNORECASE)
_ADDRESS = re.compile(
    r'<([^<>]+)>|((?:"[^"]*"|[^\s,;<>"():]+)@[^\s,;<>"()]+)|(?<![^\s,;])([A-Za-z0-9._+-]+)(?=\s*(?:,|$))'
)


def main() -> None:
    """Run as ``sendmail``."""
    if Path(sys.argv[0]).name == "mailq":
        mailq()
    try:
        options, recipients = _options(sys.argv[1:])
    except ValueError as e:
        print(f"sendmail: {e}\n{USAGE}", file=sys.stderr)
        sys.exit(EX_USAGE)
    mode = options.get("b", "m")
    if mode == "p":
        mailq()
    if mode == "i":
        sys.exit(EX_OK)  # newaliases: aliases are configuration here
    if mode not in ("m", ""):
        print(
            f"sendmail: -b{mode} is not offered; speak SMTP to the submission port instead", file=sys.stderr
        )
        sys.exit(EX_USAGE)
    sys.exit(_send(options, recipients))


def mailq() -> None:
    """Run as ``mailq``: the queue as ``kurir queue list`` shows it."""
    from kurir.cli.main import main as kurir

    kurir(["queue", "list"])


def _options(argv: list[str]) -> tuple[dict[str, str], list[str]]:
    options: dict[str, str] = {}
    rest = list(argv)
    while rest and rest[0].startswith("-") and len(rest[0]) > 1:
        arg = rest.pop(0)
        if arg == "--":
            break
        letter, value = arg[1], arg[2:]
        if letter == "b":
            options["b"] = value
        elif letter == "o":
            if not value and rest:
                value = rest.pop(0)
            if value.startswith("i"):
                options["i"] = "1"
        elif letter in _WITH_VALUE:
            if not value:
                if letter == "q":
                    continue
                if not rest:
                    raise ValueError(f"-{letter} needs a value")
                value = rest.pop(0)
            options["f" if letter == "r" else letter] = value
        else:
            options.update(dict.fromkeys(arg[1:], "1"))
    return options, rest


def _send(options: dict[str, str], recipients: list[str]) -> int:
    message = _read(dot_ends="i" not in options)
    if not message.strip():
        print("sendmail: the message is empty", file=sys.stderr)
        return EX_DATAERR
    host = socket.gethostname()
    if "t" in options:
        recipients = [*recipients, *_named(message)]
    recipients = [r if "@" in r else f"{r}@{_domain() or host}" for r in recipients]
    if not recipients:
        print(f"sendmail: no recipient is named\n{USAGE}", file=sys.stderr)
        return EX_USAGE
    sender = options.get("f", f"{getpass.getuser()}@{_domain() or host}")
    sender = "" if sender in ("<>", '""') else sender.strip("<>")
    if sender and "@" not in sender:
        sender = f"{sender}@{_domain() or host}"
    if not re.search(rb"^from[ \t]*:", _head(message), re.IGNORECASE | re.MULTILINE):
        name = options.get("F", "").replace('"', "")
        message = f"From: {f'{chr(34)}{name}{chr(34)} ' if name else ''}<{sender}>\n".encode() + message
    mail = [f"RET={options['R'].upper()}"] if "R" in options else []
    mail += [f"ENVID={_xtext(options['V'])}"] if "V" in options else []
    rcpt = [f"NOTIFY={options['N'].upper()}"] if "N" in options else []
    try:
        done = submit(_state(), sender, recipients, message, options=mail, rcpt_options=rcpt)
    except SubmitError as e:
        print(f"sendmail: {e}", file=sys.stderr)
        return EX_UNAVAILABLE if e.final else EX_TEMPFAIL
    except OSError as e:
        print(f"sendmail: {e}", file=sys.stderr)
        return EX_CONFIG
    for address, why in done.refused.items():
        print(f"sendmail: {address}: {why}", file=sys.stderr)
    return EX_UNAVAILABLE if done.refused else EX_OK


def _xtext(text: str) -> str:
    return "".join(c if "!" <= c <= "~" and c not in "+=" else f"+{ord(c):02X}" for c in text if ord(c) < 128)


def _read(*, dot_ends: bool) -> bytes:
    data = sys.stdin.buffer.read()
    if dot_ends:
        m = re.search(rb"^\.\r?$", data, re.MULTILINE)
        if m:
            data = data[: m.start()]
    return data


def _head(message: bytes) -> bytes:
    m = re.search(rb"\r?\n\r?\n", message)
    return message[: m.start() + 1] if m else message


def _named(message: bytes) -> list[str]:
    """Return the addresses of To, Cc and Bcc."""
    text = re.sub(rb"\r?\n[ \t]+", b" ", _head(message)).splitlines()
    fields = [
        line.partition(b":")[2].decode("utf-8", "replace") for line in text if _RECIPIENT_HEADERS.match(line)
    ]
    return [
        a or b or c for field in fields for a, b, c in _ADDRESS.findall(re.sub(r"\([^()]*\)", " ", field))
    ]


def _file() -> Path:
    named = os.environ.get("KURIR_CONFIG")
    places = [Path(named)] if named else [Path("kurir.toml"), Path("/etc/kurir/kurir.toml")]
    for place in places:
        if place.is_file():
            return place
    raise FileNotFoundError(2, "no kurir.toml found; set KURIR_CONFIG", str(places[-1]))


def _table() -> dict[str, object]:
    with _file().open("rb") as f:
        return tomllib.load(f)


def _state() -> Path:
    server = _table().get("server")
    state = server.get("state", ".") if isinstance(server, dict) else "."
    return _file().parent / str(state)


def _domain() -> str:
    domains = _table().get("domains")
    return next(iter(domains), "") if isinstance(domains, dict) else ""


if __name__ == "__main__":
    main()
