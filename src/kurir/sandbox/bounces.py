"""The bounce that a careless server sends later: a real DSN (RFC 3464), as a foreign host would write it."""

from dataclasses import dataclass

from kurir.message import compose, disarm, facts_of, format_date
from kurir.message.headers import find_header_end
from kurir.model import Address, Notify, Recipient

MAX_HEADER = 16 * 1024  # octets of the original's header that are returned


@dataclass(frozen=True, slots=True)
class Regretted:
    """A message that was accepted, and is to be refused later.  `head` is how it begins, `envid` its sender's name for it."""

    head: bytes
    sender: Address
    to: Recipient
    envid: str | None

    @property
    def wanted(self) -> bool:
        """Whether its sender wants to hear of a failure (RFC 3461 section 4.1)."""
        return self.to.notify is None or bool(self.to.notify & Notify.FAILURE)


def bounce_of(mail: Regretted, *, hostname: str, at: float, token: str) -> bytes:
    """Return a DSN to the sender of `mail`.

    `at` is epoch seconds, `token` makes the Message-ID unique.
    """
    head, sender, recipient = mail.head, mail.sender, mail.to.address
    utf8 = not (sender.is_ascii and recipient.is_ascii)
    facts = facts_of(head)
    words = (
        f"This is the sandbox mail server {hostname}, playing a server that accepts first and refuses later.\n\n"
        f"Your message to {recipient} was accepted, but could not be delivered after all:\n\n"
        "    550 5.1.1 the sandbox plays bounce-later: no such mailbox\n"
    )
    status = (
        (compose.raw_field("Original-Envelope-Id", disarm(mail.envid)) if mail.envid else b"")
        + compose.raw_field("Reporting-MTA", f"dns; {hostname}")
        + compose.raw_field("Arrival-Date", format_date(at))
        + b"\r\n"
        + (compose.raw_field("Original-Recipient", _typed(mail.to.orcpt)) if mail.to.orcpt else b"")
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


def _typed(orcpt: str) -> str:
    kind, _, address = orcpt.partition(";")
    return disarm(f"{kind}; {address}")


def _returned(head: bytes) -> compose.Part:
    end, _ = find_header_end(head, MAX_HEADER)
    block = head[:end]
    block = block[: block.rfind(b"\n") + 1]
    fields = compose.raw_field("Content-Type", "text/rfc822-headers")
    if not block.isascii():
        fields += compose.raw_field("Content-Transfer-Encoding", "8bit")
    return compose.Part(fields, block)
