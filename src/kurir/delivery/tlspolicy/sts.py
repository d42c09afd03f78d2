"""Reading MTA-STS: the record, the policy, and its patterns (RFC 8461 sections 3.1, 3.2, 4.1).  Pure."""

import re
from collections.abc import Iterable

from .facts import StsFacts, StsMode

MAX_AGE = 31_557_600  # seconds, RFC 8461 section 3.2
MAX_MX = 200
_VERSION = re.compile(
    rb"v=STSv1[ \t]*;"
)  # what does not begin so is no record (section 3.1), and does not count as a second one
_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_FIELD = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31})=([\x21-\x3a\x3c\x3e-\x7e]+)")
_LINE = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31}):[ \t]*(.*?)[ \t]*")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"  # the underscore is no letter of a host, but in names of MX hosts
_HOST = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,10}")


class StsError(ValueError):
    """A policy that does not count; the text says why."""


def read_record(texts: Iterable[bytes]) -> str | None:
    """Return the id of the one valid record among TXT records; None where there is none or more than one."""
    found = [text for text in texts if _VERSION.match(text)]
    if len(found) != 1:
        return None
    fields = [f.strip(" \t") for f in found[0].decode("ascii", "replace").split(";")[1:]]
    if not fields[-1]:
        fields = fields[:-1]
    read: dict[str, str] = {}
    for field in fields:
        m = _FIELD.fullmatch(field)
        if m is None:
            return None
        read.setdefault(m[1], m[2])
    name = read.get("id", "")
    return name if _ID.fullmatch(name) else None


def read_policy(body: bytes, id: str = "") -> StsFacts:
    """Return the policy of a file (lines end in CRLF or LF).  Raises `StsError`.

    Unknown keys are left alone; of a key that stands twice the first counts, but for ``mx``.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise StsError("the policy is not UTF-8") from None
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    values: dict[str, str] = {}
    mx: list[str] = []
    for line in lines:
        m = _LINE.fullmatch(line)
        if m is None:
            raise StsError(f"this is no line of a policy: {line[:80]!r}")
        if m[1] == "mx":
            mx.append(_pattern(m[2]))
        else:
            values.setdefault(m[1], m[2])
    if values.get("version") != "STSv1":
        raise StsError("the policy does not begin with version: STSv1")
    try:
        mode = StsMode(values.get("mode", ""))
    except ValueError:
        raise StsError(f"the mode {values.get('mode', '')!r} is unknown") from None
    age = values.get("max_age", "")
    if not _NUMBER.fullmatch(age):
        raise StsError("max_age is missing or no number")
    if not mx and mode is not StsMode.NONE:
        raise StsError("the policy names no mail host")
    if len(mx) > MAX_MX:
        raise StsError(f"the policy names more than {MAX_MX} mail hosts")
    return StsFacts(mode, tuple(mx), min(int(age), MAX_AGE), id, tuple(line for line in lines if line))


def _pattern(text: str) -> str:
    if not _HOST.fullmatch(text.removesuffix(".")):
        raise StsError(f"{text[:80]!r} is no name of a mail host")
    return text.removesuffix(".").lower()


def names_host(patterns: Iterable[str], host: str) -> bool:
    """Whether a mail host is one of the policy's: ``*.`` stands for exactly one label (RFC 8461 section 4.1)."""
    host = host.lower().rstrip(".")
    label, _, parent = host.partition(".")
    if label in ("", "*"):  # no mail host has such a name: nobody may take a pattern by its word
        return False
    return any(p == host or (p.startswith("*.") and parent == p[2:]) for p in patterns)
