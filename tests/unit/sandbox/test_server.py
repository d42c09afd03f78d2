"""Every part, played to a raw client over a unix socket, on both loops."""

import asyncio
import time
from contextlib import asynccontextmanager
from email import message_from_bytes

import pytest
import uvloop

from kurir.net import (
    ClientTlsFactory,
    ClientTlsSettings,
    Endpoint,
    NetError,
    ServerTlsSettings,
    TlsLevel,
    connect,
)
from kurir.net.devca import ensure_ca, ensure_leaf
from kurir.sandbox import SandboxServer, SandboxSettings, early_doors
from tests.harness import PATIENCE

NOW = 1_800_000_000.0


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    def runner(coroutine):
        async def bounded():
            async with asyncio.timeout(PATIENCE):
                return await coroutine

        return (uvloop.run if request.param == "uvloop" else asyncio.run)(bounded())

    return runner


@pytest.fixture(scope="session")
def tls_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    ca = ensure_ca(folder, now=time.time())
    return ca, ensure_leaf(ca, folder, ["sandbox.example"], now=time.time())


class Clock:
    def now(self):
        return NOW

    def monotonic(self):
        return 0.0


class Playground:
    """A running sandbox; `slept` are the seconds it wanted to wait, `bounced` what it handed in."""

    def __init__(self, path):
        self.path = path
        self.slept = []
        self.bounced = asyncio.Queue()

    async def sleep(self, seconds):
        self.slept.append(seconds)

    async def submit(self, sender, recipient, message):
        self.bounced.put_nowait((sender, recipient, message))

    async def client(self, domain=""):
        path = early_doors(self.path)[domain] if domain else self.path
        return Client(await connect([Endpoint(str(path), 0)]))

    @property
    def captured(self):
        return self.server.store.list()


@asynccontextmanager
async def playground(tmp_path, *, tls=None, **settings):
    p = Playground(tmp_path / "s.sock")
    p.server = SandboxServer(
        tmp_path / "captured",
        p.path,
        hostname="sandbox.example",
        tls=tls,
        clock=Clock(),
        submit=p.submit,
        settings=SandboxSettings(**settings),
        sleep=p.sleep,
    )
    await p.server.start()
    try:
        yield p
    finally:
        await p.server.stop()
        assert not p.path.exists()


class Client:
    """Says lines and reads replies, nothing clever."""

    def __init__(self, stream):
        self.stream = stream
        self.rest = b""

    async def reply(self):
        """The next whole reply as text; b"" bytes left over where the server ended without one."""
        while True:
            lines = self.rest.split(b"\r\n")
            for i, line in enumerate(lines[:-1]):
                if line[:3].isdigit() and line[3:4] == b" ":
                    self.rest = b"\r\n".join(lines[i + 1 :])
                    return b"\r\n".join(lines[: i + 1]).decode()
            data = await self.stream.read(5)
            if not data:
                return None
            self.rest += data

    async def say(self, *lines):
        """Say lines at once; return the replies."""
        self.stream.write(b"".join(line.encode() + b"\r\n" for line in lines))
        return [await self.reply() for _ in lines]

    async def start(self):
        assert (await self.reply()).startswith("220 sandbox.example")
        (hello,) = await self.say("EHLO client.example")
        return hello

    async def mail(self, *recipients, sender="me@example.org"):
        return await self.say(f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{r}>" for r in recipients))

    async def data(self, text="Subject: hi\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"):
        (go,) = await self.say("DATA")
        if go is None or not go.startswith("354"):
            return go
        self.stream.write(text.encode() + b".\r\n")
        return await self.reply()

    async def send(self, recipient, **options):
        """One whole message; the reply that ended it."""
        _, rcpt = await self.mail(recipient, **options)
        if not rcpt or not rcpt.startswith("250"):
            return rcpt
        return await self.data()

    def end(self):
        self.stream.abort()


def one(run, tmp_path, play, **options):
    """Run `play(playground, client)` with a client that has said EHLO."""

    async def main():
        async with playground(tmp_path, **options) as p:
            client = await p.client()
            await client.start()
            try:
                return await play(p, client)
            finally:
                client.end()

    return run(main())


def test_capturing(run, tmp_path):
    async def play(p, c):
        assert await c.mail("a@example.net", "b@example.net") == [
            "250 2.1.0 Sender ok",
            "250 2.1.5 Recipient ok",
            "250 2.1.5 Recipient ok",
        ]
        assert (await c.data("Subject: hi\r\n\r\n..dot\r\n")).startswith("250 2.0.0 Captured as 000001")
        (entry,) = p.captured
        assert (entry.sender, entry.recipients) == ("me@example.org", ("a@example.net", "b@example.net"))
        assert (entry.at, entry.helo, entry.subject) == (NOW, "client.example", "hi")
        assert p.server.store.message("1") == b"Subject: hi\r\n\r\n.dot\r\n"
        assert (await c.say("RSET", "NOOP", "VRFY x", "QUIT"))[-1].startswith("221")
        assert await c.reply() is None

    one(run, tmp_path, play)


def test_chunks_and_null_sender(run, tmp_path):
    async def play(p, c):
        await c.mail("a@example.net", sender="")
        c.stream.write(b"BDAT 6\r\n12345\nBDAT 3 LAST\r\n678")
        await c.reply()
        await c.reply()
        assert p.captured == [] or p.server.store.message("1") == b"12345\n678"

    one(run, tmp_path, play)


@pytest.mark.parametrize(
    ("local", "said"),
    [
        ("code-550-rcpt", "550 "),
        ("code-450-4.2.1-rcpt", "450 4.2.1 "),
        ("code-451-data", "451 "),
        ("code-554-5.7.1-data", "554 5.7.1 "),
        ("code-552-5.3.4-body", "552 5.3.4 "),
        ("code-451-body", "451 "),
        ("code-421-rcpt", "421 "),
        ("code-421-connect", "421 "),
        ("code-550-mail", "550 "),
        ("notls", "550 5.1.3 The part notls begins before RCPT: use any address at notls.test"),
        ("brokentls", "550 5.1.3 "),
    ],
)
def test_codes(run, tmp_path, local, said):
    async def play(p, c):
        assert (await c.send(f"{local}@example.net")).startswith(said)
        assert p.captured == []
        if said.startswith("421"):
            assert await c.reply() is None
        else:
            await c.say("RSET")
            assert (await c.send("anybody@example.net")).startswith("250")

    one(run, tmp_path, play)


def test_refused_and_taken_recipients_in_one_transaction(run, tmp_path):
    async def play(p, c):
        said = await c.mail("code-550@x.example", "a@x.example", "code-450@x.example", "b@x.example")
        assert [s[:3] for s in said] == ["250", "550", "250", "450", "250"]
        assert (await c.data()).startswith("250")
        assert p.captured[0].recipients == ("a@x.example", "b@x.example")

    one(run, tmp_path, play)


@pytest.mark.parametrize("recipients", [("a", "defer-1"), ("defer-1", "a"), ("drop-body", "code-550-body")])
def test_a_part_for_the_whole_transaction_is_not_shared(run, tmp_path, recipients):
    async def play(p, c):
        said = await c.mail(*(f"{r}@x.example" for r in recipients))
        assert [s[:9] for s in said[1:]] == ["250 2.1.5", "452 4.5.3"]

    one(run, tmp_path, play)


def test_defer(run, tmp_path):
    async def play(p, c):
        said = [await c.send("defer-3@x.example") for _ in range(5)]
        assert [s[:3] for s in said] == ["451", "451", "451", "250", "451"]  # then it begins anew
        assert len(p.captured) == 1
        await c.mail("defer-3@x.example")
        other = await c.data("Message-ID: <other@x>\r\n\r\n")
        assert other.startswith("451 4.7.1")
        assert (await c.send("defer-1@x.example")).startswith("451")  # each recipient counts by itself
        assert (await c.send("DEFER-1@x.example")).startswith("250")

    one(run, tmp_path, play)


def test_what_is_deferred_is_remembered_only_so_far(run, tmp_path):
    async def play(p, c):
        assert (await c.send("defer-1@x.example")).startswith("451")
        assert (await c.send("defer-1@y.example")).startswith("451")
        assert (await c.send("defer-1@x.example")).startswith("451")  # was forgotten for y

    one(run, tmp_path, play, attempts=1)


@pytest.mark.parametrize("step", ["rcpt", "data", "body"])
def test_hang(run, tmp_path, step):
    async def play(p, c):
        task = asyncio.ensure_future(c.send(f"hang-{step}@x.example"))
        done, _ = await asyncio.wait([task], timeout=0.1)
        assert not done
        async with asyncio.timeout(PATIENCE):
            while len(p.captured) < (step == "body"):
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert len(p.captured) == (step == "body")

    one(run, tmp_path, play)


def test_hanging_has_an_end(run, tmp_path):
    async def play(p, c):
        assert await c.send("hang-rcpt@x.example") is None

    one(run, tmp_path, play, hang=0.05)


@pytest.mark.parametrize(("local", "seconds"), [("slow-5s", 5), ("slow-7s-data", 7), ("slow-30s-body", 30)])
def test_slow(run, tmp_path, local, seconds):
    async def play(p, c):
        assert (await c.send(f"{local}@x.example")).startswith("250")
        assert p.slept == [seconds]

    one(run, tmp_path, play)


@pytest.mark.parametrize("step", ["rcpt", "data", "body"])
@pytest.mark.parametrize("act", ["drop", "garbage", "half"])
def test_mishaps(run, tmp_path, act, step):
    async def play(p, c):
        left = {"drop": b"", "garbage": b"HTTP", "half": b"250-"}[act]
        try:
            assert await c.send(f"{act}-{step}@x.example") is None
        except NetError as error:
            assert error.kind == "lost"
        else:
            assert left in c.rest
            assert bool(c.rest) == bool(left)
        assert len(p.captured) == (step == "body")  # behind the dot only the reply is lost

    one(run, tmp_path, play)


def test_replies_before_a_drop_are_still_given_when_pipelined(run, tmp_path):
    async def play(p, c):
        c.stream.write(b"MAIL FROM:<>\r\nRCPT TO:<a@x.example>\r\nRCPT TO:<drop-rcpt@x.example>\r\nDATA\r\n")
        assert (await c.reply()).startswith("250 2.1.0")
        assert (await c.reply()).startswith("250 2.1.5")
        assert await c.reply() is None

    one(run, tmp_path, play)


def test_bounce_later(run, tmp_path):
    async def play(p, c):
        assert (await c.send("bounce-later-60s@x.example")).startswith("250")
        sender, recipient, message = await p.bounced.get()
        assert p.slept == [60]
        assert (sender, recipient) == ("", "me@example.org")
        dsn = message_from_bytes(message)
        assert dsn.get_content_type() == "multipart/report"
        assert dsn.get_param("report-type") == "delivery-status"
        assert dsn["To"] == "me@example.org"
        assert dsn["References"] == "<1@example.org>"
        words, status, headers = dsn.get_payload()
        assert "bounce-later-60s@x.example" in words.get_payload()
        per_message, per_recipient = status.get_payload()
        assert per_message["Reporting-MTA"] == "dns; sandbox.example"
        assert per_recipient["Final-Recipient"] == "rfc822; bounce-later-60s@x.example"
        assert (per_recipient["Action"], per_recipient["Status"]) == ("failed", "5.1.1")
        assert "Subject: hi" in headers.get_payload()
        await c.send("bounce-later@x.example", sender="")  # nobody to bounce to
        assert len(p.captured) == 2
        assert p.slept == [60]

    one(run, tmp_path, play)


def test_a_later_bounce_keeps_to_what_the_envelope_said(run, tmp_path):
    """RFC 3464 sections 2.2.1 and 2.3.1, RFC 3461 section 4.1."""

    async def play(p, c):
        for notify in ("NEVER", "DELAY", "FAILURE,DELAY"):
            said = await c.say(
                "MAIL FROM:<me@example.org> RET=HDRS ENVID=QQ+2B+20314159",
                f"RCPT TO:<bounce-later@x.example> NOTIFY={notify} ORCPT=rfc822;Bob+2Bx@x.example",
            )
            assert all(line.startswith("250") for line in said), said
            assert (await c.data()).startswith("250")
        _, _, message = await p.bounced.get()
        assert p.slept == [5]  # for the one who wants to hear of it
        per_message, per_recipient = message_from_bytes(message).get_payload()[1].get_payload()
        assert per_message["Original-Envelope-Id"] == "QQ+ 314159"
        assert per_recipient["Original-Recipient"] == "rfc822; Bob+x@x.example"

    one(run, tmp_path, play)


def test_too_large_is_refused_and_leaves_nothing(run, tmp_path):
    async def play(p, c):
        await c.mail("a@x.example")
        assert (await c.data("x" * 900 + "\r\n" + "x" * 900 + "\r\n")).startswith("552")
        assert p.captured == []
        assert list((tmp_path / "captured").iterdir()) == []

    one(run, tmp_path, play, max_size=1000)


def test_a_client_that_goes_away_in_mid_message_leaves_nothing(run, tmp_path):
    async def main():
        async with playground(tmp_path) as p:
            c = await p.client()
            await c.start()
            await c.mail("a@x.example")
            await c.say("DATA")
            c.stream.write(b"Subject: half")
            await c.stream.close()
            async with asyncio.timeout(PATIENCE):
                while list((tmp_path / "captured").iterdir()):
                    await asyncio.sleep(0.01)

    run(main())


# -- parts that begin before RCPT -------------------------------------------------------------------


async def greeted(p, domain):
    """What the first words at a door are: a reply, None for none, "silence" or the bytes before the end."""
    client = await p.client(domain)
    try:
        async with asyncio.timeout(0.1 if domain.startswith("hang") else PATIENCE):
            said = await client.reply()
        return said if said is not None else client.rest
    except TimeoutError:
        return "silence"
    finally:
        client.end()


def test_doors_that_fail_at_the_greeting(run, tmp_path):
    async def main():
        async with playground(tmp_path) as p:
            assert (await greeted(p, "connect-421.test")).startswith("421 ")
            assert (await greeted(p, "connect-554.test")).startswith("554 ")
            assert await greeted(p, "hang-connect.test") == "silence"
            assert await greeted(p, "drop-connect.test") == b""
            assert b"HTTP" in await greeted(p, "garbage-connect.test")
            assert await greeted(p, "half-connect.test") == b"250-2.1.5 this reply never en"

    run(main())


def test_doors_that_fail_at_mail(run, tmp_path):
    async def main():
        async with playground(tmp_path) as p:
            for domain, said in {
                "mail-451.test": "451 ",
                "mail-550.test": "550 ",
                "drop-mail.test": None,
            }.items():
                client = await p.client(domain)
                await client.start()
                (reply,) = await client.say("MAIL FROM:<me@example.org>")
                assert (reply is None) if said is None else reply.startswith(said)
                client.end()
            client = await p.client("hang-mail.test")
            await client.start()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await client.say("MAIL FROM:<me@example.org>")
            client.end()

    run(main())


def test_tls_no_tls_and_broken_tls(run, tmp_path, tls_files):
    ca, files = tls_files
    factory = ClientTlsFactory(ClientTlsSettings(bundle=ca.certificate), now=time.time)

    async def secure(client):
        (ready,) = await client.say("STARTTLS")
        assert ready.startswith("220")
        return await client.stream.upgrade_client(factory.level(TlsLevel.VERIFIED), "sandbox.example")

    async def main():
        async with playground(tmp_path, tls=ServerTlsSettings((files,))) as p:
            client = await p.client()
            assert "STARTTLS" in await client.start()
            assert (await secure(client)).verified == "name"
            await client.say("EHLO again")
            assert (await client.send("a@x.example")).startswith("250")
            assert p.captured[0].tls.version == "TLSv1.3"
            client.end()

            client = await p.client("notls.test")
            assert "STARTTLS" not in await client.start()
            assert (await client.send("anybody@notls.test")).startswith("250")  # its own door: just captured
            assert (await client.send("notls@notls.test")).startswith("250")
            client.end()

            client = await p.client("brokentls.test")
            assert "STARTTLS" in await client.start()
            with pytest.raises(NetError) as caught:
                await secure(client)
            assert caught.value.kind == "tls"
            client.end()

            client = await p.client("brokentls.test")  # a sender that falls back to the clear gets through
            await client.start()
            assert (await client.send("anybody@brokentls.test")).startswith("250")
            client.end()

    run(main())


def test_every_door_belongs_to_a_domain(tmp_path):
    doors = early_doors(tmp_path / "sandbox.sock")
    assert doors["connect-421.test"] == tmp_path / "sandbox.01"
    assert len(set(doors.values())) == len(doors)


def test_a_loopback_port_instead_of_a_socket_file(run, tmp_path):
    async def main():
        async def submit(*_):
            pass

        server = SandboxServer(
            tmp_path / "c", "127.0.0.1:0", hostname="sandbox.example", tls=None, clock=Clock(), submit=submit
        )
        await server.start()
        from kurir.net import PeerPolicy

        client = Client(await connect([server.address], policy=PeerPolicy(allow_loopback=True)))
        await client.start()
        assert (await client.send("a@x.example")).startswith("250")
        client.end()
        await server.stop()

    run(main())
