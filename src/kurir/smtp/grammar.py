"""The arguments of commands: paths, parameters, xtext, base64 (RFC 5321 section 4.1.2, RFC 3461, RFC 4954).

What cannot be read raises `Malformed`, which carries the reply to send.  Addresses are read by the one parser
of `kurir.model`.
"""

import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

from kurir.model import Address, AddressError, Body, MailParams, Notify, Recipient, Reply, Ret, parse_address

from . import limits, replies
from .settings import ServerSettings

_PATH = rb"<((?:[^\x00-\x20\x7f\">]|\"(?:[^\"\\]|\\.)*\")*)>(?: +(.*))?"
_FROM = re.compile(rb"FROM: *" + _PATH, re.IGNORECASE | re.DOTALL)
_TO = re.compile(rb"TO: *" + _PATH, re.IGNORECASE | re.DOTALL)
_KEYWORD = re.compile(rb"[A-Z0-9][A-Z0-9-]*")
_VALUE = re.compile(rb"[\x21-\x3c\x3e-\x7e\x80-\xff]+")
_SIZE = re.compile(rb"\d{1,20}")
_MT_PRIORITY = re.compile(rb"0|-?[1-9]")  # RFC 6710 section 4.1
_XTEXT = re.compile(rb"(?:[\x21-\x2a\x2c-\x3c\x3e-\x7e]|\+[0-9A-F]{2})*")
_XTEXT_HEX = re.compile(rb"\+([0-9A-F]{2})")
_NOT_XCHAR = re.compile(rb"[^\x21-\x2a\x2c-\x3c\x3e-\x7e]")
_EMBEDDED = re.compile(r"\\x\{([0-9A-F]{2,6})\}")
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_HELLO_NAME = re.compile(rb"[\x21-\x7e]{1,%d}" % limits.HELLO_NAME)
_XCLIENT_NAME = re.compile(r"[A-Z][A-Z0-9_-]*")

ORDINARY_MAIL = MailParams()


class Malformed(Exception):
    """A command that cannot be obeyed as it stands; `reply` says why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


def parse_mail(argument: bytes, settings: ServerSettings, *, tls: bool) -> tuple[Address | None, MailParams]:
    """Parse what follows ``MAIL ``.  Raises `Malformed`."""
    m = _FROM.fullmatch(argument)
    if m is None:
        raise Malformed(replies.MAIL_SYNTAX)
    path, rest = m.groups()
    params = _mail_params(rest, settings, tls) if rest else ORDINARY_MAIL
    return (_address(path, params.smtputf8, "5.1.7", postmaster=False) if path else None), params


def parse_rcpt(argument: bytes, *, smtputf8: bool) -> Recipient:
    """Parse what follows ``RCPT ``; `smtputf8` is what MAIL said.  Raises `Malformed`."""
    m = _TO.fullmatch(argument)
    if m is None or not m[1]:
        raise Malformed(replies.RCPT_SYNTAX)
    path, rest = m.groups()
    address = _address(path, smtputf8, "5.1.3", postmaster=True)
    if not rest:
        return Recipient(address)
    found = _parameters(rest, _RCPT_PARAMETERS)
    return Recipient(address, found.get("notify"), found.get("orcpt"))


def _address(path: bytes, smtputf8: bool, status: str, *, postmaster: bool) -> Address:
    if len(path) + 2 > limits.PATH and path.isascii():
        raise Malformed(Reply.of(501, status, f"The path is longer than {limits.PATH} octets"))
    try:
        text = path.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed(replies.BAD_UTF8) from None
    try:
        address = parse_address(text, bare_postmaster=postmaster)
    except AddressError as e:
        raise Malformed(Reply.of(501, status, _plain(str(e)))) from None
    if not smtputf8 and not text.isascii():
        raise Malformed(replies.NEEDS_SMTPUTF8)
    return address


def _plain(text: str) -> str:
    """Return `text` fit for a reply: ASCII, and short enough for one line."""
    return text.encode("ascii", "backslashreplace").decode()[:300]


# -- parameters ----------------------------------------------------------------------------------------
# A reader gets the keyword and the value (None without "=") and returns the field it sets and its value.

_Found = tuple[str, Any]
_Reader = Callable[[bytes, bytes | None], _Found]


def _bad(keyword: bytes) -> Malformed:
    return Malformed(Reply.of(501, "5.5.4", f"Bad value of the parameter {keyword.decode('ascii')}"))


def _read_size(keyword: bytes, value: bytes | None) -> _Found:
    if value is None or not _SIZE.fullmatch(value):
        raise _bad(keyword)
    return "size", int(value)


def _read_body(keyword: bytes, value: bytes | None) -> _Found:
    try:
        return "body", Body((value or b"").upper().decode("ascii", "replace"))
    except ValueError:
        raise _bad(keyword) from None


def _read_flag(field: str) -> _Reader:
    def read(keyword: bytes, value: bytes | None) -> _Found:
        if value is not None:
            raise _bad(keyword)
        return field, True

    return read


def _read_ret(keyword: bytes, value: bytes | None) -> _Found:
    try:
        return "ret", Ret((value or b"").upper().decode("ascii", "replace"))
    except ValueError:
        raise _bad(keyword) from None


def _read_envid(keyword: bytes, value: bytes | None) -> _Found:
    if value is None or len(value) > limits.ENVID:
        raise _bad(keyword)
    return "envid", _printable_xtext(keyword, value)


def _read_auth(keyword: bytes, value: bytes | None) -> _Found:
    if value is None or len(value) > limits.ORCPT:
        raise _bad(keyword)
    return "auth", _printable_xtext(keyword, value)


def _read_mt_priority(keyword: bytes, value: bytes | None) -> _Found:
    if value is None or not _MT_PRIORITY.fullmatch(value):
        raise _bad(keyword)
    return "mt_priority", int(value)


def _read_notify(keyword: bytes, value: bytes | None) -> _Found:
    words = (value or b"").upper().split(b",")
    if words == [b"NEVER"]:
        return "notify", Notify.NEVER
    wishes = Notify.NEVER
    for word in words:
        wish = _NOTIFY.get(word)
        if wish is None:
            raise _bad(keyword)
        wishes |= wish
    return "notify", wishes


def _read_orcpt(keyword: bytes, value: bytes | None) -> _Found:
    kind, semicolon, rest = (value or b"").partition(b";")
    if not semicolon or not rest or len(kind) + len(rest) >= limits.ORCPT:
        raise _bad(keyword)
    name = kind.decode("ascii", "replace")
    if not _ADDRESS_TYPE.fullmatch(name):
        raise _bad(keyword)
    if name.lower() != "utf-8":
        return "orcpt", f"{name};{_printable_xtext(keyword, rest)}"
    try:  # RFC 6533 section 3: utf-8-addr-xtext, or plain UTF-8
        text = _EMBEDDED.sub(lambda m: chr(int(m[1], 16)), rest.decode("utf-8"))
        text.encode("utf-8")
    except (ValueError, OverflowError):
        raise _bad(keyword) from None
    if not text.isprintable():
        raise _bad(keyword)
    return "orcpt", f"{name};{text}"


def _printable_xtext(keyword: bytes, value: bytes) -> str:
    text = decode_xtext(value)
    if text is None or not text.isprintable():
        raise _bad(keyword)
    return text


_NOTIFY = {b"SUCCESS": Notify.SUCCESS, b"FAILURE": Notify.FAILURE, b"DELAY": Notify.DELAY}
_RCPT_PARAMETERS: Mapping[bytes, _Reader] = {b"NOTIFY": _read_notify, b"ORCPT": _read_orcpt}
_MAIL_PARAMETERS: Mapping[bytes, _Reader] = {
    b"SIZE": _read_size,
    b"BODY": _read_body,
    b"SMTPUTF8": _read_flag("smtputf8"),
    b"RET": _read_ret,
    b"ENVID": _read_envid,
    b"AUTH": _read_auth,
    b"REQUIRETLS": _read_flag("require_tls"),
    b"MT-PRIORITY": _read_mt_priority,
}


def _parameters(text: bytes, known: Mapping[bytes, _Reader]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in text.split():
        keyword, equals, value = item.partition(b"=")
        keyword = keyword.upper()
        read = known.get(keyword)
        if read is None:
            if not _KEYWORD.fullmatch(keyword) or (equals and not _VALUE.fullmatch(value)):
                raise Malformed(Reply.of(501, "5.5.4", "A parameter is written KEYWORD or KEYWORD=value"))
            raise Malformed(
                Reply.of(555, "5.5.4", f"The parameter {keyword.decode('ascii')[:80]} is not known here")
            )
        field, result = read(keyword, value if equals else None)
        if field in found:
            raise Malformed(
                Reply.of(501, "5.5.4", f"The parameter {keyword.decode('ascii')} stands there twice")
            )
        found[field] = result
    return found


def _mail_params(text: bytes, settings: ServerSettings, tls: bool) -> MailParams:
    params = MailParams(**_parameters(text, _MAIL_PARAMETERS))
    if params.size is not None and 0 < settings.max_size < params.size:
        raise Malformed(replies.too_large(params.size, settings.max_size))
    unoffered = (
        "BODY=BINARYMIME"
        if params.body is Body.BINARY and not settings.binarymime
        else "REQUIRETLS"
        if params.require_tls and not (settings.offer_requiretls and tls)
        else "MT-PRIORITY"
        if params.mt_priority is not None and not settings.offer_mt_priority
        else "AUTH"
        if params.auth is not None and not settings.auth_mechanisms
        else None
    )
    if unoffered:
        raise Malformed(Reply.of(555, "5.5.4", f"{unoffered} is not offered here"))
    return params


# -- other arguments -------------------------------------------------------------------------------------


def parse_hello(argument: bytes) -> str:
    """Return the name given with HELO, EHLO or LHLO.  Raises `Malformed` (RFC 5321 section 4.1.1.1)."""
    name = argument.strip(b" ")
    if not _HELLO_NAME.fullmatch(name):
        raise Malformed(replies.BAD_HELLO_NAME)
    return name.decode("ascii")


def parse_xclient(argument: bytes) -> dict[str, str | None]:
    """Parse ``NAME=value ...``; ``[UNAVAILABLE]`` and ``[TEMPUNAVAIL]`` become None.  Raises `Malformed`."""
    attributes: dict[str, str | None] = {}
    for item in argument.split():
        name, equals, value = item.partition(b"=")
        key, text = name.upper().decode("ascii", "replace"), decode_xtext(value)
        if not equals or text is None or not text.isprintable() or not _XCLIENT_NAME.fullmatch(key):
            raise Malformed(replies.BAD_XCLIENT)
        attributes[key] = None if text.upper() in ("[UNAVAILABLE]", "[TEMPUNAVAIL]") else text
    if not attributes:
        raise Malformed(replies.BAD_XCLIENT)
    return attributes


def decode_xtext(value: bytes) -> str | None:
    """Decode xtext (RFC 3461 section 4); None when it is none or not UTF-8."""
    if not _XTEXT.fullmatch(value):
        return None
    if b"+" in value:
        value = _XTEXT_HEX.sub(lambda m: bytes((int(m[1], 16),)), value)
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return None


def encode_xtext(text: str) -> str:
    """Encode as xtext (RFC 3461 section 4)."""
    return _NOT_XCHAR.sub(lambda m: b"+%02X" % m[0][0], text.encode("utf-8")).decode("ascii")


def encode_utf8_xtext(text: str) -> str:
    """Encode the address of an ORCPT of type utf-8 in ASCII (RFC 6533 section 3, utf-8-addr-xtext)."""
    return "".join(c if "!" <= c <= "~" and c not in "+=\\" else rf"\x{{{ord(c):02X}}}" for c in text)


def decode_base64(text: bytes) -> bytes | None:
    """Decode strictly (RFC 4648 section 4); None when it is not base64."""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        return None
