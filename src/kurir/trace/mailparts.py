"""Takes a returned message apart: a small scanner for hostile text, bounded in every direction.

It reads only what explaining a bounce needs: header fields of the outside, the readable text, and the
machine-readable report of RFC 3464.  The returned original is never looked at.  Each line is visited a
fixed number of times, whatever the text says.
"""

import base64
import binascii
import contextlib
import html
import quopri
import re
from collections.abc import Sequence
from email.errors import HeaderParseError
from email.header import decode_header, make_header

import msgspec

MAX_TEXT = 256 * 1024  # characters of a pasted text that are looked at
MAX_PARTS = 40
MAX_DEPTH = 5  # nested multiparts
MAX_FIELDS = 400

Fields = tuple[tuple[str, str], ...]

_FIELD = re.compile(r"([!-9;-~]{1,76}):[ \t]*(.*)")
_BOUNDARY = re.compile(r'boundary ?= ?(?:"([^"]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)
_CHARSET = re.compile(r'charset ?= ?"?([A-Za-z0-9._:-]{1,40})', re.IGNORECASE)
_TAG = re.compile(r"<(?:br|/?p|/?div|/?tr|/?td|/?li|/?h[1-6])\b[^<>]{0,500}>", re.IGNORECASE)
_OTHER_TAG = re.compile(r"<[/!a-zA-Z][^<>@]{0,1000}>")
_STYLE = re.compile(r"<(style|script|head)\b", re.IGNORECASE)


class Part(msgspec.Struct, frozen=True, array_like=True):
    """One leaf of a message: its type (``"text/plain"``), its own header fields, its decoded lines."""

    kind: str
    fields: Fields
    lines: tuple[str, ...]


class Mail(msgspec.Struct, frozen=True, array_like=True):
    """A message as far as it is needed: outer fields (lower-case names) and leaf parts up to the original."""

    fields: Fields
    parts: tuple[Part, ...]


def first(fields: Fields, name: str) -> str:
    """Return the value of the first field called `name` (lower-case), or ``""``."""
    return next((value for key, value in fields if key == name), "")


def decoded(value: str) -> str:
    """Return a header field's value with its encoded words (RFC 2047) read; as it stands where one is broken."""
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value[:1000])))
    except (ValueError, LookupError, HeaderParseError):
        return value


def read_mail(text: str) -> Mail | None:
    """Take `text` apart where it is a message with a header; None where it is something else."""
    lines = text[:MAX_TEXT].splitlines()
    while lines and not lines[0].strip():
        lines = lines[1:]
    if lines and re.match(r">?From \S", lines[0]):
        lines = lines[1:]
    fields, rest = _header(lines)
    names = {name for name, _ in fields}
    if (
        len(
            names & {"from", "to", "subject", "date", "received", "message-id", "return-path", "content-type"}
        )
        < 2
    ):
        return None
    parts: list[Part] = []
    _walk(fields, rest, parts, 0)
    return Mail(fields, tuple(parts))


def groups(lines: Sequence[str]) -> tuple[Fields, ...]:
    """Read a machine-readable report: groups of fields with empty lines between (RFC 3464 section 2.1)."""
    found: list[Fields] = []
    rest: Sequence[str] = lines
    while rest and len(found) < 200:
        fields, after = _header(rest)
        # Some reports forget the empty line between two recipients.
        starts = [i for i, (name, _) in enumerate(fields) if name == "final-recipient"] or [0]
        for a, b in zip([0, *starts[1:]], [*starts[1:], len(fields)], strict=True):
            if fields[a:b]:
                found.append(fields[a:b])
        rest = after if len(after) < len(rest) else rest[1:]
    return tuple(found)


def _header(lines: Sequence[str]) -> tuple[Fields, Sequence[str]]:
    """Return the fields at the start (folded lines joined) and the lines behind the empty line."""
    fields: list[tuple[str, str]] = []
    for i, line in enumerate(lines):
        if not line.strip():
            return tuple(fields), lines[i + 1 :]
        if line[0] in " \t":
            if fields:
                name, value = fields[-1]
                if len(value) < 8192:
                    fields[-1] = (name, f"{value} {line.strip()}")
            continue
        m = _FIELD.match(line)
        if not m:
            return tuple(fields), lines[i:]
        if len(fields) < MAX_FIELDS:
            fields.append((m[1].lower(), m[2].strip()))
    return tuple(fields), ()


def _walk(fields: Fields, lines: Sequence[str], parts: list[Part], depth: int) -> None:
    if len(parts) >= MAX_PARTS:
        return
    content_type = first(fields, "content-type")
    kind = content_type.split(";", 1)[0].strip().lower() or "text/plain"
    boundary = _BOUNDARY.search(content_type)
    if kind.startswith("multipart/") and boundary and depth < MAX_DEPTH:
        mark = "--" + (boundary[1] or boundary[2])
        pieces = _split(lines, mark)
        if pieces:
            for piece in pieces:
                _walk(*_header(piece), parts, depth + 1)
            return
    if kind.startswith("multipart/"):  # its boundary never comes: read it as it stands
        kind = "text/plain"
    parts.append(Part(kind, fields, tuple(_decode(fields, lines, kind))))


def _split(lines: Sequence[str], mark: str) -> list[Sequence[str]]:
    cuts = [i for i, line in enumerate(lines) if line.startswith(mark)][: MAX_PARTS + 1]
    ends = [*cuts[1:], len(lines)] if cuts else []
    return [
        lines[a + 1 : b]
        for a, b in zip(cuts, ends, strict=True)
        if lines[a].rstrip() != mark + "--" and a + 1 < b
    ]


def _decode(fields: Fields, lines: Sequence[str], kind: str) -> list[str]:
    encoding = first(fields, "content-transfer-encoding").strip().lower()
    charset = _CHARSET.search(first(fields, "content-type"))
    name = charset[1].lower() if charset else "utf-8"
    text = "\n".join(lines)
    raw = text.encode("utf-8", "replace")
    if encoding == "base64":
        with contextlib.suppress(binascii.Error, ValueError):
            text = _words(base64.b64decode(raw, validate=False), name)
    elif encoding == "quoted-printable":
        text = _words(quopri.decodestring(raw), name)
    elif name.startswith("iso-2022"):
        text = _words(raw, name)
    if kind == "text/html":
        text = _plain(text)
    return text.splitlines()


def _words(data: bytes, charset: str) -> str:
    try:
        return data.decode(charset, "replace")
    except (LookupError, UnicodeError, ValueError):
        return data.decode("utf-8", "replace")


def _plain(text: str) -> str:
    """HTML as lines of text: block tags break lines, other tags go, entities are resolved."""
    pieces: list[str] = []
    at = 0
    while m := _STYLE.search(text, at):
        pieces.append(text[at : m.start()])
        end = text.lower().find(f"</{m[1].lower()}", m.end()) if len(pieces) < 50 else -1
        at = end if end >= 0 else len(text)
        if end < 0:
            break
    pieces.append(text[at:])
    body = _OTHER_TAG.sub("", _TAG.sub("\n", "".join(pieces)))
    return html.unescape(body)
