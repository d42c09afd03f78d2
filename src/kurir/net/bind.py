"""Making listening sockets, and saying in words why one cannot be made."""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Sequence
from pathlib import Path

from kurir.model.told import told

from .addresses import BindSpec, parse_bind
from .listener import BACKLOG

SOCKET_MODE = 0o660  # of a unix socket: owner and group


class BindError(Exception):
    """A place to listen cannot be had; the text says why and what to do."""


def bind(
    spec: str,
    count: int = 1,
    *,
    mode: int = SOCKET_MODE,
    backlog: int = BACKLOG,
    beside: Sequence[socket.socket] = (),
) -> list[socket.socket]:
    """Return `count` listening sockets for a bind spec (see `addresses`), one for each worker.

    TCP: separate SO_REUSEPORT sockets, the kernel spreads connections over them (port 0: all get the same
    free port).  Unix: duplicates of one socket; `mode` are its permissions, a stale socket file is removed.
    `beside` are sockets of ours that listen there already: the new ones share the place with them.
    Raises `BindError`, ValueError for a malformed spec.
    """
    place = parse_bind(spec)
    made: list[socket.socket] = []
    try:
        if place.path:
            if not beside:
                made.append(_bind_unix(place.path, mode))
            made += [(*beside, *made)[0].dup() for _ in range(count - len(made))]
        else:
            if not beside:  # shared sockets alone would not notice another server of ours
                _bind_tcp(place, shared=False).close()
            for _ in range(count):
                made.append(_bind_tcp(place))
                place = BindSpec(place.host, made[0].getsockname()[1])
        for sock in made:
            sock.listen(backlog)
            sock.setblocking(False)
    except OSError as e:
        for sock in made:
            sock.close()
        raise BindError(_words(e, place)) from e
    except BindError:
        for sock in made:
            sock.close()
        raise
    return made


def _bind_tcp(place: BindSpec, *, shared: bool = True) -> socket.socket:
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of a former run may linger
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((place.host, place.port))
    except BaseException:
        sock.close()
        raise
    return sock


def _bind_unix(path: str, mode: int) -> socket.socket:
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    old_umask = os.umask(0o777 & ~mode)  # the file never exists with wider permissions
    try:
        sock.bind(path)
    except BaseException:
        sock.close()
        raise
    finally:
        os.umask(old_umask)
    return sock


def _remove_stale(path: str) -> None:
    """Remove the socket file of a process that is gone; refuse to touch anything else."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise BindError(told("{path} exists and is no socket; remove it or choose another path", path=path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            with contextlib.suppress(FileNotFoundError):
                Path(path).unlink()
            return
    raise BindError(told("another process listens on {path}", path=path))


def _words(error: OSError, place: BindSpec) -> str:
    if error.errno == errno.EADDRINUSE:
        owner = _owner_of(place)
        if owner:
            return told(
                "{place} is already in use by {owner}; stop that, or choose another port",
                place=place,
                owner=owner,
            )
        return told("{place} is already in use; stop what uses it, or choose another port", place=place)
    if error.errno in (errno.EACCES, errno.EPERM) and not place.path and place.port < 1024:
        return told(
            "{place}: ports below 1024 need a permission. Start as root with a user to drop to, or give the "
            "capability CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE)",
            place=place,
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return told("{place}: this machine does not have the address {host}", place=place, host=place.host)
    if error.errno == errno.EAFNOSUPPORT:
        family = "IPv6" if ":" in place.host else "IPv4"
        return told("{place}: this machine has no {family}", place=place, family=family)
    return f"{place}: {error.strerror or error}"


def _owner_of(place: BindSpec) -> str:
    """Find who listens there, as far as /proc lets this user see: ``"process 123 (master)"``, or ``""``."""
    inodes: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == place.port:  # 0A is LISTEN
                    inodes.add(f"socket:[{fields[9]}]")
    if not inodes:
        return ""
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and process.name != str(os.getpid()):
            with contextlib.suppress(OSError):
                if any(str(fd.readlink()) in inodes for fd in (process / "fd").iterdir()):
                    return f"process {process.name} ({(process / 'comm').read_text().strip()})"
    return ""
