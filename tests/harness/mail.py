"""Sending as a real client does, and reading reports back: the standard library only, none of Kurir's own code."""

import email
import email.policy
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage

from .kurir import Kurir
from .patience import PATIENCE


def login(kurir: Kurir, name: str, password: str, *, timeout: float = PATIENCE) -> smtplib.SMTP:
    """Return a session on the submission port: STARTTLS with a verified certificate, then AUTH."""
    s = smtplib.SMTP("127.0.0.1", kurir.submission, local_hostname="client.test", timeout=timeout)
    context = ssl.create_default_context(cafile=str(kurir.ca))
    context.check_hostname = False  # the certificate names the domain, we came by address
    s.starttls(context=context)
    s.login(name if "@" in name else f"{name}@{kurir.domain}", password)
    return s


def text(sender: str, to: str, subject: str, body: str = "hello\n") -> bytes:
    """Return a small message."""
    lines = f"From: <{sender}>\nTo: <{to}>\nSubject: {subject}\nMessage-ID: <{subject.replace(' ', '.')}@client.test>\n"
    return (lines + "Date: Mon, 23 Nov 2026 08:00:00 +0000\n\n" + body).replace("\n", "\r\n").encode()


def hand_in(
    s: smtplib.SMTP,
    sender: str,
    to: str | Sequence[str],
    message: bytes,
    *,
    mail: Sequence[str] = (),
    rcpt: Sequence[str] = (),
) -> str:
    """Send one message over an open session; return its id, as the reply to the final dot names it."""
    code, said = s.mail(sender, list(mail))
    assert code == 250, (code, said)
    for address in [to] if isinstance(to, str) else to:
        code, said = s.rcpt(address, list(rcpt))
        assert code == 250, (address, code, said)
    code, said = s.data(message)
    assert code == 250, (code, said)
    return next(
        w for w in said.decode().replace(">", " ").split() if w[0] == "k" and w[1:2].isalnum() and len(w) >= 8
    )


@dataclass(frozen=True)
class Report:
    """A delivery status notification, taken apart (RFC 3464)."""

    message: EmailMessage
    text: str
    fields: dict[str, str]
    recipients: dict[str, dict[str, str]]
    original_type: str
    original: bytes

    @property
    def envid(self) -> str:
        return self.fields.get("original-envelope-id", "")

    @property
    def actions(self) -> dict[str, str]:
        """Return the action by final recipient."""
        return {a: f["action"] for a, f in self.recipients.items()}


def report(octets: bytes) -> Report | None:
    """Take a report apart; None where the message is none."""
    m = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(m, EmailMessage)
    if m.get_content_type() != "multipart/report":
        return None
    assert m.get_param("report-type") == "delivery-status"
    first, status, original = list(m.iter_parts())
    groups = [{k.lower(): str(v) for k, v in part.items()} for part in status.get_payload()]
    groups = [g for g in groups if g]
    recipients = {g["final-recipient"].partition(";")[2].strip(): g for g in groups[1:]}
    return Report(
        m, first.get_content(), groups[0], recipients, original.get_content_type(), original.as_bytes()
    )


def reports(kurir: Kurir, local: str) -> list[Report]:
    """Return the reports in a Maildir, oldest first."""
    return [r for r in map(report, kurir.mail(local)) if r is not None]
