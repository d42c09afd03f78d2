"""Kurir reads its own replies right: another Kurir may be the peer, and people paste them into ``kurir why``."""

import importlib
import pkgutil

import pytest

import kurir
from kurir.message.submission import Fault
from kurir.model import Cause, Reply
from kurir.trace import classify_reply

# What a client of ours should understand.  Disk full there is a busy server to the client, not its own full disk.
MEANT: dict[Cause, tuple[str, ...]] = {
    Cause.PROTOCOL_ERROR: (
        "500 5.5.2 Command line too long",
        "500 5.5.2 A command line ends with CR LF and holds no other CR, LF or NUL",
        "554 5.5.1 You talked before the greeting",
        "503 5.5.0 You sent more before the reply to this command",
        "521 5.5.1 This is a mail server; it speaks SMTP only",
        "503 5.5.1 Say EHLO first",
        "503 5.5.1 Say MAIL FROM first",
        "503 5.5.1 Say RCPT TO first",
        "554 5.5.1 No valid recipients",
        "503 5.5.1 A message is already under way; say RSET to drop it",
        "503 5.5.1 Not while a message is under way",
        "503 5.5.1 The message comes in chunks; go on with BDAT or say RSET",
        "503 5.5.1 The message has failed; say RSET",
        "503 5.5.1 A BINARYMIME message travels by BDAT",
        "500 5.5.1 Command not recognised",
        "500 5.5.1 This is LMTP: say LHLO",
        "500 5.5.1 This is SMTP: say EHLO",
        "502 5.5.1 Command not implemented",
        "501 5.5.4 Say your host name: EHLO host.example.org",
        "501 5.5.4 This command takes no argument",
        "501 5.5.4 Syntax: MAIL FROM:<address> with the angle brackets, then parameters",
        "501 5.5.4 Syntax: RCPT TO:<address> with the angle brackets, then parameters",
        "501 5.5.4 Syntax: VRFY address",
        "501 5.5.2 The address is not valid UTF-8",
        "501 5.5.4 Syntax: BDAT size [LAST]",
        "501 5.5.4 Syntax: XCLIENT name=value ...",
        "503 5.5.1 TLS is already active",
        "503 5.5.1 You are already authenticated",
        "501 5.5.4 Syntax: AUTH mechanism [initial-response]",
        "504 5.5.4 Mechanism not offered",
        "501 5.5.2 That is not base64",
        "501 5.0.0 Authentication cancelled",
        "421 4.7.0 Too many errors, goodbye",
        "421 4.7.0 Too many commands without a message, goodbye",
        "502 5.5.1 Lists are not shown",
        "501 5.5.4 XCLIENT attributes cannot be understood",
        "501 5.5.4 Bad value of the parameter SIZE",
        "555 5.5.4 The parameter FOO is not known here",
        "555 5.5.4 REQUIRETLS is not offered here",
        "501 5.5.4 The parameter SIZE stands there twice",
        "501 5.5.4 A parameter is written KEYWORD or KEYWORD=value",
    ),
    Cause.MALFORMED: (
        "550 5.5.2 The message has a bare CR or LF; lines end with CR LF",
        "550 5.6.0 The message has a bare CR or LF; lines end with CR LF",
        "550 5.6.0 The message has a NUL octet where it could be mistaken or is not taken",
        "550 5.6.0 The message has a line that is too long",
        "550 5.6.0 The message begins with a continuation line, without a field to continue",
        "550 5.6.0 The header of the message is malformed",
        "550 5.6.0 A header field that may occur once occurs twice",
        "550 5.6.0 The message has no From address",
        "550 5.6.0 The From address cannot be understood",
        "550 5.6.0 Several From addresses need a Sender field",
        "550 5.6.0 The Sender address cannot be understood",
        "550 5.6.0 A header field has letters beyond ASCII, neither encoded (RFC 2047) nor sent with SMTPUTF8",
        "550 5.6.0 Kurir-Sealed has one of the values yes, strict and no",
    ),
    Cause.TOO_LARGE: (
        "552 5.3.4 The message has more octets than allowed, this server takes at most 52428800; attachments grow by 37 % on the way, so that about 38.3 MB of them fit: send less at once, or a link",
        "552 5.3.4 The header of the message is too large",
    ),
    Cause.NEEDS_SMTPUTF8: (
        "553 5.6.7 A non-ASCII address needs the SMTPUTF8 parameter",
        "553 5.6.7 The next server does not take addresses that are not ASCII",
    ),
    Cause.TOO_MANY_RECIPIENTS: (
        "452 4.5.3 Too many recipients; send the rest in another message",
        "452 4.5.3 A message from <> has one recipient: send it again to the others",
        "452 4.5.3 Too many recipients, send to the others in a new transaction",
    ),
    Cause.TLS_REQUIRED: (
        "530 5.7.0 Say STARTTLS first",
        "530 5.7.0 Must issue a STARTTLS command first",
        "550 5.7.10 Mail to office.test cannot travel sealed: mx1.office.test offers no TLS at all",
        (
            "550 5.7.30 Mail to office.test cannot travel sealed: mx1.office.test does not announce REQUIRETLS, so nobody "
            "promises protection on the way after it"
        ),
    ),
    Cause.AUTH_REQUIRED: ("530 5.7.0 Authentication required",),
    Cause.LOGIN_BRAKED: (
        "421 4.7.0 Too many failed logins, goodbye",
        "421 4.7.0 Too many failed logins, please try again later",
    ),
    Cause.RATE_LIMITED: (
        "421 4.7.0 Enough messages for one connection, come again",
        "421 4.3.2 Too many connections at the moment, please try again later",
        "421 4.7.0 Too many connections at once from your address; please come back later",
        "421 4.7.0 Too many connections in a short time from your network; please come back later",
    ),
    Cause.CONNECTION_LOST: ("421 4.4.2 The connection was lost",),
    Cause.TLS_FAILED: ("454 4.7.0 TLS is not available at the moment",),
    Cause.AUTH_FAILED: (
        "535 5.7.8 Authentication credentials invalid",
        "535 5.7.8 This app password does not work from your network",
        "535 5.7.8 This app password has expired: have a new one made",
    ),
    Cause.DISABLED_USER: ("535 5.7.13 This account is disabled",),
    Cause.BUSY: (
        "454 4.7.0 Your token cannot be checked at the moment, try again in a minute",
        "454 4.7.0 Too many logins at the moment, try again in a minute",
        "452 4.3.1 No space to store the message at the moment, please try again later",
        "421 4.3.2 Shutting down, please try again in a minute",
        "452 4.3.1 The disk of this server is nearly full, try again later",
        "421 4.3.2 This server is shutting down, try again later",
        "451 4.3.2 The queue is being restarted; please try again in a moment",
        "421 4.3.2 The queue is being restarted; please try again in a moment",
    ),
    Cause.RELAY_DENIED: (
        "550 5.7.1 Relaying denied: this server takes mail for its own domains, or from users who log in",
        "550 5.7.1 Relaying denied: an address that names a further hop is not passed on",
    ),
    Cause.UNKNOWN_USER: (
        "550 5.1.1 No such mailbox here",
        "550 5.1.6 The mail that this address stands for was forwarded too long ago",
        "501 5.1.3 The path is longer than 256 octets",
    ),
    Cause.REMOTE_FAULT: (
        "451 4.3.5 The alias for this address is not set up correctly, please try again later",
        "451 4.3.0 The message could not be stored, please try again later",
        "421 4.3.0 Something went wrong here, please try again later",
        "451 4.3.0 The storage of this server failed, try again later",
        "554 5.3.0 No such obligation to report is open",
    ),
    Cause.SENDER_NOT_YOURS: (
        "553 5.7.1 Your account may not send from this address",
        "550 5.7.1 You may not send as this address",
    ),
    Cause.UNREACHABLE: (
        "450 4.4.1 The server behind could not be asked about this recipient, please try again later",
        "451 4.4.1 The next server cannot be asked about this recipient now; try again later",
    ),
    Cause.POLICY_RECEIVER: (
        "550 5.7.0 XCLIENT is not allowed from here",
        "550 5.7.0 XCLIENT is not for you",
        "550 5.7.1 This address only takes reports about forwarded mail, from <>",
    ),
    Cause.TIMEOUT: (
        "421 4.4.2 Timeout, closing the connection",
        "421 4.4.2 This session has lasted long enough, please connect again",
    ),
    Cause.LOOP: ("554 5.4.6 Mail loop: it has passed 101 servers",),
}
TEXTS = {text: cause for cause, texts in MEANT.items() for text in texts}


@pytest.mark.parametrize("text", TEXTS)
def test_meaning(text: str) -> None:
    code, enhanced, words = text.split(" ", 2)
    verdict = classify_reply(int(code), enhanced, words)
    assert verdict.cause is TEXTS[text]
    assert verdict.final == code.startswith("5") or verdict.cause is Cause.TOO_MANY_RECIPIENTS


def test_every_refusal_that_is_a_constant_is_in_the_table() -> None:
    said = {" ".join(map(str, fault.value[1:])) for fault in Fault}
    for module in pkgutil.walk_packages(kurir.__path__, "kurir."):
        if module.name.endswith("__main__") or ".sandbox" in module.name or ".cli" in module.name:
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Reply) and value.klass in (4, 5):
                said.add(f"{value.code} {value.enhanced} {value.text}")
    assert said - set(TEXTS) == set()
