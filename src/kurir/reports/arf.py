"""Feedback about single messages: complaints of readers (RFC 5965) and failed authentication (RFC 6591, RFC 9991).

The middle part of such a mail is a list of fields, the last part the message that it is about, or its header.
Foreign text: everything is washed and bounded, and what is not understood counts as absent.
"""

import re
from dataclasses import dataclass

from kurir.message import disarm, parse_mailboxes, scan
from kurir.model.told import told

from .unpacking import ReportError

MAX_VALUE = 300  # characters of one value that are kept
_WORD = re.compile(r"[a-z0-9-]{1,40}")
_COMMENT = re.compile(r"\([^()]{0,200}\)")


@dataclass(frozen=True, slots=True)
class Feedback:
    """What one feedback report says; ``""`` where it says nothing.

    `type` is ``abuse``, ``fraud``, ``virus``, ``not-spam``, ``auth-failure``, ``dmarc`` or another word; `failure`
    says what failed (``spf``, ``dkim``, ``dmarc``...).  `message_id` (with brackets), `subject` and `author` (the
    domain in From) are of the message it is about, `recipient` to whom that was sent, `incidents` how many such
    there were.
    """

    type: str
    agent: str = ""
    source_ip: str = ""
    domain: str = ""
    sender: str = ""
    recipient: str = ""
    arrived: str = ""
    failure: str = ""
    alignment: str = ""
    result: str = ""
    message_id: str = ""
    subject: str = ""
    author: str = ""
    incidents: int = 1


def read_feedback(fields: bytes, original: bytes = b"") -> Feedback:
    """Read the fields of a ``message/feedback-report`` and the header of the message that it is about.

    Raises `ReportError` where the fields are no feedback report.
    """
    said = scan(fields.strip(b"\r\n") + b"\r\n\r\n")

    def value(name: str) -> str:
        return disarm(said.text(name, MAX_VALUE)).strip()

    kind = _word(value("Feedback-Type"))
    if not kind:
        raise ReportError(told("this is no feedback report: it does not say of which type it is"))
    about = scan(original.lstrip(b"\r\n"))
    authors = parse_mailboxes(about.get("From") or b"").mailboxes
    incidents = value("Incidents")
    return Feedback(
        type=kind,
        agent=value("User-Agent"),
        source_ip=_COMMENT.sub("", value("Source-IP")).strip(),
        domain=value("Reported-Domain").lower(),
        sender=_mailbox(value("Original-Mail-From")),
        recipient=_mailbox(value("Original-Rcpt-To")),
        arrived=value("Arrival-Date") or value("Received-Date"),
        failure=_word(value("Auth-Failure")),
        alignment=value("Identity-Alignment").lower(),
        result=_word(value("Delivery-Result")),
        message_id=disarm(about.text("Message-ID", MAX_VALUE)).strip(),
        subject=disarm(about.text("Subject", MAX_VALUE)).strip(),
        author=authors[0].address.domain if authors and authors[0].address else "",
        incidents=int(incidents) if incidents.isdecimal() and len(incidents) < 7 else 1,
    )


def _word(text: str) -> str:
    m = _WORD.match(text.lower())
    return m[0] if m else ""


def _mailbox(text: str) -> str:
    return text.strip().removeprefix("<").removesuffix(">").strip()
