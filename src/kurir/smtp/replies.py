"""Our own replies, each with the rule that wants it.  Enhanced status codes are of RFC 3463 and RFC 5248."""

from kurir.model import Reply

_of = Reply.of

# -- done ---------------------------------------------------------------------------------------------
OK = _of(250, "2.0.0", "OK")
RESET = _of(250, "2.0.0", "Forgotten")

# -- framing (RFC 5321 sections 2.3.8, 4.1.1.4, 4.5.3.1) --------------------------------------------------
LINE_TOO_LONG = _of(500, "5.5.2", "Command line too long")
BARE_IN_COMMAND = _of(500, "5.5.2", "A command line ends with CR LF and holds no other CR, LF or NUL")
BARE_IN_BODY = _of(550, "5.5.2", "The message has a bare CR or LF; lines end with CR LF")
BARE_IN_CHUNK = _of(550, "5.6.0", "The message has a bare CR or LF; lines end with CR LF")
NUL_IN_BODY = _of(550, "5.6.0", "The message has a NUL octet where it could be mistaken or is not taken")
TEXT_LINE_TOO_LONG = _of(550, "5.6.0", "The message has a line that is too long")

# -- talking out of turn (RFC 2920 section 3.1, RFC 3207 section 4.2) ----------------------------------------
PREGREET = _of(554, "5.5.1", "You talked before the greeting")
EARLY_TALK = _of(503, "5.5.0", "You sent more before the reply to this command")
NOT_SMTP = _of(521, "5.5.1", "This is a mail server; it speaks SMTP only")

# -- order of commands (RFC 5321 section 4.1.4) ----------------------------------------------------------
HELLO_FIRST = _of(503, "5.5.1", "Say EHLO first")
MAIL_FIRST = _of(503, "5.5.1", "Say MAIL FROM first")
RCPT_FIRST = _of(503, "5.5.1", "Say RCPT TO first")
NO_VALID_RECIPIENT = _of(554, "5.5.1", "No valid recipients")  # RFC 2920 section 3.2
NESTED_MAIL = _of(503, "5.5.1", "A message is already under way; say RSET to drop it")
IN_TRANSACTION = _of(503, "5.5.1", "Not while a message is under way")
IN_CHUNKS = _of(
    503, "5.5.1", "The message comes in chunks; go on with BDAT or say RSET"
)  # RFC 3030 section 2
CHUNKS_FAILED = _of(503, "5.5.1", "The message has failed; say RSET")  # RFC 3030 section 2
BINARY_NEEDS_BDAT = _of(503, "5.5.1", "A BINARYMIME message travels by BDAT")  # RFC 3030 section 3

# -- commands we do not know or do not have --------------------------------------------------------------
UNKNOWN = _of(500, "5.5.1", "Command not recognised")
NOT_HERE = _of(500, "5.5.1", "This is LMTP: say LHLO")  # RFC 2033 section 4.1
NOT_LMTP = _of(500, "5.5.1", "This is SMTP: say EHLO")
NOT_IMPLEMENTED = _of(502, "5.5.1", "Command not implemented")

# -- arguments ---------------------------------------------------------------------------------------
BAD_HELLO_NAME = _of(501, "5.5.4", "Say your host name: EHLO host.example.org")
NO_ARGUMENT = _of(501, "5.5.4", "This command takes no argument")
MAIL_SYNTAX = _of(501, "5.5.4", "Syntax: MAIL FROM:<address> with the angle brackets, then parameters")
RCPT_SYNTAX = _of(501, "5.5.4", "Syntax: RCPT TO:<address> with the angle brackets, then parameters")
VRFY_SYNTAX = _of(501, "5.5.4", "Syntax: VRFY address")
BAD_UTF8 = _of(501, "5.5.2", "The address is not valid UTF-8")
NEEDS_SMTPUTF8 = _of(553, "5.6.7", "A non-ASCII address needs the SMTPUTF8 parameter")  # RFC 6531 section 3.5
BAD_CHUNK = _of(501, "5.5.4", "Syntax: BDAT size [LAST]")
BAD_XCLIENT = _of(501, "5.5.4", "Syntax: XCLIENT name=value ...")
TOO_MANY_RECIPIENTS = _of(452, "4.5.3", "Too many recipients; send the rest in another message")

# -- STARTTLS and AUTH (RFC 3207, RFC 4954) ---------------------------------------------------------------
TLS_ACTIVE = _of(503, "5.5.1", "TLS is already active")
TLS_FIRST = _of(530, "5.7.0", "Say STARTTLS first")
AUTH_FIRST = _of(530, "5.7.0", "Authentication required")
AUTH_DONE = _of(503, "5.5.1", "You are already authenticated")
AUTH_SYNTAX = _of(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]")
AUTH_MECHANISM = _of(504, "5.5.4", "Mechanism not offered")
AUTH_BAD_BASE64 = _of(501, "5.5.2", "That is not base64")
AUTH_CANCELLED = _of(501, "5.0.0", "Authentication cancelled")

# -- the end of patience, and of the session -------------------------------------------------------------
TOO_MANY_ERRORS = _of(421, "4.7.0", "Too many errors, goodbye")
TOO_MANY_LOGINS = _of(421, "4.7.0", "Too many failed logins, goodbye")
TOO_MANY_IDLE = _of(421, "4.7.0", "Too many commands without a message, goodbye")
TOO_MANY_MESSAGES = _of(421, "4.7.0", "Enough messages for one connection, come again")  # RFC 9422 section 4
LOST = _of(421, "4.4.2", "The connection was lost")  # never sent: what `Closing` says at end of file


def wire(reply: Reply) -> bytes:
    """Return `reply` as sent: an enhanced status code is put in where none was chosen (RFC 2034 section 4)."""
    code, enhanced, lines = reply.code, reply.enhanced, reply.lines
    if enhanced is None:
        if 300 <= code < 400:
            return reply.render()
        enhanced = f"{code // 100}.0.0"
    if len(lines) == 1 and lines[0].isascii() and lines[0].isprintable():
        return f"{code} {enhanced} {lines[0]}\r\n".encode()
    return Reply(code, enhanced, lines).render()


def too_large(octets: int | None, most: int) -> Reply:
    """Refuse a message by its size (RFC 1870 section 6): both sizes, and what fits after base64 (57 octets become 78).

    `octets` is what was announced, or None where more than `most` came unannounced.
    """
    attachments = most // 78 * 57 // 100_000 / 10
    has = "more octets than allowed" if octets is None else f"{octets} octets"
    return _of(
        552,
        "5.3.4",
        f"The message has {has}, this server takes at most {most}; attachments grow by 37 % on the way,"
        f" so that about {attachments} MB of them fit: send less at once, or a link",
    )
