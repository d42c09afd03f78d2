"""Reading a delivery status notification the way a mail program does: with Python's own parser."""

from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage

from tests.harness import PATIENCE

from .office import Office


@dataclass(frozen=True, slots=True)
class Notice:
    """The three parts of RFC 3464, and the whole."""

    whole: EmailMessage
    text: str
    message: dict[str, str]
    recipients: list[dict[str, str]]
    original: str

    @property
    def about(self) -> dict[str, str]:
        """The fields of the only recipient."""
        (one,) = self.recipients
        return one


def read(stored: bytes) -> Notice:
    """Parse a stored notice; the shape of RFC 3464 is insisted on."""
    whole = message_from_bytes(stored, policy=policy.default)
    assert whole.get_content_type() == "multipart/report"
    assert whole["Content-Type"].params["report-type"] == "delivery-status"
    first, second, third = whole.iter_parts()
    assert first.get_content_type() == "text/plain"
    assert second.get_content_type() in ("message/delivery-status", "message/global-delivery-status")
    # "rfc822; a@b" and "rfc822;a@b" are the same.
    blocks = [{k.lower(): str(v).replace("; ", ";", 1) for k, v in b.items()} for b in _blocks(second)]
    original = third.get_payload(decode=True)
    if original is None:
        original = third.get_payload(0).as_bytes()
    return Notice(whole, first.get_content(), blocks[0], blocks[1:], original.decode("utf-8", "replace"))


def _blocks(part: EmailMessage) -> list[EmailMessage]:
    if part.is_multipart():
        return [block for block in part.get_payload() if block.items()]
    text = part.get_payload(decode=True)
    return [message_from_bytes(b, policy=policy.default) for b in text.split(b"\r\n\r\n") if b.strip()]


def notices(office: Office, message_id: str, count: int = 1, timeout: float = PATIENCE) -> list[Notice]:
    """Wait for `count` notices about a message in the tester's Maildir."""

    def found() -> list[Notice] | None:
        mine = [m for m in office.mail("tester") if b"In-Reply-To: " + message_id.encode() in m]
        return [read(m) for m in mine] if len(mine) >= count else None

    return list(office.wait(f"{count} notices about {message_id}", found, timeout))
