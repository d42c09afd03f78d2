"""Delivery status notifications: from an obligation of the queue to a message to hand in (RFC 3464, RFC 3461 section 6).

Pure: time, ids and the catalogue of sentences are parameters, so the same obligation always makes the same octets.
The whole is a ``multipart/report`` (RFC 6522; RFC 6533 for international mail): words for people, fields for programs, the original or its header.
The report has the null reverse-path and NOTIFY=NEVER, so that nobody ever answers it or reports on it; it
says ``Auto-Submitted: auto-replied`` (RFC 3834) for those who look.
"""

import hashlib
from dataclasses import dataclass

from kurir.limits import LimitNames
from kurir.message import compose
from kurir.message.dates import format_date
from kurir.message.headers import find_header_end, has_long_line
from kurir.message.words import disarm
from kurir.model import Address, Body, Envelope, MailParams, Notify, Origin, Recipient, Ret
from kurir.queue.asks import Incoming, NoticeWork

from . import notice_text, status_fields
from .notice_text import Explain
from .settings import ReportSettings

_MAX_SUBJECT = 60  # characters of the original subject behind ours
_MAX_ID = 250  # of a Message-ID that is quoted in In-Reply-To


@dataclass(frozen=True, slots=True)
class Report:
    """A rendered report: its octets, its envelope, and what the queue notes of it."""

    notice_of: str
    envelope: Envelope
    octets: bytes
    header_end: int
    message_id: str
    subject: str
    header_from: str

    def incoming(self, at: float) -> Incoming:
        """Return the report as the queue takes it; accepting it closes the obligation."""
        return Incoming(
            envelope=self.envelope,
            received_at=at,
            origin=Origin(protocol="", listener="internal", ours=True),
            trace_block=b"",
            size=len(self.octets),
            sha256=hashlib.sha256(self.octets).digest(),
            body=self.octets,
            header_end=self.header_end,
            message_id=self.message_id,
            subject=self.subject,
            header_from=self.header_from,
            notice_of=self.notice_of,
        )


def wants_full(work: NoticeWork, settings: ReportSettings) -> bool:
    """Tell whether the whole original is to be returned: then give `render` all of it, else its first octets.

    RET=FULL is about failures alone (RFC 3461 section 4.3); a postmaster finds the held message in the queue.  What had
    to travel sealed does not come back in the open (RFC 8689 section 5).
    """
    return (
        work.original.params.ret is Ret.FULL
        and not work.held
        and not work.original.params.demands_tls
        and any(r.action == "failed" for r in work.reasons)
        and work.original.params.body is not Body.BINARY
        and work.size <= settings.max_full
    )


def render(
    work: NoticeWork,
    original: bytes,
    settings: ReportSettings,
    explain: Explain,
    *,
    at: float,
    token: str,
    names: LimitNames | None = None,
) -> Report:
    """Return the report that `work` obliges us to.

    `original` are the octets of the original as stored (without the trace block): all of them where `wants_full`
    says so, else at least the header block (at most `settings.max_headers` are used).  `at` is now in epoch seconds;
    `token` makes the Message-ID and the boundaries unique (letters, digits, ``.`` and ``-``; the obligation's id and
    a random number do well).  `names` knows the limits that mail may wait for.  Raises ValueError for an obligation without reasons.
    """
    if not work.reasons:
        raise ValueError(f"the obligation {work.id} has nothing to report")
    names = names or LimitNames()
    utf8 = status_fields.is_global(work, _header(work, original, settings))
    subject = _subject(work, settings)
    daemon = Address("MAILER-DAEMON", settings.domain)
    message_id = f"<{token}@{settings.domain}>"
    content = compose.multipart(
        "report",
        [
            compose.text_part(notice_text.body(work, settings, explain, names)),
            _status(work, settings, names, utf8=utf8),
            _original(work, original, settings, utf8=utf8),
        ],
        token,
        "; report-type=delivery-status",
    )
    fields = [
        compose.field("Date", format_date(at, settings.offset_minutes)),
        compose.address_field("From", [("Mail Delivery System", daemon)]),
        compose.address_field("To", [("", work.to)], utf8=utf8),
        compose.field("Subject", subject),
        compose.field("Message-ID", message_id),
        compose.field("Auto-Submitted", "auto-generated" if work.held else "auto-replied"),
        *_references(work.message_id),
    ]
    octets = compose.message(fields, content)
    eight = not octets.isascii()
    params = MailParams(
        body=Body.EIGHT if eight else Body.SEVEN, smtputf8=not work.to.is_ascii, size=len(octets),
        require_tls=work.original.params.require_tls,  # RFC 8689 section 5
    )  # fmt: skip
    return Report(
        notice_of=work.id,
        envelope=Envelope(None, (Recipient(work.to, Notify.NEVER),), params),
        octets=octets,
        header_end=find_header_end(octets)[0],
        message_id=message_id,
        subject=subject[:255],
        header_from=f"Mail Delivery System <{daemon}>",
    )


def _subject(work: NoticeWork, settings: ReportSettings) -> str:
    subject = notice_text.subject(work, settings)
    return f"{subject}: {disarm(work.subject)[:_MAX_SUBJECT]}" if work.subject else subject


def _references(message_id: str) -> list[bytes]:
    """The reply goes below the original in a mail program; a Message-ID that is no plain token is not repeated."""
    text = message_id.strip()
    sound = text.isascii() and text.isprintable() and " " not in text and 0 < len(text) <= _MAX_ID
    if not sound:
        return []
    text = text if text.startswith("<") else f"<{text}>"
    return [compose.field("In-Reply-To", text), compose.field("References", text)]


def _transfer(octets: bytes) -> bytes:
    return b"" if octets.isascii() else compose.raw_field("Content-Transfer-Encoding", "8bit")


def _status(work: NoticeWork, settings: ReportSettings, names: LimitNames, *, utf8: bool) -> compose.Part:
    kind = "global-delivery-status" if utf8 else "delivery-status"
    fields = status_fields.render(work, settings, names, utf8=utf8)
    return compose.Part(compose.raw_field("Content-Type", f"message/{kind}") + _transfer(fields), fields)


def _original(work: NoticeWork, original: bytes, settings: ReportSettings, *, utf8: bool) -> compose.Part:
    if wants_full(work, settings) and len(original) == work.size and not has_long_line(original):
        whole = work.trace_block + original
        if not utf8:
            return compose.Part(compose.raw_field("Content-Type", "message/rfc822") + _transfer(whole), whole)
        # In base64 it passes servers without SMTPUTF8 (RFC 6532 section 3.5), which the reader's may be.
        encoding = compose.raw_field("Content-Transfer-Encoding", "base64")
        return compose.Part(
            compose.raw_field("Content-Type", "message/global") + encoding, compose.base64_lines(whole)
        )
    block = _header(work, original, settings)
    kind = "message/global-headers" if utf8 else "text/rfc822-headers"
    return compose.Part(compose.raw_field("Content-Type", kind) + _transfer(block), block)


def _header(work: NoticeWork, original: bytes, settings: ReportSettings) -> bytes:
    """Return the header of the original with what we put in front, as much of it as is returned."""
    end = work.header_end or find_header_end(original, settings.max_headers)[0]
    return _bounded(work.trace_block + original[:end], settings.max_headers)


def _bounded(block: bytes, limit: int) -> bytes:
    """Return whole lines of a header block, at most `limit` octets, without the empty line; no line too long."""
    if len(block) > limit:
        block = block[: block.rfind(b"\n", 0, limit) + 1]
    if has_long_line(block):
        block = b"".join(line[:900].rstrip(b"\r\n") + b"\r\n" for line in block.splitlines(keepends=True))
    return block.rstrip(b"\r\n") + b"\r\n"
