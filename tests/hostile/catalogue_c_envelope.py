"""Catalogue C: who may send what to whom, and what hides in an address (RFC 5321 section 4.1.2, RFC 6531, RFC 3461)."""

from .cases import (
    ALL,
    FINE,
    FROM,
    HEAD,
    LOGGED_IN,
    MX,
    PLAIN,
    RSET,
    TO,
    Case,
    End,
    Step,
    Transport,
    bdat,
    mail,
    rcpt,
    say,
)  # fmt: skip

ONE_HELLO = (Transport.PLAIN, Transport.TLS)  # each hello counts as an idle command too
DENIED, NOBODY, BAD = "550 5.7.1", "550 5.1.1", "501 5.1.3"
NULL = Step(b"MAIL FROM:<>\r\n", ("250",))

_RELAY = (
    rcpt(32, "foreign", b"<x@foreign.test>", DENIED),
    rcpt(32, "foreign-subdomain", b"<x@sub.example.test>", DENIED),
    rcpt(32, "foreign-suffix", b"<x@notexample.test>", DENIED),
    rcpt(32, "foreign-prefix", b"<x@example.test.evil.test>", DENIED),
    rcpt(33, "percent", b"<box%foreign.test@example.test>", NOBODY),
    rcpt(33, "percent-twice", b"<box%a.test%b.test@example.test>", NOBODY),
    rcpt(34, "route-to-foreign", b"<@example.test:x@foreign.test>", DENIED),
    rcpt(34, "route-twice-to-foreign", b"<@example.test,@b.test:x@foreign.test>", DENIED),
    rcpt(34, "route-to-us", b"<@a.test,@b.test:box@example.test>", "250"),
    rcpt(34, "route-without-address", b"<@example.test>", BAD),
    rcpt(34, "route-with-bad-hop", b"<@a..b:box@example.test>", BAD),
    rcpt(35, "bang", b"<foreign.test!x@example.test>", NOBODY),
    rcpt(35, "bang-bare", b"<foreign.test!x>", BAD, better="without a domain it is no mailbox at all"),
    rcpt(36, "quoted-address", b'<"x@foreign.test"@example.test>', NOBODY),
    rcpt(36, "quoted-space", b'<"a b"@example.test>', NOBODY),
    rcpt(36, "quoted-angle", b'<"box>"@example.test>', NOBODY),
    rcpt(36, "quoted-quote", b'<"a\\"b"@example.test>', NOBODY),
    rcpt(36, "quoted-own-box", b'<"box"@example.test>', "250", better="the quotes mean nothing (RFC 5321 section 4.1.2)"),
    rcpt(36, "two-ats", b"<x@foreign.test@example.test>", BAD),
    rcpt(36, "two-ats-reversed", b"<box@example.test@foreign.test>", BAD),
    rcpt(36, "unfinished-quote", b'<"box@example.test>', "501"),
    rcpt(37, "literal-loopback", b"<box@[127.0.0.1]>", DENIED),
    rcpt(37, "literal-v6", b"<box@[IPv6:::1]>", DENIED),
    rcpt(37, "literal-mapped", b"<box@[IPv6:::ffff:127.0.0.1]>", DENIED),
    rcpt(37, "literal-v6-untagged", b"<box@[::ffff:127.0.0.1]>", BAD),
    rcpt(37, "literal-octal", b"<box@[0177.0.0.1]>", BAD),
    rcpt(37, "literal-short", b"<box@[127.1]>", BAD),
    rcpt(37, "literal-zone", b"<box@[IPv6:fe80::1%lo]>", BAD),
    rcpt(37, "decimal", b"<box@2130706433>", BAD),
    rcpt(37, "bare-address", b"<box@127.0.0.1>", BAD),
    rcpt(37, "bare-host", b"<box@localhost>", DENIED),
    rcpt(38, "upper-case", b"<BOX@EXAMPLE.TEST>", "250"),
    rcpt(38, "trailing-dot", b"<box@example.test.>", "250"),
    rcpt(38, "two-trailing-dots", b"<box@example.test..>", BAD),
    rcpt(39, "bare-postmaster", b"<postmaster>", "250", over=ALL),
    rcpt(39, "bare-postmaster-upper", b"<Postmaster>", "250", over=ALL),
    rcpt(39, "bare-somebody", b"<somebody>", BAD, over=ALL),
    rcpt(39, "postmaster-here", b"<postmaster@example.test>", "250", over=ALL),
)  # fmt: skip

_SENDERS = (
    mail(40, "sender-of-another", b"FROM:<other@example.test>", "553 5.7.1", over=LOGGED_IN),
    mail(40, "foreign-sender", b"FROM:<ceo@bank.test>", "553 5.7.1", over=LOGGED_IN),
    mail(40, "quoted-own", b'FROM:<"user"@example.test>', "250", over=LOGGED_IN),
    mail(40, "own-in-quotes", b'FROM:<"user@example.test"@bank.test>', "553 5.7.1", over=LOGGED_IN),
    Case(
        41, "bounce-to-two",
        (NULL, TO, Step(b"RCPT TO:<user@example.test>\r\n", ("452 4.5.3",))), over=MX,
    ),
)  # fmt: skip

_ORDER = (
    say(42, "rcpt-first", b"RCPT TO:<box@example.test>\r\n", "503 5.5.1"),
    say(42, "data-first", b"DATA\r\n", "503 5.5.1"),
    say(42, "data-without-rcpt", b"DATA\r\n", "503 5.5.1", before=(FROM,)),
    say(42, "second-mail", b"MAIL FROM:<%FROM%>\r\n", "503 5.5.1", before=(FROM,)),
    say(42, "second-mail-after-rcpt", b"MAIL FROM:<%FROM%>\r\n", "503 5.5.1", before=(FROM, TO)),
    Case(42, "data-after-bdat", (FROM, TO, bdat(HEAD, *FINE, last=False), Step(b"DATA\r\n", ("503 5.5.1",)))),
    Case(42, "rcpt-after-bdat", (FROM, TO, bdat(HEAD, *FINE, last=False), Step(TO.send, ("503 5.5.1",)))),
    say(42, "data-with-argument", b"DATA now\r\n", "501 5.5.4", before=(FROM, TO)),
    say(42, "all-refused", b"DATA\r\n", "554 5.5.1", before=(FROM, Step(b"RCPT TO:<no@example.test>\r\n", (NOBODY,)))),
    Case(42, "rset-forgets", (FROM, TO, RSET, Step(b"DATA\r\n", ("503 5.5.1",)))),
    Case(42, "ehlo-forgets", (FROM, TO, Step(b"EHLO again.test\r\n", ("250",)), Step(b"DATA\r\n", ("503 5.5.1",)))),
    Case(
        43, "rcpt-1001",
        (FROM, Step(b"".join(b"RCPT TO:<box+%d@example.test>\r\n" % i for i in range(1001)), ("250",) * 1000 + ("452 4.5.3",)), RSET),
        over=PLAIN,
    ),
)  # fmt: skip

_SIZES = (
    rcpt(44, "local-64", b"<" + b"b" * 64 + b"@example.test>", NOBODY),
    rcpt(44, "local-65", b"<" + b"b" * 65 + b"@example.test>", BAD),
    rcpt(44, "path-257", b"<" + b"b" * 60 + b"@" + b"d" * 60 + b"." + b"d" * 60 + b"." + b"d" * 60 + b".example.test>", BAD),
    rcpt(44, "label-64", b"<box@" + b"d" * 64 + b".test>", BAD),
    rcpt(44, "label-empty", b"<box@example..test>", BAD),
    rcpt(44, "dot-first", b"<.box@example.test>", BAD),
    rcpt(44, "dot-last", b"<box.@example.test>", BAD),
    rcpt(44, "dots-together", b"<b..ox@example.test>", BAD),
    rcpt(44, "hyphen-first", b"<box@-example.test>", BAD),
    rcpt(44, "nothing-before-at", b"<@example.test>", BAD),
    rcpt(44, "nothing-behind-at", b"<box@>", BAD),
    mail(44, "sender-local-65", b"FROM:<" + b"b" * 65 + b"@example.test>", "501 5.1.7"),
    mail(44, "sender-no-domain", b"FROM:<somebody>", "501 5.1.7"),
    mail(44, "sender-postmaster", b"FROM:<postmaster>", "501 5.1.7"),
)  # fmt: skip

_INERT = "553 or refused; here no such mailbox, no shell is ever near"
_INJECTION = (
    *(
        rcpt(45, f"shell-{i}", b"<" + local + b"@example.test>", reply, better=_INERT)
        for i, (local, reply) in enumerate(
            (
                (b";sleep 5;", "501"), (b"`id`", NOBODY), (b"$(id)", BAD), (b"|cmd", NOBODY), (b"-oQ/x", NOBODY),
                (b'"|/bin/sh -c id"', NOBODY), (b'";sleep 5;"', NOBODY), (b"&touch", NOBODY),
            )
        )
    ),
    *(
        rcpt(46, f"template-{i}", b"<" + local + b"@example.test>", reply)
        for i, (local, reply) in enumerate(
            (
                (b"${run{id}}", NOBODY), (b"{{7*7}}", NOBODY), (b"%s%n%s%n", NOBODY), (b"${jndi:x}", BAD),
                (b'"${run{/bin/id}}"', NOBODY), (b"%(x)s", BAD), (b"{0.__class__}", NOBODY),
            )
        )
    ),
    say(46, "helo-jndi", b"EHLO ${jndi:ldap://x/a}\r\n", "250"),
    say(46, "helo-format", b"EHLO %s%s%s%n\r\n", "250"),
    *(
        rcpt(47, f"path-{i}", b"<" + local + b"@example.test>", reply)
        for i, (local, reply) in enumerate(
            (
                (b"../../x", BAD), (b"a/b", NOBODY), (b".", BAD), (b"..", BAD), (b'"../../x"', NOBODY), (b'"."', NOBODY),
                (b'".."', NOBODY), (b"/etc/passwd", NOBODY), (b'"a\\\\b"', NOBODY),
            )
        )
    ),
    rcpt(47, "path-in-plus-detail", b'<"box+../../../x"@example.test>', "250"),
    say(48, "crlf-in-quoted-pair", b'RCPT TO:<"a\\\r\nRSET\r\n', "501", "250", before=(FROM,), over=MX),
    rcpt(48, "next-line", b"<b\xc2\x85ox@example.test>", BAD, utf8=True),
    rcpt(48, "line-separator", b"<b\xe2\x80\xa8ox@example.test>", BAD, utf8=True),
    rcpt(48, "idna-crlf-like", "<box@exa\u2028mple.test>".encode(), BAD, utf8=True),
    rcpt(48, "tab", b"<b\tox@example.test>", "501"),
    rcpt(48, "escape", b"<b\x1b[2Jox@example.test>", "501"),
    rcpt(49, "fullwidth-at", "<box\uff20foreign.test@example.test>".encode(), BAD, utf8=True),
    rcpt(49, "fullwidth-dot", "<box@example\uff0etest>".encode(), BAD, utf8=True),
    rcpt(49, "ideographic-dot", "<box@example\u3002test>".encode(), BAD, utf8=True),
    rcpt(49, "bidi", "<b\u202eox@example.test>".encode(), BAD, utf8=True),
    rcpt(49, "zero-width", "<b\u200box@example.test>".encode(), BAD, utf8=True),
    rcpt(49, "zero-width-in-domain", "<box@exam\u200bple.test>".encode(), BAD, utf8=True),
    rcpt(49, "fullwidth-letters", "<box@\uff45xample.test>".encode(), BAD, utf8=True),
    rcpt(50, "utf8-undeclared", "<b\u00fcx@example.test>".encode(), "553 5.6.7"),
    rcpt(50, "utf8-invalid", b"<b\xffx@example.test>", "501", utf8=True),
    rcpt(50, "utf8-overlong", b"<b\xc0\xafx@example.test>", "501", utf8=True),
    rcpt(50, "utf8-surrogate", b"<b\xed\xa0\x80x@example.test>", "501", utf8=True),
    rcpt(50, "utf8-fine", "<b\u00fcx@example.test>".encode(), NOBODY, utf8=True),
)  # fmt: skip

_PARAMETERS = (
    mail(51, "unknown", b"FROM:<%FROM%> FOO=bar", "555 5.5.4"),
    mail(51, "twice", b"FROM:<%FROM%> SIZE=1 SIZE=2", "501 5.5.4"),
    mail(51, "no-value", b"FROM:<%FROM%> BODY", "501 5.5.4"),
    mail(51, "bad-body", b"FROM:<%FROM%> BODY=9BIT", "501 5.5.4"),
    mail(51, "binarymime-not-offered", b"FROM:<%FROM%> BODY=BINARYMIME", "555 5.5.4"),
    mail(51, "no-space", b"FROM:<%FROM%>SIZE=1", "501"),
    mail(51, "no-brackets", b"FROM:%FROM%", "501"),
    Case(51, "rcpt-unknown", (FROM, Step(b"RCPT TO:<box@example.test> FOO=1\r\n", ("555 5.5.4",)))),
    Case(51, "notify-twice", (FROM, Step(b"RCPT TO:<box@example.test> NOTIFY=NEVER NOTIFY=NEVER\r\n", ("501 5.5.4",)))),
    Case(51, "notify-never-and", (FROM, Step(b"RCPT TO:<box@example.test> NOTIFY=NEVER,SUCCESS\r\n", ("501 5.5.4",)))),
    mail(52, "size-negative", b"FROM:<%FROM%> SIZE=-1", "501 5.5.4"),
    mail(52, "size-text", b"FROM:<%FROM%> SIZE=big", "501 5.5.4"),
    mail(52, "size-2-64", b"FROM:<%FROM%> SIZE=18446744073709551616", "552 5.3.4"),
    mail(52, "size-21-digits", b"FROM:<%FROM%> SIZE=100000000000000000000", "501 5.5.4"),
    mail(52, "size-arabic-digits", "FROM:<%FROM%> SIZE=\u0661\u0662".encode(), "501 5.5.4"),
    mail(52, "size-too-large", b"FROM:<%FROM%> SIZE=2000000", "552 5.3.4"),
    mail(53, "envid-newline", b"FROM:<%FROM%> ENVID=a+0Ab", "501 5.5.4"),
    mail(53, "envid-bad-hex", b"FROM:<%FROM%> ENVID=a+GGb", "501 5.5.4"),
    mail(53, "envid-lower-hex", b"FROM:<%FROM%> ENVID=a+0ab", "501 5.5.4"),
    mail(53, "envid-long", b"FROM:<%FROM%> ENVID=" + b"a" * 101, "501 5.5.4"),
    mail(53, "auth-newline", b"FROM:<%FROM%> AUTH=a+0D+0Ab", "501 5.5.4", over=LOGGED_IN),
    mail(53, "auth-not-offered", b"FROM:<%FROM%> AUTH=<>", "555 5.5.4", over=MX, better="555: AUTH is not offered on port 25"),
    Case(53, "orcpt-newline", (FROM, Step(b"RCPT TO:<box@example.test> ORCPT=rfc822;a+0Ab\r\n", ("501 5.5.4",)))),
    Case(53, "orcpt-no-type", (FROM, Step(b"RCPT TO:<box@example.test> ORCPT=abc\r\n", ("501 5.5.4",)))),
    Case(53, "orcpt-utf8-newline", (FROM, Step(b"RCPT TO:<box@example.test> ORCPT=utf-8;a\\x{0A}b\r\n", ("501 5.5.4",)))),
    Case(53, "orcpt-long", (FROM, Step(b"RCPT TO:<box@example.test> ORCPT=rfc822;" + b"a" * 600 + b"\r\n", ("501 5.5.4",)))),
    say(54, "helo-empty", b"EHLO\r\n", "501 5.5.4"),
    say(54, "helo-space", b"EHLO  \r\n", "501 5.5.4"),
    say(54, "helo-1k", b"EHLO " + b"x" * 1024 + b"\r\n", "501 5.5.4"),
    say(54, "helo-escape", b"EHLO \x1b[2J\x1b]0;pwned\x07\r\n", "501 5.5.4"),
    say(54, "helo-utf8", "EHLO caf\u00e9\r\n".encode(), "501 5.5.4"),
    say(54, "helo-two-words", b"EHLO a b\r\n", "501 5.5.4"),
)  # fmt: skip

_PROBES = (
    say(55, "xclient", b"XCLIENT ADDR=127.0.0.1 NAME=localhost\r\n", "550 5.7.0"),
    say(55, "xforward", b"XFORWARD ADDR=127.0.0.1\r\n", "500 5.5.1", better="XFORWARD is a word we do not know"),
    say(55, "proxy-v1", b"PROXY TCP4 127.0.0.1 127.0.0.1 1 25\r\n", "500 5.5.1", better="not from a trusted proxy: an unknown word, counted"),
    say(55, "proxy-v2", b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x7f\x00\x00\x01\x7f\x00\x00\x01\x00\x01\x00\x19", "500 5.5.1", "500 5.5.1", "500 5.5.2", end=End.CLOSED),
    say(56, "vrfy", b"VRFY box\r\n", "252 2.5.0"),
    say(56, "vrfy-nobody", b"VRFY nobody\r\n", "252 2.5.0"),
    say(56, "expn", b"EXPN list\r\n", "502 5.5.1"),
    say(56, "etrn", b"ETRN example.test\r\n", "502 5.5.1"),
    say(56, "turn", b"TURN\r\n", "502 5.5.1"),
    say(56, "help", b"HELP\r\n", "214"),
    say(
        57, "dictionary", b"".join(b"RCPT TO:<u%d@example.test>\r\n" % i for i in range(30)),
        *(NOBODY,) * 20, "421 4.7.0", before=(FROM,), end=End.CLOSED, over=MX,
    ),
    say(57, "unknown-words", b"FOO\r\n" * 30, *("500 5.5.1",) * 20, "421 4.7.0", end=End.CLOSED),
    say(58, "noops", b"NOOP\r\n" * 105, *("250",) * 99, "421 4.7.0", end=End.CLOSED, over=ONE_HELLO),
    say(58, "rsets", b"RSET\r\n" * 105, *("250",) * 99, "421 4.7.0", end=End.CLOSED, over=ONE_HELLO),
)  # fmt: skip

CASES: tuple[Case, ...] = (
    *_RELAY, *_SENDERS, *_ORDER, *_SIZES, *_INJECTION, *_PARAMETERS, *_PROBES,
)  # fmt: skip
