"""A server for the catalogue: accounts, limits that do not get in the way, and the reckoning at the end."""

import re
from collections import defaultdict
from pathlib import Path

from tests.harness import Kurir

from .cases import Case, Transport
from .client import PASSWORD, USER, Player

_TOML = """
[limits]
connections_per_address = 20000
connections_per_network = 20000
connections_per_minute = 1000000
messages_per_minute = 1000000
network_messages_per_minute = 1000000
message_size = "1 MB"
"""
_FOR = re.compile(rb"^Received:.*?for <box\+([0-9a-f]{8})@example\.test>", re.DOTALL)


class Stage:
    """One running server and its player."""

    def __init__(self, folder: Path, *, toml: str = "") -> None:
        self.server = Kurir(folder, toml=_TOML + toml)
        self.server.start()
        for name, password in (("user", PASSWORD), ("box", "box-box-box-box")):
            self.server.user(name, password)
        self.player = Player(
            self.server.smtp, self.server.submissions, self.server.submission, self.server.ca
        )

    def close(self) -> None:
        """Stop the server; it must still be there, and end in order."""
        process = self.server.process
        assert process is not None
        assert process.poll() is None, self.server.said()
        assert self.server.stop() == 0

    def stored(self) -> dict[str, list[bytes]]:
        """Return what lies in the mailboxes by run: the octets behind the header."""
        self.server.wait_empty()
        found: dict[str, list[bytes]] = defaultdict(list)
        for message in (*self.server.mail("box"), *self.server.mail("user")):
            head, _, body = message.replace(b"\r\n", b"\n").partition(b"\n\n")
            run = re.search(rb"for <box\+([0-9a-f]{8})@example\.test>", head) or re.search(
                rb"^Subject: ([0-9a-f]{8})", head, re.MULTILINE
            )
            found[run[1].decode() if run else "?"].append(body)
        return found

    def reckon(self) -> list[str]:
        """Compare the mailboxes with what the runs should have left; return every difference."""
        stored = self.stored()
        wrong = [
            f"a message of nobody: {bodies}" for run, bodies in stored.items() if run not in self.player.runs
        ]
        for run, (case, transport) in self.player.runs.items():
            wanted = sorted(_kept(body, run, transport) for body in case.bodies)
            if sorted(stored.get(run, [])) != wanted:
                wrong.append(
                    f"{case.title} over {transport.value}: stored {stored.get(run)}, wanted {wanted}"
                )
        balance = self.server.audit()
        if not balance.get("balanced", balance.get("ok", True)):
            wrong.append(f"the audit: {balance}")
        return wrong


def _kept(body: bytes, run: str, transport: Transport) -> bytes:
    from .client import STRANGER, filled

    sender = USER if transport is Transport.TLS else STRANGER
    return filled(body, run, sender).replace(b"\r\n", b"\n")


def every(cases: tuple[Case, ...]) -> list[tuple[Case, Transport]]:
    """Return each case with each transport that it is for."""
    return [(case, transport) for case in cases for transport in case.over]
