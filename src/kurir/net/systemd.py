"""What systemd hands in and wants to hear: sockets (sd_listen_fds(3)) and states (sd_notify(3))."""

import contextlib
import os
import socket
from collections.abc import Mapping, MutableMapping

FIRST_FD = 3


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


def adopt(
    environment: MutableMapping[str, str], pid: int, *, first: int = FIRST_FD
) -> dict[str, list[socket.socket]]:
    """Return the sockets handed in, by their names (``FileDescriptorName=``), and take the variables away.

    Empty unless they are meant for the process `pid`.  Raises OSError for a descriptor that is no socket.
    """
    count = environment.pop("LISTEN_FDS", "")
    meant_for = environment.pop("LISTEN_PID", "")
    names = environment.pop("LISTEN_FDNAMES", "").split(":")
    if meant_for != str(pid) or not count.isdigit():
        return {}
    found: dict[str, list[socket.socket]] = {}
    for i in range(int(count)):
        os.set_inheritable(first + i, False)
        sock = socket.socket(fileno=first + i)
        sock.setblocking(False)
        found.setdefault(names[i] if i < len(names) and names[i] else "unknown", []).append(sock)
    return found
