"""What systemd wants to hear: states (sd_notify(3))."""

import contextlib
import socket
from collections.abc import Mapping


def notify(environment: Mapping[str, str], *states: str) -> bool:
    """Tell the service manager, e.g. ``notify(os.environ, "READY=1", "STATUS=...")``; False where none listens."""
    path = environment.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return False
    address = "\0" + path[1:] if path.startswith("@") else path
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto("\n".join(states).encode(), address)
        return True
    return False
