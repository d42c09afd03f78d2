"""Every limit of the protocol core, with the section that sets or allows it.  Octets unless said otherwise."""

# -- what a client may send us -----------------------------------------------------------------------
COMMAND_LINE = 512  # RFC 5321 section 4.5.3.1.4, CRLF included; commands without parameters
PARAMETER_LINE = 2048  # the same with the extensions' additions (RFC 1870, 3461, 6531, 4954 section 5, ...)
AUTH_LINE = 12288  # RFC 4954 section 4: base64 of the largest response, CRLF included
DISCARDED_LINE = 65536  # how much of a too long command is swallowed in search of its CRLF, then we hang up
LONG_COMMANDS = 3  # too long commands in one session, then we hang up
BODY_PIECE = 256 * 1024  # a body is passed on in pieces of at most this (and four octets held back before)
TEXT_LINE = 65536  # RFC 5322 section 2.1.1 says 998; received longer ones are kept up to here, never folded
RECIPIENTS = 1000  # RFC 5321 section 4.5.3.1.8 asks for at least 100
ERRORS = 20  # refused commands in one session
AUTH_FAILURES = 5  # RFC 4954 section 4 allows to end the session
IDLE_COMMANDS = 100  # NOOP, RSET, HELO, HELP, VRFY without a message in between
HELLO_NAME = 255  # RFC 5321 section 4.5.3.1.2
PATH = 256  # RFC 5321 section 4.5.3.1.3, angle brackets included
ENVID = 100  # RFC 3461 section 4.4, as encoded
ORCPT = 500  # RFC 3461 section 4.2, as encoded
CHUNK_DIGITS = 18  # RFC 3030 section 2: a chunk-size of more digits than fit 63 bits is not believed
OVERSIZE_FACTOR = 2  # a body this many times the size limit is not read to its end

# -- what a server may send us -----------------------------------------------------------------------
REPLY_LINE = 4096  # RFC 5321 section 4.5.3.1.5 says 512; longer ones are seen in the wild
REPLY_LINES = 100
REPLY_OCTETS = 65536  # one whole reply
CHUNK = 256 * 1024  # the size of a BDAT chunk that we send
