"""Connecting to one host at several addresses: fast where both families work, honest where none does.

Happy Eyeballs (RFC 8305): the addresses are dialled in turn, families interleaved, the next one
`stagger` seconds after the last or at once when it failed; the first connection wins, the others are
dropped.  When all fail, the error lists every address with its own reason.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Sequence

from .addresses import ip_of, is_never_a_peer, is_own_host, within
from .ports import Endpoint, NetError
from .settings import PeerPolicy
from .stream import SocketStream

STAGGER_SECONDS = 0.25  # RFC 8305 section 5, "Connection Attempt Delay"
MAX_ADDRESSES = 16  # of one host; more only cost time

_WORDS = {
    errno.ECONNREFUSED: ("refused", "connection refused"),
    errno.EHOSTUNREACH: ("unreachable", "no route to the host"),
    errno.ENETUNREACH: ("unreachable", "the network is unreachable"),
    errno.EADDRNOTAVAIL: ("unreachable", "this machine has no suitable source address"),
    errno.EACCES: ("denied", "forbidden by the local firewall"),
    errno.EPERM: ("denied", "forbidden by the local firewall"),
    errno.ETIMEDOUT: ("timeout", "no answer"),
    errno.ECONNRESET: ("refused", "reset by the other side"),
    errno.ENOENT: ("unreachable", "the socket does not exist"),
}
# The most telling kind of several: one refusal says that a host is up, which "no route" does not.
_KIND_RANK = ("refused", "timeout", "unreachable", "denied", "lost")


async def connect(
    endpoints: Sequence[Endpoint],
    *,
    source: Sequence[str] = (),
    timeout: float = 30.0,
    stagger: float = STAGGER_SECONDS,
    policy: PeerPolicy = PeerPolicy(),  # noqa: B008  a frozen value
) -> SocketStream:
    """Connect to the first of `endpoints` that answers, within `timeout` seconds for all of them.

    `source` are local addresses to connect from, one per family at most; a family without one is not
    used when any is given.  `Endpoint(path, 0)` is a unix socket.  Raises `NetError`: "denied" where
    `policy` forbids every address, else the most telling kind, with each address and its error in words.
    """
    loop = asyncio.get_running_loop()
    failures: dict[Endpoint, NetError] = {}
    allowed: list[Endpoint] = []
    for endpoint in endpoints:
        error = refusal(endpoint, policy)
        if error is None:
            allowed.append(endpoint)
        else:
            failures[endpoint] = error
    queue = interleave(allowed)[:MAX_ADDRESSES]
    if len(queue) == 1:  # the common case needs no task
        try:
            async with asyncio.timeout(timeout):
                return await _dial(loop, queue[0], source)
        except (NetError, TimeoutError) as e:
            failures[queue[0]] = e if isinstance(e, NetError) else NetError("timeout", "no answer")
    elif queue:
        won = await _race(loop, queue, source, timeout, stagger, failures)
        if won is not None:
            return won
    raise _verdict(failures)


async def _race(
    loop: asyncio.AbstractEventLoop,
    queue: list[Endpoint],
    source: Sequence[str],
    timeout: float,
    stagger: float,
    failures: dict[Endpoint, NetError],
) -> SocketStream | None:
    deadline = loop.time() + timeout
    waiting = list(queue)
    running: dict[asyncio.Task[SocketStream], Endpoint] = {}
    try:
        while waiting or running:
            if waiting:
                endpoint = waiting.pop(0)
                running[loop.create_task(_dial(loop, endpoint, source))] = endpoint
            left = deadline - loop.time()
            done, _ = await asyncio.wait(
                running,
                timeout=max(0.0, min(stagger, left) if waiting else left),
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                endpoint = running.pop(task)
                error = task.exception()
                if error is None:
                    for other in done:
                        if other in running and other.exception() is None:
                            other.result().abort()
                    return task.result()
                if not isinstance(error, NetError):
                    raise error
                failures[endpoint] = error
            if loop.time() >= deadline:
                break
    finally:
        for task in running:
            task.add_done_callback(_discard)
            task.cancel()
    failures.update((endpoint, NetError("timeout", "no answer")) for endpoint in running.values())
    failures.update((endpoint, NetError("timeout", "not reached in time")) for endpoint in waiting)
    return None


def _discard(task: asyncio.Task[SocketStream]) -> None:
    """Drop a connection that was made after the race was won."""
    if not task.cancelled() and task.exception() is None:
        task.result().abort()


async def _dial(loop: asyncio.AbstractEventLoop, endpoint: Endpoint, source: Sequence[str]) -> SocketStream:
    unix = endpoint.host.startswith("/")
    family = socket.AF_UNIX if unix else socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if not unix:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _bind_source(sock, family, source)
        await loop.sock_connect(sock, endpoint.host if unix else (endpoint.host, endpoint.port))
        _, protocol = await loop.create_connection(lambda: SocketStream(loop, peer=endpoint), sock=sock)
    except OSError as e:
        sock.close()
        kind, words = _WORDS.get(e.errno or 0, ("unreachable", os.strerror(e.errno) if e.errno else str(e)))
        raise NetError(kind, words) from e
    except BaseException:
        sock.close()
        raise
    return protocol


def _bind_source(sock: socket.socket, family: int, source: Sequence[str]) -> None:
    if not source:
        return
    own = next((s for s in source if (":" in s) == (family == socket.AF_INET6)), None)
    if own is None:
        name = "IPv6" if family == socket.AF_INET6 else "IPv4"
        raise NetError("unreachable", f"no {name} source address is configured")
    sock.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1)
    sock.bind((own, 0))


def refusal(endpoint: Endpoint, policy: PeerPolicy) -> NetError | None:
    """Say why an endpoint may not be dialled, or None.  A unix socket is always of our own choice."""
    host = endpoint.host
    if host.startswith("/"):
        return None
    try:
        text = str(ip_of(host))
    except ValueError:
        return NetError("denied", "not an IP address")
    if is_never_a_peer(host):
        return NetError("denied", "a multicast or broadcast address is no mail server")
    if not policy.allow_loopback and is_own_host(host):
        return NetError("denied", "the address means this machine itself (loopback)")
    if text in policy.own:
        return NetError("denied", "the address is one of our own: the mail would come back to us")
    if within(host, policy.deny):
        return NetError("denied", "the address is in a network that is not to be dialled")
    return None


def interleave(endpoints: Sequence[Endpoint]) -> list[Endpoint]:
    """Order for dialling (RFC 8305 section 4): families take turns, the first one first; duplicates go."""
    seen = list(dict.fromkeys(endpoints))
    if not seen:
        return []
    first = ":" in seen[0].host
    ours = [e for e in seen if (":" in e.host) == first]
    others = [e for e in seen if (":" in e.host) != first]
    mixed: list[Endpoint] = []
    for i in range(max(len(ours), len(others))):
        mixed += ours[i : i + 1] + others[i : i + 1]
    return mixed


def _verdict(failures: dict[Endpoint, NetError]) -> NetError:
    if not failures:
        return NetError("unreachable", "the host has no address")
    kinds = {error.kind for error in failures.values()}
    kind = next((k for k in _KIND_RANK if k in kinds), "unreachable")
    return NetError(kind, "; ".join(f"{_shown(endpoint)}: {error}" for endpoint, error in failures.items()))


def _shown(endpoint: Endpoint) -> str:
    if endpoint.host.startswith("/"):
        return endpoint.host
    return (
        f"[{endpoint.host}]:{endpoint.port}" if ":" in endpoint.host else f"{endpoint.host}:{endpoint.port}"
    )
