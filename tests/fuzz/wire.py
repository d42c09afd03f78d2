"""Targets: what a peer sends while it is connected."""

import re

import dns.exception
import dns.message

from kurir.identity.ports import Account
from kurir.identity.sasl import Challenge, Failure, NeedsPassword, SaslContext, Success, begin
from kurir.model import AddressError, Envelope, MailParams, Recipient, Reply, parse_address
from kurir.net.dns import read_reply
from kurir.net.ports import DnsStatus
from kurir.net.proxyproto import ProxyError, parse_proxy
from kurir.smtp import Client, ServerSettings, grammar
from kurir.smtp import client as c
from kurir.smtp.bdat import ChunkReader
from kurir.smtp.data import DataReader, DotStuffer, TextRules
from kurir.smtp.reply_reader import Garbage, ReplyReader
from tests.unit.smtp.driver import Yes

from .target import Target

_SERVER = ServerSettings(
    "mx.test", offer_starttls=True, auth_mechanisms=("PLAIN",), auth_without_tls=True, offer_xclient=True,
    binarymime=True, max_size=5000, max_errors=1000, max_idle_commands=1000,
)  # fmt: skip
_LF_END = re.compile(rb"(?<!\r)\n|\r(?!\n)")


def _messages(pieces: list[bytes]) -> tuple[list[bytes], bytes]:
    yes = Yes(_SERVER)
    yes.feed(*[p for p in pieces if p])
    assert yes.server.buffered <= 12300
    for sender, recipients, body in yes.messages:
        assert recipients
        assert sender is None or sender.domain
        del body
    return [body for _, _, body in yes.messages], yes.output


def commands(data: bytes) -> None:
    """Octet by octet or in sevens, a session understands the same."""
    ones = _messages([data[i : i + 1] for i in range(len(data))])
    again = _messages([data[i : i + 1] for i in range(len(data))])
    assert ones == again
    for line in ones[1].split(b"\r\n")[:-1]:
        assert line[:3].isdigit()
        assert line[3:4] in b" -"
        assert len(line) <= 512
    _messages([data])
    _messages([data[i : i + 7] for i in range(0, len(data), 7)])


def _rules() -> TextRules:
    return TextRules(0, 0, refuse_nul=False, any_octet=False)


def _read(data: bytes, step: int) -> tuple[bytes, bytes | None, Reply | None]:
    reader = DataReader(_rules())
    body = b""
    for i in range(0, len(data), step):
        part, rest = reader.feed(data[i : i + step])
        body += part
        if rest is not None:
            return body, rest + data[i + step :], reader.rules.problem
    return body, None, reader.rules.problem


def data(octets: bytes) -> None:
    """The end is the first CRLF.CRLF whatever the pieces, and what is stuffed comes back."""
    wholly, rest, problem = _read(octets, max(len(octets), 1))
    for step in (1, 2, 3, 5):
        again = _read(octets, step)
        assert again[1] == rest
        assert (again[2] is None) == (problem is None)  # of two rules broken, either may be named
        assert problem is not None or rest is None or again[0] == wholly
    place = (b"\r\n" + octets).find(b"\r\n.\r\n")
    assert (rest is None) == (place < 0)
    if rest is not None:
        assert rest == octets[place + 3 :]
        text = octets[:place]
        assert problem is not None or not _LF_END.search(text)
        assert problem is None or _LF_END.search(text) or b"\0" in text
    stuffer = DotStuffer()
    wire = b"".join(stuffer.feed(octets[i : i + 3]) for i in range(0, len(octets), 3)) + stuffer.end()
    if not _LF_END.search(octets) and b"\0" not in octets:
        body, tail, fault = _read(wire, 4)
        assert tail == b""
        assert fault is None
        assert body in (octets, octets + b"\r\n")


def bdat(octets: bytes) -> None:
    """Chunks are counted, never searched: the pieces give the octets back, or a bare line end is named."""
    whole = ChunkReader(_rules())
    body = whole.feed(octets) + whole.end()
    pieces = ChunkReader(_rules())
    again = b"".join(pieces.feed(octets[i : i + 1]) for i in range(len(octets))) + pieces.end()
    assert (whole.rules.problem is None) == (pieces.rules.problem is None)
    if whole.rules.problem is None:
        assert body == again == octets
    bare = _LF_END.search(octets) is not None
    assert not bare or whole.rules.problem is not None


def replies(octets: bytes) -> None:
    """Any octets of a server become replies, or `Garbage`; the pieces do not matter; nothing grows."""

    def read(step: int) -> tuple[list[Reply], str | None]:
        reader, found = ReplyReader(), []
        for i in range(0, len(octets), step):
            reader.add(octets[i : i + step])
            try:
                while (reply := reader.next()) is not None:
                    found.append(reply)
            except Garbage as e:
                return found, str(e)
        return found, None

    wholly = read(max(len(octets), 1))
    assert read(1)[0] == wholly[0]
    for reply in wholly[0]:
        assert 200 <= reply.code <= 599
        assert reply.lines


def conversation(octets: bytes) -> None:
    """A server may answer anything at any time: a transaction ends with a word for each recipient, or the peer broke."""
    for hello in (b"250-x\n250-PIPELINING\n250 DSN\n", b"250 x\n"):
        client = Client("me.test")
        client.receive(b"220 x\n")
        client.next_event()
        client.hello()
        client.receive(hello)
        client.next_event()
        recipients = tuple(Recipient(parse_address(f"{n}@b.example")) for n in "abc")
        client.transaction(Envelope(parse_address("s@a.example"), recipients, MailParams()), 3)
        ended = 0
        for line in (*octets.split(b"\n"), None):
            client.receive(b"" if line is None else line + b"\n")
            while (event := client.next_event()) is not None:
                if isinstance(event, c.BodyWanted):
                    client.body(b"x\r\n")
                    client.end_body()
                elif isinstance(event, c.TransactionDone):
                    assert len(event.results) == len(recipients)
                    ended += 1
                elif isinstance(event, c.PeerBroke):
                    ended += 1
            client.take_output()
        assert ended >= 1


def addresses(octets: bytes) -> None:
    """What is taken for an address reads back as itself and holds nothing that a command line would break at."""
    text = octets.decode("utf-8", "surrogateescape")
    try:
        found = parse_address(text)
    except AddressError:
        return
    again = parse_address(str(found))
    assert again == found
    assert not set("\r\n\0") & set(str(found))
    assert len(found.local.encode()) <= 64
    assert found.domain.isascii()
    assert found.domain == found.domain.lower() or found.domain.startswith("[IPv6:")


def parameters(octets: bytes) -> None:
    """MAIL and RCPT are read or refused with 5yz; what is taken of xtext goes back out as itself."""
    for read in (
        lambda: grammar.parse_mail(octets, _SERVER, tls=True),
        lambda: grammar.parse_rcpt(octets, smtputf8=True),
        lambda: grammar.parse_rcpt(octets, smtputf8=False),
        lambda: grammar.parse_hello(octets),
        lambda: grammar.parse_xclient(octets),
    ):
        try:
            read()
        except grammar.Malformed as e:
            assert e.reply.klass == 5
            assert e.reply.lines[0].isprintable()
            assert len(e.reply.lines[0]) < 480
    text = grammar.decode_xtext(octets)
    if text is not None:
        assert grammar.decode_xtext(grammar.encode_xtext(text).encode()) == text


def proxy(octets: bytes) -> None:
    """A header is whole, wants more, or is refused, and one octet more or less never changes a whole one."""

    def read(part: bytes) -> object:
        try:
            return parse_proxy(part)
        except ProxyError:
            return None

    found = parse_proxy(octets) if read(octets) is not None else None
    if found is None:
        return
    assert 0 <= found.consumed <= len(octets)
    if found.header is not None:
        assert read(octets + b"x") == found
        assert read(octets[: found.consumed]) == found


def names(octets: bytes) -> None:
    """A reply of a nameserver is read into an answer or dropped; records of other names never count."""
    try:
        message = dns.message.from_wire(octets, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError, KeyError, IndexError, UnicodeError):
        return  # the resolver drops these as it drops a stranger's packet
    for rdtype in ("A", "AAAA", "MX", "TXT", "PTR", "TLSA"):
        answer, _ = read_reply(message, "mx.example.test", rdtype, trusted=False)
        assert isinstance(answer.status, DnsStatus)
        assert not answer.authentic
        assert answer.ttl >= 0


_ACCOUNT = Account(name="user@example.test", password_hash="x", addresses=("user@example.test",))


def sasl(octets: bytes) -> None:
    """Whatever a client answers, an exchange ends; nobody gets in without the password, nobody acts for others."""
    context = SaslContext(
        lambda name: _ACCOUNT if name == _ACCOUNT.name else None, b"s" * 32, lambda n: b"r" * n, b"e" * 32
    )
    answers = octets.split(b"\n")
    for mechanism in ("PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"):
        exchange = begin(mechanism, context)
        step = exchange.start(answers[0] or None)
        for answer in answers[1:6]:
            if not isinstance(step, Challenge):
                break
            step = exchange.answer(answer)
        assert isinstance(step, Challenge | Failure | NeedsPassword | Success)
        assert not isinstance(step, Success)  # no verifier is kept for anybody here
        if isinstance(step, NeedsPassword) and mechanism == "PLAIN":
            authzid, authcid, _ = (octets.split(b"\n")[1] if not answers[0] else answers[0]).split(b"\0")
            assert authzid in (b"", authcid)


TARGETS = (
    Target("commands", commands.__doc__ or "", commands, (
        b"EHLO a\r\n", b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<c@d.example>\r\n", b"RCPT TO:<no@d.example>\r\n",
        b"DATA\r\n", b".\r\n", b"\r\n.\r\n", b"BDAT 3\r\nabc", b"BDAT 3 LAST\r\nabc", b"BDAT 0 LAST\r\n", b"RSET\r\n",
        b"NOOP\r\n", b"QUIT\r\n", b"AUTH PLAIN\r\n", b"AGEAYg==\r\n", b"*\r\n", b"XCLIENT ADDR=192.0.2.1\r\n", b"STARTTLS\r\n",
        b"\r", b"\n", b"\0", b" SIZE=10", b" BODY=BINARYMIME", b"VRFY x\r\n",
    )),
    Target("data", data.__doc__ or "", data, (b"\r\n", b".", b"\r", b"\n", b"\0", b"x", b"\r\n.\r\n", b"..", b"\r\n..\r\n")),
    Target("bdat", bdat.__doc__ or "", bdat, (b"\r\n", b".", b"\r", b"\n", b"\0", b"x", b"\r\n.\r\n")),
    Target("replies", replies.__doc__ or "", replies, (
        b"250 ok\r\n", b"250-a\r\n", b"550 5.1.1 no\r\n", b"421\r\n", b"354 \n", b"25", b"\r\n", b"\n", b"\0", b"\xff", b"250-", b"999 x\r\n",
    )),
    Target("conversation", conversation.__doc__ or "", conversation, (
        b"220 x\n", b"250-PIPELINING\n", b"250 DSN\n", b"250 SIZE 10\n", b"354 go\n", b"550 5.1.1 no\n", b"421 bye\n", b"334 \n", b"x\n", b"250\n",
    )),
    Target("addresses", addresses.__doc__ or "", addresses, (
        b"a", b"@", b"b.example", b'"', b"\\", b".", b"[127.0.0.1]", b"[IPv6:::1]", b"xn--", "\u00fc".encode(), "\u3002".encode(),
        "\uff0e".encode(), "\u200d".encode(), b" ", b"@a,@b:", b"<", b">", b"%", b"!", b"\0",
    )),
    Target("parameters", parameters.__doc__ or "", parameters, (
        b"FROM:", b"TO:", b"<a@b.example>", b"<>", b" SIZE=", b"10", b" BODY=8BITMIME", b" SMTPUTF8", b" RET=FULL", b" ENVID=", b"+2B",
        b" NOTIFY=NEVER", b" ORCPT=rfc822;", b" ORCPT=utf-8;", b"\\x{41}", b" AUTH=<>", b"ADDR=", b"[UNAVAILABLE]", b"+", b"=", b" ", b"\xff", b"<postmaster>",
    )),
    Target("proxy", proxy.__doc__ or "", proxy, (
        b"PROXY ", b"TCP4 ", b"TCP6 ", b"UNKNOWN", b"192.0.2.1 ", b"::1 ", b"25", b" ", b"\r\n", b"\r\n\r\n\0\r\nQUIT\n", b"\x21", b"\x20",
        b"\x11\0\x0c", b"\x21\0\x24", b"\0" * 12, b"\0" * 36, b"\x04\0\x01x", b"\xff",
    )),
    Target("dns", names.__doc__ or "", names, (
        b"\x12\x34\x81\x80\0\x01\0\x01\0\0\0\0", b"\x02mx\x07example\x04test\0", b"\xc0\x0c", b"\0\x01\0\x01", b"\0\x0f\0\x01", b"\0\x10\0\x01",
        b"\0\x05\0\x01", b"\0\0\x0e\x10\0\x04\x7f\0\0\x01", b"\xff", b"\0", b"\0\x34\0\x01", b"\x81\x83",
    )),
    Target("sasl", sasl.__doc__ or "", sasl, (
        b"\0", b"\n", b"user@example.test", b"\0user@example.test\0x", b"n,,n=user@example.test,r=abc", b"y,,", b"p=tls-server-end-point,,",
        b"c=biws,r=abc", b",p=", b"=2C", b"=3D", b"n,a=x,", b"\xff", b"r=", b"cmVy",
    )),
)  # fmt: skip
