"""SMTP replies: any code is legal, its class is its first digit, the text is kept (RFC 5321 section 4.2)."""

import re

import msgspec

_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?= |$)")


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """One reply, ours or a peer's.

    `code` is 200..599; `enhanced` an enhanced status code such as ``"5.1.1"`` (RFC 3463) or None;
    `lines` the text of each line without code and enhanced code, never empty.
    """

    code: int
    enhanced: str | None
    lines: tuple[str, ...]

    @classmethod
    def of(cls, code: int, enhanced: str | None, text: str) -> "Reply":
        """Make a reply from one text; line breaks in it make several lines."""
        return cls(code, enhanced, tuple(text.split("\n")))

    @property
    def klass(self) -> int:
        """First digit of the code: 2 done, 3 go on, 4 try later, 5 refused."""
        return self.code // 100

    @property
    def text(self) -> str:
        """All lines as one text, joined by a blank."""
        return " ".join(self.lines)

    def __str__(self) -> str:
        middle = f" {self.enhanced}" if self.enhanced else ""
        return f"{self.code}{middle} {self.text}".rstrip()

    def render(self) -> bytes:
        """Return the reply as it goes over the wire, CRLF included; control characters are replaced."""
        middle = f"{self.enhanced} " if self.enhanced else ""
        last = len(self.lines) - 1
        out = "".join(
            f"{self.code}{' ' if i == last else '-'}{middle}{_printable(line)}\r\n"
            for i, line in enumerate(self.lines)
        )
        return out.encode("utf-8", "replace")


def _printable(line: str) -> str:
    return line if line.isprintable() else "".join(c if c.isprintable() else "?" for c in line)


def split_enhanced(code: int, text: str) -> tuple[str | None, str]:
    """Split a leading enhanced status code off `text` when its class fits `code` (RFC 2034 section 4)."""
    m = _ENHANCED.match(text)
    if m and int(m[1]) == code // 100:
        return m[0], text[m.end() :].lstrip(" ")
    return None, text
