"""Reads the bounces that Amazon SES tells in JSON: by mail from its notification service, plain or quoted once more.

Field names and values as its developer guide has them ("Amazon SNS notification contents", "Event publishing").
Nothing is parsed as a whole: a cut or wrapped notice is read as far as it goes.
"""

import re

_KIND = re.compile(r'\\?"(?:notification|event)Type\\?" ?: ?\\?"(Bounce|Complaint|Delivery)\b')
_DIAGNOSTIC = re.compile(r'\\?"diagnosticCode\\?" ?: ?\\?"(.{1,1000}?)\\?"')
_STATUS = re.compile(r'\\?"status\\?" ?: ?\\?"([245]\.\d{1,3}\.\d{1,3})\\?"')
# NoEmail and General name no cause
_SUBTYPE = re.compile(
    r'\\?"bounceSubType\\?" ?: ?\\?"(Suppressed|OnAccountSuppressionList|MailboxFull|MessageTooLarge|ContentRejected|AttachmentRejected)\b'
)
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
MAX_REPLIES = 5


def notice_of(text: str) -> str:
    """Return what a notice tells of, ``"Bounce"``, ``"Complaint"`` or ``"Delivery"``; ``""`` for any other text."""
    m = _KIND.search(text)
    return m[1] if m else ""


def replies_in(text: str) -> list[str]:
    """Return the replies that a notice quotes; where it quotes none its status code, and its own word for the cause."""
    quoted = [m[1].replace('\\"', '"') for m in _DIAGNOSTIC.finditer(text)][:MAX_REPLIES]
    if quoted or notice_of(text) != "Bounce":
        return [re.sub(r"^smtp ?; ?", "", reply) for reply in quoted]
    words = [_HUMP.sub(" ", m[1]) for m in _SUBTYPE.finditer(text)]
    return [*words, *(m[1] for m in _STATUS.finditer(text))][:MAX_REPLIES]
