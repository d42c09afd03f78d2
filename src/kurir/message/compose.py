"""Messages that Kurir writes itself: notices, and what ``kurir send`` is given (RFC 5322, RFC 2045 to 2047, RFC 2231).

Everything is a parameter, boundaries included, so that the same input makes the same octets.  A value with a line
break or another control character in it is refused (`HeaderInjection`), never mended: whoever takes text from
outside washes it first (`words.disarm`).
"""

import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kurir.model import Address, parse_address

from .dates import format_date

_LINE = 76  # where fields are folded; encoded words may have 75 octets (RFC 2047 section 2)
_WORD_OCTETS = 45  # of UTF-8 in one base64 encoded word: 60 + len("=?utf-8?B??=") = 72
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+")
_NAME = re.compile(r"[!-9;-~]+")
_BREAKS = re.compile(rb"\r\n|\r|\n")


class HeaderInjection(ValueError):
    """A header value holds a line break or another control character."""


@dataclass(frozen=True, slots=True)
class Part:
    """One MIME entity: its own header fields, each ending in CRLF, and its body."""

    fields: bytes
    body: bytes

    def render(self) -> bytes:
        """Return the entity: fields, empty line, body."""
        return self.fields + b"\r\n" + self.body


def field(name: str, value: str, *, utf8: bool = False) -> bytes:
    """Return an unstructured field, folded, CRLF included.

    Non-ASCII text becomes encoded words, or stays as UTF-8 with `utf8` (RFC 6532).  Raises `HeaderInjection`.
    """
    _check(name, value)
    # Text that only looks like an encoded word is encoded too, and always the whole value: blanks between
    # encoded words would be lost otherwise (RFC 2047 section 6.2).
    plain = (value.isascii() or utf8) and "=?" not in value
    words = value.split(" ") if plain else list(_encoded_words(value))
    return _folded(name, words)


def raw_field(name: str, value: str) -> bytes:
    """Return a structured field whose `value` is already in its final form, folded at its blanks."""
    _check(name, value)
    return _folded(name, value.split(" "))


def address_field(name: str, mailboxes: Iterable[tuple[str, Address]], *, utf8: bool = False) -> bytes:
    """Return an address field from ``(display name, address)`` pairs.

    Raises `HeaderInjection`, also for a non-ASCII address without `utf8`: such an address has no other form.
    """
    words: list[str] = []
    for display, address in mailboxes:
        _check(name, display)
        if not (utf8 or address.is_ascii):
            raise HeaderInjection(f"{address} can only be written with SMTPUTF8")
        if words:
            words[-1] += ","
        words += [*_phrase(display, utf8=utf8), f"<{address}>"] if display else [str(address)]
    _check(name, " ".join(words))
    return _folded(name, words)


def parameter(name: str, value: str) -> str:
    """Return ``; name=value`` for a Content-Type or Content-Disposition field (RFC 2231 where it is not ASCII)."""
    _check(name, value)
    if value.isascii():
        if _TOKEN.fullmatch(value):
            return f"; {name}={value}"
        escaped = re.sub(r'(["\\])', r"\\\1", value)
        return f'; {name}="{escaped}"'
    encoded = "".join(chr(o) if chr(o).isalnum() and o < 128 else f"%{o:02X}" for o in value.encode())
    pieces = re.findall(r"(?:%..|.){1,40}", encoded)
    if len(pieces) == 1:
        return f"; {name}*=utf-8''{encoded}"
    pieces[0] = f"utf-8''{pieces[0]}"
    return "".join(f"; {name}*{i}*={piece}" for i, piece in enumerate(pieces))


def text_part(text: str, subtype: str = "plain") -> Part:
    """Return a text part in UTF-8: as it is where it is plain ASCII of short lines, else quoted-printable."""
    data = _BREAKS.sub(b"\r\n", text.encode("utf-8", "replace"))
    if not data.endswith(b"\r\n"):
        data += b"\r\n"
    plain = data.isascii() and b"\0" not in data and max(map(len, data.split(b"\r\n"))) <= 78
    encoding = "7bit" if plain else "quoted-printable"
    fields = raw_field("Content-Type", f"text/{subtype}; charset={'us-ascii' if plain else 'utf-8'}")
    return Part(
        fields + raw_field("Content-Transfer-Encoding", encoding),
        data if plain else binascii.b2a_qp(data, istext=True),
    )


def attachment(name: str, content_type: str, data: bytes) -> Part:
    """Return a part with a file in base64.  `name` is shown, never trusted."""
    fields = raw_field("Content-Type", content_type) + raw_field("Content-Transfer-Encoding", "base64")
    fields += raw_field("Content-Disposition", "attachment" + parameter("filename", name))
    return Part(fields, base64_lines(data))


def base64_lines(data: bytes) -> bytes:
    """Return `data` in base64, lines of 76 octets ending in CRLF."""
    lines = re.findall(rb".{1,76}", binascii.b2a_base64(data, newline=False))
    return b"".join([line + b"\r\n" for line in lines])


def multipart(subtype: str, parts: Sequence[Part], token: str, parameters: str = "") -> Part:
    """Return a multipart of `parts`.  The boundary is made from `token`, and does not occur in any part."""
    rendered = [part.render() for part in parts]
    n = 0
    boundary = f"=_kurir_{token[:40]}"
    while any(boundary.encode() in text for text in rendered):
        n += 1
        boundary = f"=_kurir_{n}_{token[:40]}"
    line = boundary.encode()
    body = b"".join(b"--" + line + b"\r\n" + text + b"\r\n" for text in rendered) + b"--" + line + b"--\r\n"
    kind = raw_field("Content-Type", f"multipart/{subtype}{parameters}" + f'; boundary="{boundary}"')
    if not body.isascii():
        kind += raw_field("Content-Transfer-Encoding", "8bit")
    return Part(kind, body)


def message(fields: Sequence[bytes], content: Part) -> bytes:
    """Return a whole message: `fields`, MIME-Version, and `content`."""
    return b"".join(fields) + b"MIME-Version: 1.0\r\n" + content.render()


def compose_text(
    *, sender: Address | str, to: Sequence[Address | str], subject: str, text: str, at: float, token: str
) -> bytes:
    """Return a whole plain text message, CRLF, ready to be handed in.

    `at` is epoch seconds; `token` makes the Message-ID unique.  Addresses given as text are parsed.  Non-ASCII
    addresses are written as UTF-8, so the caller then needs SMTPUTF8.  Raises `HeaderInjection` or `AddressError`.
    """
    author = _parsed(sender)
    recipients = [_parsed(address) for address in to]
    utf8 = not all(address.is_ascii for address in (author, *recipients))
    host = author.domain if author.domain and author.is_ascii else "localhost"
    fields = [
        field("Date", format_date(at)),
        address_field("From", [("", author)], utf8=utf8),
        address_field("To", [("", address) for address in recipients], utf8=utf8),
        field("Subject", subject),
        field("Message-ID", f"<{token}@{host}>"),
    ]
    return message(fields, text_part(text))


def _parsed(address: Address | str) -> Address:
    return parse_address(address, bare_postmaster=True) if isinstance(address, str) else address


def _check(name: str, value: str) -> None:
    if not _NAME.fullmatch(name) or _CONTROL.search(value):
        raise HeaderInjection(f"the value of {name!r} holds a line break or another control character")


def _phrase(display: str, *, utf8: bool) -> list[str]:
    if not display.isascii() and not utf8:
        return list(_encoded_words(display))
    if _ATOMS.fullmatch(display) and "=?" not in display:
        return display.split(" ")
    escaped = re.sub(r'(["\\])', r"\\\1", display)
    return [f'"{escaped}"']


def _encoded_words(text: str) -> Iterable[str]:
    """Split at character boundaries: each word must decode by itself (RFC 2047 section 5)."""
    piece = b""
    for char in text:
        octets = char.encode("utf-8", "replace")
        if len(piece) + len(octets) > _WORD_OCTETS:
            yield f"=?utf-8?B?{binascii.b2a_base64(piece, newline=False).decode()}?="
            piece = b""
        piece += octets
    if piece:
        yield f"=?utf-8?B?{binascii.b2a_base64(piece, newline=False).decode()}?="


def _folded(name: str, words: Sequence[str]) -> bytes:
    lines: list[str] = []
    line = name + ":"
    for word in words:
        # A line of blanks only would end the header for some readers: an empty word never starts a line.
        if len(line) + 1 + len(word) > _LINE and word and line.strip() and line != name + ":":
            lines.append(line)
            line = ""
        line += " " + word
    lines.append(line)
    return "\r\n".join(_hard_folded(lines)).encode() + b"\r\n"


def _hard_folded(lines: Iterable[str]) -> Iterable[str]:
    """A word longer than a line may be is cut (RFC 5322 section 2.1.1); only foreign text can be that long."""
    for line in lines:
        rest = line
        while len(rest.encode()) > 900:
            yield rest[:220]
            rest = " " + rest[220:]
        yield rest
