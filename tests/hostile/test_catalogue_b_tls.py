"""Catalogue B: what goes wrong before, in and after the handshake (RFC 3207, RFC 8996, RFC 9325)."""

import contextlib
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import PATIENCE, TRIES
from tests.interop.servers.peer import program

from .cases import HELLO
from .client import USER, Client
from .stage import Stage

HANDSHAKE = 3.0  # seconds that the server waits


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("tls") / "k", toml=f"[reception.timeouts]\ntls = {HANDSHAKE}\n")
    yield made
    made.close()


def _end(s: socket.socket) -> bytes:
    """Read to the end of the connection."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while got := s.recv(65536):
            said += got
    return said


def _raw(port: int) -> socket.socket:
    s = socket.create_connection(("127.0.0.1", port), PATIENCE)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def _starttls(stage: Stage) -> Client:
    client = stage.player.anonymous(stage.server.smtp)
    client.ask(b"STARTTLS\r\n", "220")
    return client


def _lives(stage: Stage) -> None:
    assert stage.server.answers()


@pytest.mark.parametrize(
    "behind",
    [b"NOOP\r\n", b"MAIL FROM:<a@b.test>\r\nRCPT TO:<box@example.test>\r\nDATA\r\nx\r\n.\r\n", b"\r\n", b"\x16\x03\x01"],
)  # fmt: skip
def test_21_what_stands_behind_starttls_is_void(stage: Stage, behind: bytes) -> None:
    """Better than the catalogue: not even 220 is said, so that no client takes it for a success."""
    with stage.player.anonymous(stage.server.smtp) as client:
        client.ask(b"STARTTLS\r\n" + behind, "503 5.5.0")
        assert client.reply() is None


@pytest.mark.parametrize("behind", [b"NOOP\r\n", b"EHLO x\r\nMAIL FROM:<a@b.test>\r\n", b"\0" * 100])
def test_21_clear_text_after_220_is_never_taken_for_protected(stage: Stage, behind: bytes) -> None:
    with _starttls(stage) as client:
        client.send((behind,))
        assert not any(line.startswith("250") for line in _lines(client.rest()))
    _lives(stage)


def _lines(octets: bytes) -> list[str]:
    return octets.decode("latin-1").splitlines()


def test_22_everything_from_before_is_forgotten(stage: Stage) -> None:
    with _starttls(stage) as client:
        client.start_tls(stage.player.tls)
        client.ask(b"MAIL FROM:<a@b.test>\r\n", "503 5.5.1")
        client.ask(HELLO, "250")
        client.ask(b"RCPT TO:<box@example.test>\r\n", "503 5.5.1")


def test_23_twice_with_an_argument_and_inside_a_message(stage: Stage) -> None:
    with stage.player.anonymous(stage.server.smtp) as client:
        client.ask(b"STARTTLS now\r\n", "501 5.5.4")
        client.ask(b"MAIL FROM:<a@b.test>\r\n", "250")
        client.ask(b"STARTTLS\r\n", "503 5.5.1")
        client.ask(b"RSET\r\n", "250")
        client.ask(b"STARTTLS\r\n", "220")
        client.start_tls(stage.player.tls)
        client.ask(HELLO, "250")
        client.ask(b"STARTTLS\r\n", "503 5.5.1")
        client.ask(b"NOOP\r\n", "250")


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "implicit"])
@pytest.mark.parametrize(
    ("name", "octets"),
    [
        ("garbage", b"\xff" * 500),
        ("plain SMTP", b"EHLO x\r\n"),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n"),
        ("record of no length", b"\x16\x03\x01\x00\x00"),
        ("record too long", b"\x16\x03\x01\xff\xff" + b"\0" * 70000),
        ("one octet", b"\x16"),
        ("nothing", b""),
        ("half a hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 20),
    ],
)
def test_25_no_handshake_no_session(stage: Stage, implicit: bool, name: str, octets: bytes) -> None:
    s = _raw(stage.server.submissions) if implicit else _starttls(stage).socket
    with s:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            s.sendall(octets)
        said = _end(s)
    assert b"250" not in said
    assert b"220" not in said  # no falling back to clear text
    _lives(stage)


def _hello(
    name: bytes, *, version: bytes = b"\x03\x03", ciphers: bytes = b"\xc0\x2b\xc0\x2f\xc0\x2c\xc0\x30"
) -> bytes:
    """A ClientHello of TLS 1.2 that names `name`."""

    def vector(octets: bytes, width: int) -> bytes:
        return len(octets).to_bytes(width, "big") + octets

    def extension(kind: int, octets: bytes) -> bytes:
        return kind.to_bytes(2, "big") + vector(octets, 2)

    extensions = extension(0, vector(b"\0" + vector(name, 2), 2)) + extension(10, vector(b"\0\x17\0\x1d", 2))
    extensions += extension(13, vector(b"\x04\x03\x08\x04\x04\x01", 2)) + extension(11, vector(b"\0", 1))
    body = (
        version + b"R" * 32 + vector(b"", 1) + vector(ciphers, 2) + vector(b"\0", 1) + vector(extensions, 2)
    )
    return b"\x16\x03\x01" + vector(b"\x01" + vector(body, 3), 2)


@pytest.mark.parametrize(
    "name",
    [b"example.test", b"x" * 10_000, b"exa\0mple.test", b"example.test\\", b"127.0.0.1", b"", b"\xff\xfe", b"a" * 255, b"..", b"../../etc/passwd"],
    ids=["ours", "10-kb", "nul", "backslash", "literal", "empty", "no-ascii", "255", "dots", "path"],
)  # fmt: skip
def test_26_names_in_the_hello(stage: Stage, name: bytes) -> None:
    """CVE-2019-15846: an alert or the default certificate, and the server goes on."""
    with _raw(stage.server.submissions) as s:
        s.sendall(_hello(name))
        first = s.recv(1)
        assert first in (b"\x16", b"\x15", b"")  # handshake, alert, end
        if name == b"example.test":
            assert first == b"\x16"
    _lives(stage)


@pytest.mark.parametrize(
    ("name", "hello"),
    [
        ("TLS 1.0", _hello(b"example.test", version=b"\x03\x01", ciphers=b"\xc0\x09\xc0\x13\x00\x2f")),
        ("TLS 1.1", _hello(b"example.test", version=b"\x03\x02", ciphers=b"\xc0\x09\xc0\x13\x00\x2f")),
        ("SSL 3", _hello(b"example.test", version=b"\x03\x00", ciphers=b"\x00\x2f")),
        ("null ciphers", _hello(b"example.test", ciphers=b"\xc0\x06\xc0\x10\x00\x3b")),
        ("export ciphers", _hello(b"example.test", ciphers=b"\x00\x03\x00\x06\x00\x14")),
        ("RC4 and 3DES", _hello(b"example.test", ciphers=b"\xc0\x07\xc0\x11\xc0\x08\xc0\x12")),
        ("anonymous", _hello(b"example.test", ciphers=b"\xc0\x18\xc0\x19\x00\x34")),
        ("CBC only", _hello(b"example.test", ciphers=b"\xc0\x09")),
        ("SSL 2 hello", b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80" + b"\0" * 40),
    ],
)
def test_27_what_is_too_old(stage: Stage, name: str, hello: bytes) -> None:
    with _raw(stage.server.submissions) as s:
        s.sendall(hello)
        said = _end(s)
    assert said[:1] in (b"\x15", b""), name  # an alert and the end
    _lives(stage)


def test_27_no_renegotiation(stage: Stage) -> None:
    """The client asks for a new handshake within the session: refused."""
    done = subprocess.run(
        [program("openssl"), "s_client", "-connect", f"127.0.0.1:{stage.server.submissions}", "-tls1_2"],
        input=b"R\n", capture_output=True, timeout=PATIENCE,
    )  # fmt: skip
    assert b"RENEGOTIATING" in done.stdout + done.stderr
    assert b"no renegotiation" in done.stdout + done.stderr
    _lives(stage)


def test_27_another_protocol_by_alpn_gets_no_word_of_smtp_obeyed(stage: Stage) -> None:
    """ALPACA: the stdlib cannot refuse an unknown ALPN; what a browser would send next is refused at its first line."""
    context = ssl.create_default_context(cafile=str(stage.server.ca))
    context.set_alpn_protocols(["h2", "http/1.1"])
    with Client(stage.server.submissions, stage.player.strangers.next(), tls=context) as client:
        client.send((b"POST / HTTP/1.1\r\nHost: example.test\r\n\r\nMAIL FROM:<a@b.test>\r\n",))
        said = _lines(client.rest())
    assert any(line.startswith(("521", "554")) for line in said)
    assert not any(line.startswith("250") for line in said)


def test_28_a_client_certificate_grants_nothing(stage: Stage, tmp_path: Path) -> None:
    """Certificates of clients are not asked for, so none is believed; EXTERNAL is not offered."""
    context = ssl.create_default_context(cafile=str(stage.server.ca))
    context.load_cert_chain(stage.server.folder / "tls/server.pem", stage.server.folder / "tls/server.key")
    with Client(stage.server.submissions, stage.player.strangers.next(), tls=context) as client:
        client.expect("220")
        assert b"EXTERNAL" not in client.hello(HELLO)
        client.ask(b"AUTH EXTERNAL =\r\n", "504 5.5.4")
        client.ask(f"MAIL FROM:<{USER}>\r\n".encode(), "530 5.7.0")


def test_106_a_flood_of_handshakes_leaves_honest_clients_alone(stage: Stage) -> None:
    """200 clients begin a handshake and stall; somebody else is served meanwhile; the stalled are closed."""
    assert any(_among_stalled_handshakes(stage) < HANDSHAKE - 1 for _ in range(TRIES))


def _among_stalled_handshakes(stage: Stage) -> float:
    """Return how long an honest client took."""
    with contextlib.ExitStack() as stack:
        stalled = [stack.enter_context(_raw(stage.server.submissions)) for _ in range(200)]
        for s in stalled:
            s.sendall(b"\x16\x03\x01\x02\x00")
        begun = time.monotonic()
        _lives(stage)
        with _starttls(stage) as client:
            client.start_tls(stage.player.tls)
            client.ask(HELLO, "250")
        took = time.monotonic() - begun
        for s in stalled:
            assert _end(s)[:1] in (b"", b"\x15")
    return took
