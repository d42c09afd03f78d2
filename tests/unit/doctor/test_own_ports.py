"""What the doctor says of ports and certificates: once for a door, and well for a playground."""

import socket
import ssl
import threading
import time
from pathlib import Path

from kurir.doctor import Place, certificate, ports
from kurir.model import Severity
from kurir.net.devca import ensure_ca, ensure_leaf


def test_a_door_is_told_once_where_its_addresses_agree() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
        with socket.create_server(("127.0.0.2", port)):
            places = [Place(f"127.0.0.{n}:{port}", "http", banner=False) for n in (1, 2)]
            (finding,) = ports(places, running=True)
            assert (finding.key, finding.values["port"]) == ("port_listening", str(port))
        first, second = ports(places, running=True)
    assert (first.key, first.values["port"]) == ("port_listening", f"{port} (127.0.0.1)")
    assert (second.key, second.values["port"]) == ("port_closed", f"{port} (127.0.0.2)")


def test_a_door_that_begins_with_tls_is_greeted_through_it(tmp_path: Path) -> None:
    """Opened and closed, it would be noted as a client whose encryption failed."""
    now = time.time()
    ensure_leaf(ensure_ca(tmp_path, now=now), tmp_path, ["localhost"], now=now)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    heard: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        with context.wrap_socket(listener.accept()[0], server_side=True) as s:
            s.sendall(b"220 hello\r\n")
            heard.append(s.recv(100))
            s.sendall(b"221 bye\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        place = Place(f"127.0.0.1:{listener.getsockname()[1]}", "submissions", tls=True)
        (finding,) = ports([place], running=True)
        server.join()
    assert (finding.key, finding.evidence, heard) == ("port_listening", "220 hello", [b"QUIT\r\n"])


def test_a_door_that_should_begin_with_tls_and_does_not_is_another_programs() -> None:
    def serve(listener: socket.socket) -> None:
        with listener.accept()[0] as s:
            s.sendall(b"220 hello\r\n")
            s.recv(1000)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        (finding,) = ports(
            [Place(f"127.0.0.1:{listener.getsockname()[1]}", "https", False, True)], running=True
        )
        server.join()
    assert (finding.key, finding.severity) == ("port_in_use", Severity.RED)


def test_a_playground_is_right_to_have_a_certificate_of_its_own(tmp_path: Path) -> None:
    now = time.time()
    ensure_leaf(ensure_ca(tmp_path, now=now), tmp_path, ["mail.example.test"], now=now)
    files = (tmp_path / "server.pem", tmp_path / "server.key", "mail.example.test")
    (real,) = certificate(*files, own=True, now=now)
    assert (real.key, real.severity) == ("certificate_self_made", Severity.YELLOW)
    (play,) = certificate(*files, own=True, now=now, playground=True)
    assert (play.key, play.severity) == ("certificate_playground", Severity.GREEN)
    assert Path(play.values["file"]).is_file()
