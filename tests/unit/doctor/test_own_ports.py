"""What the doctor says of ports and certificates: once for a door, and well for a playground."""

import socket
import time
from pathlib import Path

from kurir.doctor import Place, certificate, ports
from kurir.model import Severity
from kurir.net.devca import ensure_ca, ensure_leaf


def test_a_door_is_told_once_where_its_addresses_agree() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
        with socket.create_server(("127.0.0.2", port)):
            places = [Place(f"127.0.0.{n}:{port}", "submissions", banner=False) for n in (1, 2)]
            (finding,) = ports(places, running=True)
            assert (finding.key, finding.values["port"]) == ("port_listening", str(port))
        first, second = ports(places, running=True)
    assert (first.key, first.values["port"]) == ("port_listening", f"{port} (127.0.0.1)")
    assert (second.key, second.values["port"]) == ("port_closed", f"{port} (127.0.0.2)")


def test_a_playground_is_right_to_have_a_certificate_of_its_own(tmp_path: Path) -> None:
    now = time.time()
    ensure_leaf(ensure_ca(tmp_path, now=now), tmp_path, ["mail.example.test"], now=now)
    files = (tmp_path / "server.pem", tmp_path / "server.key", "mail.example.test")
    (real,) = certificate(*files, own=True, now=now)
    assert (real.key, real.severity) == ("certificate_self_made", Severity.YELLOW)
    (play,) = certificate(*files, own=True, now=now, playground=True)
    assert (play.key, play.severity) == ("certificate_playground", Severity.GREEN)
    assert Path(play.values["file"]).is_file()
