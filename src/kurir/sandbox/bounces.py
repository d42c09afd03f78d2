"""The bounce that a careless server sends later: a real DSN (RFC 3464), as a foreign host would write it."""

from kurir.message import compose, disarm, facts_of, format_date
from kurir.message.headers import find_header_end
from kurir.model import Address

MAX_HEADER = 16 * 1024  # octets of the original's header that are returned


def bounce_of(
    head: bytes, *, sender: Address, recipient: Address, hostname: str, at: float, token: str
) -> bytes:
    """Return a DSN to `sender` about a message that begins with `head` and went to `recipient`.

    `at` is epoch seconds, `token` makes the Message-ID unique.
    """
    utf8 = not (sender.is_ascii and recipient.is_ascii)
    facts = facts_of(head)
    words = (
        f"This is the sandbox mail server {hostname}, playing a server that accepts first and refuses later.\n\n"
        f"Your message to {recipient} was accepted, but could not be delivered after all:\n\n"
        "    550 5.1.1 the sandbox plays bounce-later: no such mailbox\n"
    )
    status = (
        compose.raw_field("Reporting-MTA", f"dns; {hostname}")
        + compose.raw_field("Arrival-Date", format_date(at))
        + b"\r\n"
        + compose.raw_field("Final-Recipient", f"{'utf-8' if utf8 else 'rfc822'}; {recipient}")
        + compose.raw_field("Action", "failed")
        + compose.raw_field("Status", "5.1.1")
        + compose.raw_field(
            "Diagnostic-Code", "smtp; 550 5.1.1 the sandbox plays bounce-later: no such mailbox"
        )
    )
    kind = "message/global-delivery-status" if utf8 else "message/delivery-status"
    parts = (
        compose.text_part(words),
        compose.Part(compose.raw_field("Content-Type", kind), status),
        _returned(head),
    )
    fields = [
        compose.field("Date", format_date(at)),
        compose.address_field("From", [("Mail Delivery System", Address("mailer-daemon", hostname))]),
        compose.address_field("To", [("", sender)], utf8=utf8),
        compose.field("Subject", "Undelivered mail returned to sender"),
        compose.field("Message-ID", f"<{token}@{hostname}>"),
        compose.field("Auto-Submitted", "auto-replied"),
    ]
    if facts.message_id.startswith("<") and facts.message_id.isascii() and len(facts.message_id) < 200:
        fields.append(compose.raw_field("References", disarm(facts.message_id)))
    return compose.message(fields, compose.multipart("report", parts, token, "; report-type=delivery-status"))


def _returned(head: bytes) -> compose.Part:
    end, _ = find_header_end(head, MAX_HEADER)
    block = head[:end]
    block = block[: block.rfind(b"\n") + 1]
    fields = compose.raw_field("Content-Type", "text/rfc822-headers")
    if not block.isascii():
        fields += compose.raw_field("Content-Transfer-Encoding", "8bit")
    return compose.Part(fields, block)
