"""The commands of a client, as lines (without CRLF): only what the peer offers is said."""

from collections.abc import Container

from kurir.model import Body, Envelope, MailParams, Notify, Recipient

from .grammar import encode_utf8_xtext, encode_xtext

_BREAKS = ("\r", "\n", "\0")


def envelope_lines(envelope: Envelope, size: int | None, offered: Container[str]) -> list[str]:
    """Return MAIL and each RCPT for `envelope`.  Raises ValueError for an address with a line break or NUL in it."""
    sender = envelope.reverse_path
    lines = [
        f"MAIL FROM:<{'' if sender is None else sender}>{_mail_parameters(envelope.params, size, offered)}"
    ]
    if "DSN" in offered:
        lines += [f"RCPT TO:<{r.address}>{_rcpt_parameters(r)}" for r in envelope.recipients]
    else:
        lines += [f"RCPT TO:<{r.address}>" for r in envelope.recipients]
    for line in lines:
        for character in _BREAKS:
            if character in line:
                raise ValueError(f"an address or parameter would break the command line: {line!r}")
    return lines


def _mail_parameters(params: MailParams, size: int | None, offered: Container[str]) -> str:
    said = ""
    if size is not None and "SIZE" in offered:  # RFC 1870
        said += f" SIZE={size}"
    if params.body is Body.EIGHT and "8BITMIME" in offered:  # RFC 6152
        said += " BODY=8BITMIME"
    elif travels_by_bdat(params, offered):  # RFC 3030
        said += " BODY=BINARYMIME"
    if params.smtputf8 and "SMTPUTF8" in offered:  # RFC 6531
        said += " SMTPUTF8"
    if params.require_tls and "REQUIRETLS" in offered:  # RFC 8689
        said += " REQUIRETLS"
    if params.mt_priority is not None and "MT-PRIORITY" in offered:  # RFC 6710
        said += f" MT-PRIORITY={params.mt_priority}"
    if (params.ret or params.envid) and "DSN" in offered:  # RFC 3461
        said += f" RET={params.ret.value}" if params.ret else ""
        said += f" ENVID={encode_xtext(params.envid)}" if params.envid else ""
    return said


def _rcpt_parameters(recipient: Recipient) -> str:
    if recipient.notify is None and recipient.orcpt is None:
        return ""
    said = ""
    if recipient.notify is not None:
        wishes = [wish for wish in (Notify.SUCCESS, Notify.FAILURE, Notify.DELAY) if wish in recipient.notify]
        said += " NOTIFY=" + (",".join(str(wish.name) for wish in wishes) or "NEVER")
    if recipient.orcpt is not None:
        kind, _, address = recipient.orcpt.partition(";")
        encode = encode_utf8_xtext if kind.lower() == "utf-8" else encode_xtext
        said += f" ORCPT={kind};{encode(address)}"
    return said


def travels_by_bdat(params: MailParams, offered: Container[str]) -> bool:
    """Tell whether the body goes in chunks: only one that cannot travel otherwise does (RFC 3030 section 3)."""
    return params.body is Body.BINARY and "CHUNKING" in offered and "BINARYMIME" in offered
