"""A real Kurir with accounts, an outside world behind it, and eyes on what arrived and what the trace tells."""

import contextlib
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.harness import Kurir, Received, Sink

from .letters import LARGE

DOMAIN = "kurir.test"
HOST = "localhost"
"""A name that resolves everywhere and stands in Kurir's own certificate."""
OUTSIDE = "far.test"
SIZE_LIMIT = LARGE + (1 << 20)
ARRIVAL_SECONDS = 30.0
# What Kurir puts in front of a message (RFC 5321 section 4.4, RFC 9228); everything behind is the client's.
_OURS = ("return-path", "delivered-to", "received", "dkim-signature")


class Post:
    """`kurir` with its accounts' passwords; mail for `OUTSIDE` goes to `sink`."""

    def __init__(self, kurir: Kurir, sink: Sink) -> None:
        self.kurir = kurir
        self.sink = sink
        self.passwords: dict[str, str] = {}
        self._seen: dict[Path, bytes] = {}

    @property
    def ana(self) -> str:
        """The account that sends."""
        return f"ana@{DOMAIN}"

    @property
    def ana_password(self) -> str:
        """Its password, which Kurir made."""
        return self.passwords["ana"]

    @property
    def tls(self) -> ssl.SSLContext:
        """A client's context that trusts Kurir's own authority and checks the name."""
        return ssl.create_default_context(cafile=self.kurir.ca)

    # -- arrival -------------------------------------------------------------------------------------------

    def in_mailbox(self, local: str, message_id: str) -> bytes:
        """Wait for a message in a Maildir and return its file."""
        mark = f"Message-ID: {message_id}".encode()
        return self._wait(f"{message_id} in the mailbox of {local}", lambda: self._find(local, mark))

    def report_about(self, message_id: str, local: str) -> bytes:
        """Wait for a delivery status notification (RFC 3464) about a message in a Maildir and return it."""

        def look() -> bytes | None:
            return next(
                (
                    m
                    for m in self.kurir.mail(local)
                    if b"report-type=delivery-status" in m and message_id.encode() in m
                ),
                None,
            )

        return self._wait(f"a report about {message_id}", look)

    def _find(self, local: str, mark: bytes) -> bytes | None:
        for file in (self.kurir.folder / "mail" / DOMAIN / quote(local)).glob("new/*"):
            if file not in self._seen:
                self._seen[file] = file.read_bytes()
            if mark in self._seen[file][:4096]:
                return self._seen[file]
        return None

    def outside(self, message_id: str) -> Received:
        """Wait for a message at the outside server."""
        mark = f"Message-ID: {message_id}".encode()

        def look() -> Received | None:
            return next((m for m in list(self.sink.messages) if mark in m.data[:4096]), None)

        return self._wait(f"{message_id} at the outside server", look)

    def _wait(self, what: str, look: Any) -> Any:
        return self.kurir.wait(what, look, ARRIVAL_SECONDS)

    def assert_same(self, arrived: bytes, sent: bytes, *, added: tuple[str, ...] = ()) -> None:
        """`arrived` is `sent`, octet by octet, behind header fields of ours (and those named in `added`)."""
        front = len(arrived) - len(sent)
        same = (
            arrived[max(front, 0) :] == sent
        )  # not in the assert: a difference of 10 MB is not worth printing
        assert same, (
            f"changed on its way: {len(sent)} octets sent, {len(arrived)} arrived; {_differs(arrived, sent)}"
        )
        names = {
            line.partition(b":")[0].decode().lower()
            for line in arrived[:front].split(b"\r\n")
            if line and not line.startswith((b" ", b"\t"))
        }
        assert names <= {*_OURS, *added}, f"fields that nobody asked for: {sorted(names)}"
        assert b"received" in arrived[:front].lower()

    # -- the trace -----------------------------------------------------------------------------------------

    def trace(self, message_id: str) -> dict[str, Any]:
        """Return the one story of a message."""
        stories = self.kurir.json("trace", message_id)["messages"]
        assert len(stories) == 1, [s["id"] for s in stories]
        return dict(stories[0])

    def assert_told(
        self, message_id: str, *, protocol: str, account: str | None, fates: dict[str, str]
    ) -> dict[str, Any]:
        """The trace names the protocol, the account, TLS, and the fate of each recipient."""
        story = self.trace(message_id)
        assert story["protocol"] == protocol
        assert story["account"] == account
        if protocol.startswith(("ESMTPS", "LMTPS")):
            assert story["tls"]["version"] in ("TLSv1.2", "TLSv1.3")
            assert story["tls"]["cipher"]
        else:
            assert story["tls"] is None
        assert {r["address"]: r["fate"] for r in story["recipients"]} == fates
        return story

    def observed(self, about: str, kind: str, **fields: str) -> dict[str, Any]:
        """Wait until something of that kind, with these fields, is told about an address; return the newest."""

        def look() -> dict[str, Any] | None:
            done = self.kurir.cli("trace", about, "--json", check=None)
            seen = json.loads(done.stdout)["observations"] if done.stdout else []
            fits = (o for o in seen if o["kind"] == kind and all(o[k] == v for k, v in fields.items()))
            return next(fits, None)

        return dict(self._wait(f"{kind} with {fields} in the trace of {about}", look))


def _differs(arrived: bytes, sent: bytes) -> str:
    tail = arrived[-len(sent) :] if sent else b""
    at = next(
        (i for i, (a, b) in enumerate(zip(tail, sent, strict=False)) if a != b), min(len(tail), len(sent))
    )
    start = max(at - 20, 0)
    return f"first difference at {at}: {tail[start : at + 40]!r} instead of {sent[start : at + 40]!r}"


@contextlib.contextmanager
def opened(folder: Path, *, size_limit: int = SIZE_LIMIT, accounts: tuple[str, ...] = ()) -> Iterator[Post]:
    """Run a server; `accounts` (local parts) get generated passwords, so that SCRAM is offered."""
    with Sink() as sink:
        env = {
            "KURIR_LIMITS__MESSAGE_SIZE": str(size_limit),
            "KURIR_LIMITS__CONNECTIONS_PER_MINUTE": "10000",
        }
        route = f"smtp://127.0.0.1:{sink.port}?tls=none"
        with Kurir(folder / "kurir", domain=DOMAIN, smarthost=route, env=env) as kurir:
            post = Post(kurir, sink)
            for name in accounts:
                post.passwords[name] = kurir.user(name)
            yield post
            settled(post)


def settled(post: Post) -> None:
    """After everything that clients did, nothing waits and the books balance."""
    post.kurir.wait_empty()
    assert post.kurir.audit()["balanced"] is True
