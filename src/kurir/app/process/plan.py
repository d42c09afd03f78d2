"""What a configuration means for the processes, and how it is handed over together with the sockets.

It is made where everything is loaded (`planning`), and read by the supervisor, which loads next to nothing: the
configuration itself stays packed until a role opens it.
"""

import os
import pickle
import socket
from collections.abc import Sequence
from dataclasses import dataclass

BRAIN = "brain"  # the role that the others ask until they have ended
_FDS = 200  # descriptors in one packet; the kernel takes 253 (unix(7), SCM_RIGHTS)


@dataclass(frozen=True, slots=True)
class Plan:
    """The processes of a configuration.

    `workers` is how many reception and delivery processes there are; 0 is one process for everything.  `config` is
    the pickled `Config`, with its secrets: it never leaves this machine's memory.  `patience` is how many seconds
    a process may take to end.  `places` says where to listen,
    and how many of the sockets that come with the plan belong to each place, in that order.
    """

    file: str
    workers: int
    config: bytes
    places: tuple[tuple[str, int], ...]
    greeting: str
    log_format: str
    log_level: str
    patience: float

    def names(self) -> list[str]:
        """Return the names of the processes, in the order of starting."""
        if not self.workers:
            return ["all"]
        each = range(1, self.workers + 1)
        return [BRAIN, *(f"reception-{i}" for i in each), *(f"delivery-{i}" for i in each), "control"]


def channel() -> tuple[socket.socket, socket.socket]:
    """Return the two ends for one handing over: to receive, to send."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(end: socket.socket, plan: Plan, sockets: Sequence[socket.socket]) -> None:
    """Hand over a plan with new sockets, and close the end.  Nobody needs to be receiving yet."""
    with end, open(os.memfd_create("kurir-plan"), "w+b") as packed:
        pickle.dump(plan, packed)
        packed.seek(0)
        fds = [packed.fileno(), *(s.fileno() for s in sockets)]
        for i in range(0, len(fds), _FDS):
            socket.send_fds(end, [b"+"], fds[i : i + _FDS])


def receive(end: socket.socket) -> tuple[Plan, list[socket.socket]] | None:
    """Take what was handed over; None where the sender ended before all of it was sent.  Closes the end."""
    fds: list[int] = []
    with end:
        while True:
            said, some, _, _ = socket.recv_fds(end, 1, _FDS)
            if not said:
                break
            fds += some
    if not fds:
        return None
    with open(fds[0], "rb") as packed:
        plan: Plan = pickle.load(packed)  # noqa: S301 - our own process made it
    sockets = [socket.socket(fileno=fd) for fd in fds[1:]]
    if len(sockets) != sum(count for _, count in plan.places):
        return None
    for s in sockets:
        s.setblocking(False)
        s.set_inheritable(False)  # `recv_fds` does not pass on the flag that would have said so
    return plan, sockets
