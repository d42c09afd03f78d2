"""Reports of others as they arrive by mail: recognised, unpacked and read (RFC 9990, RFC 8460, RFC 5965, RFC 6591).

What a mail is, its parts decide, never its subject: reporters name and declare their files in many ways.  A part
that could be a report is tried; the first that can be read is taken.  Everything is bounded by `ReportLimits`.
"""

import base64
import binascii
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass

from kurir.message import MimeLimits, MimeParser, disarm, scan
from kurir.message.mime import Entity, Role
from kurir.model.told import of_error, told

from .arf import Feedback, read_feedback
from .dmarc_aggregate import AggregateReport
from .dmarc_read import read_aggregate
from .tlsrpt import TlsReport, read_tls_report
from .unpacking import ReportError, ReportLimits, unpack

MAIL = ReportLimits(unpacked=32 * 1024 * 1024, elements=1_000_000, rows=50_000)
"""What a report in a mail may cost: less than a file that somebody hands in by hand."""

_MIME = MimeLimits(depth=10, parts=50)
_FILES = frozenset(
    {
        b"application/gzip", b"application/x-gzip", b"application/x-gunzip", b"application/zip",
        b"application/x-zip", b"application/x-zip-compressed", b"application/octet-stream", b"text/xml",
        b"application/xml", b"application/tlsrpt+gzip", b"application/tlsrpt+json", b"application/json",
        b"application/gzip-compressed", b"application/x-compressed",
    }
)  # fmt: skip
_FEEDBACK = b"message/feedback-report"
_ORIGINAL = (
    b"message/rfc822", b"text/rfc822-headers", b"message/rfc822-headers", b"message/global", b"message/global-headers",
)  # fmt: skip
_RETURNED = re.compile(rb"^Message-ID:[ \t]*(<[^<>\r\n]{1,250}>)", re.IGNORECASE | re.MULTILINE)

Report = AggregateReport | TlsReport | Feedback


@dataclass(frozen=True, slots=True)
class Part:
    """One leaf of a mail with its octets decoded."""

    entity: Entity
    data: bytes


def read_report_mail(data: bytes, limits: ReportLimits = MAIL) -> Report | None:
    """Return the report that a mail carries; None where it carries none.

    Raises `ReportError` where it was meant as one and cannot be read.
    """
    if len(data) > limits.packed * 2:  # base64, and room for the rest
        raise ReportError(told("the mail is larger than {limit} octets", limit=limits.packed * 2))
    parts = list(parts_of(data))
    feedback = next((p for p in parts if p.entity.content_type == _FEEDBACK), None)
    if feedback is not None:
        return read_feedback(feedback.data, _original(parts))
    problem: ReportError | None = None
    for part in parts:
        if part.entity.content_type in _FILES or part.data.startswith((b"\x1f\x8b", b"PK\x03\x04")):
            try:
                return read_report(part.data, limits)
            except NoReport:
                continue
            except ReportError as e:
                problem = e
    if problem is not None and _meant_as_report(data):
        raise problem
    return None


class NoReport(ReportError):
    """The octets are neither XML nor JSON: something else was attached."""


def read_report(data: bytes, limits: ReportLimits = MAIL) -> AggregateReport | TlsReport:
    """Read a DMARC or TLS report, packed or not.  Raises `ReportError`, `NoReport` for what is something else."""
    text = unpack(data, limits)
    start = text.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start == b"<":
        return read_aggregate(text, limits)
    if start == b"{":
        return read_tls_report(text, limits)
    raise NoReport(told("this is neither a DMARC report (XML) nor a TLS report (JSON)"))


def read_any(data: bytes, limits: ReportLimits = MAIL) -> Report:
    """Read a file that somebody saved: a report, packed or not, or a whole mail with one.  Raises `ReportError`."""
    try:
        return read_report(data, limits)
    except NoReport as e:
        found = read_report_mail(data, limits)
        if found is None:
            raise ReportError(of_error(e)) from None
        return found


def returned_ids(data: bytes) -> tuple[str, ...]:
    """Return the Message-IDs of what a delivery status notification returns (RFC 3464); () for any other mail."""
    kind = scan(data).get("Content-Type") or b""
    if b"delivery-status" not in kind.lower():
        return ()
    originals = [p.data for p in parts_of(data) if p.entity.content_type in _ORIGINAL]
    found = (m[1].decode("ascii", "replace") for text in originals for m in _RETURNED.finditer(text[:65536]))
    return tuple(dict.fromkeys(found))[:10]


def parts_of(data: bytes) -> Iterator[Part]:
    """Yield the leaves of a mail, and messages inside as one piece, decoded; what is nested too deep is left out."""
    parser = MimeParser(_MIME)
    pieces: dict[int, list[bytes]] = {}
    for role, octets, index in (*parser.feed(data), *parser.close()):
        if role is Role.CONTENT or (role is Role.HEADER and _is_inside(parser.parts, index)):
            pieces.setdefault(index, []).append(octets)
    for index, content in pieces.items():
        entity = parser.parts[index]
        inside = _is_inside(parser.parts, index)
        shell = parser.parts[entity.parent] if inside else entity
        yield Part(shell, b"".join(content) if inside else _decoded(entity, b"".join(content)))


def _is_inside(parts: list[Entity], index: int) -> bool:
    """Whether this entity is a message inside of another."""
    parent = parts[index].parent
    return parent >= 0 and parts[parent].content_type in _ORIGINAL


def _decoded(entity: Entity, data: bytes) -> bytes:
    if entity.encoding == b"base64":
        try:
            return base64.b64decode(re.sub(rb"[^A-Za-z0-9+/=]", b"", data), validate=False)
        except binascii.Error:
            return b""
    return quopri.decodestring(data) if entity.encoding == b"quoted-printable" else data


def _original(parts: list[Part]) -> bytes:
    return next((p.data for p in parts if p.entity.content_type in _ORIGINAL), b"")


def _meant_as_report(data: bytes) -> bool:
    """Whether the subject is that of a report (RFC 9990 section 3.5.2, RFC 8460 section 5.3)."""
    head = scan(data)
    return disarm(head.text("Subject")).lower().startswith("report domain") or bool(
        head.get("TLS-Report-Domain")
    )
