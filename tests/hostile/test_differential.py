"""The same sessions at Kurir, Postfix, Exim and OpenSMTPD: how many messages, and where each begins and ends.

What differs must have a reason in `REASONS`; Kurir must besides agree with a strict reading of RFC 5321.
"""

import re
import socket
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.harness import PATIENCE, Kurir
from tests.interop.servers.exim import Exim
from tests.interop.servers.opensmtpd import OpenSmtpd
from tests.interop.servers.postfix import Postfix

from .sessions import Talk, talk

pytestmark = pytest.mark.interop

FEW, MANY = 12, 150
KURIR = "kurir"
_LIMITS = "[limits]\nconnections_per_minute = 1000000\nnetwork_connections_per_minute = 1000000\n"

REASONS: tuple[tuple[str, str, str], ...] = (
    # flag of the session, server ("*" any), why it and Kurir differ
    ("bare", "*", "Kurir refuses bare CR and LF (550 5.5.2) and hangs up; servers of 2022 take LF for a line end, and some LF.LF for the end of data: CVE-2023-51764, -51765, -51766"),
    ("nul", "*", "Kurir refuses a NUL beside a dot at the start of a line, because a next hop that drops NULs would see an end of data"),
    ("reset between chunks", "exim", "Exim 4.96 hangs up on RSET between chunks, which RFC 3030 section 2 allows"),
    ("empty chunk", "postfix", "Postfix 3.7 refuses BDAT 0 as a null request; RFC 3030 section 2 gives an empty chunk no special meaning"),
    ("bdat", "opensmtpd", "OpenSMTPD 6.8 has no BDAT"),
)  # fmt: skip


@dataclass
class Place:
    """One server to talk to."""

    name: str
    port: int
    domain: bytes
    mail: Callable[[], list[bytes]]
    pipelining: bool = True


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Place]]:
    """Kurir and whoever is installed here."""
    with ExitStack() as stack:
        kurir = stack.enter_context(Kurir(tmp_path_factory.mktemp("differ") / "k", toml=_LIMITS))
        kurir.user("box")

        def kept() -> list[bytes]:
            kurir.wait_empty()
            return [m.replace(b"\r\n", b"\n") for m in kurir.mail("box")]

        found = [Place(KURIR, kurir.smtp, b"example.test", kept)]
        missing = []
        makers = {
            # Its error sleeps and pipelining checks would only slow the comparison down.
            "postfix": lambda: Postfix(users=("box",), settings={"smtpd_error_sleep_time": "0"}),
            "exim": lambda: Exim(users=("box",)),
            "opensmtpd": lambda: OpenSmtpd(users=("box",)),
        }
        for name, make in makers.items():
            try:
                peer = stack.enter_context(make())
            except pytest.skip.Exception as reason:
                missing.append(str(reason))
                continue
            found.append(
                Place(
                    name,
                    peer.port,
                    peer.domain.encode(),
                    lambda peer=peer: _settled(peer),
                    name != "opensmtpd",
                )
            )
        if len(found) == 1:
            pytest.skip("; ".join(missing))
        yield found


def _settled(peer: object) -> list[bytes]:
    """Wait until no more mail arrives: a local delivery that has to be tried again takes some seconds."""
    before, quiet = -1, 0
    while True:
        messages = peer.mail("box")  # type: ignore[attr-defined]
        quiet = quiet + 1 if len(messages) == before else 0
        if quiet == 4:
            return [m.replace(b"\r\n", b"\n") for m in messages]
        before = len(messages)
        time.sleep(1.5)


def _play(place: Place, made: Talk) -> None:
    with socket.create_connection(("127.0.0.1", place.port), PATIENCE) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if _replies(s, 1) < 1:
            raise AssertionError(f"{place.name} does not greet")
        for octets, replies in made.steps if place.pipelining else _one_by_one(made):
            try:
                s.sendall(octets)
            except OSError:
                return
            if _replies(s, replies) < 0:
                return
        _replies(s, 99, 0.3)


def _one_by_one(made: Talk) -> Iterator[tuple[bytes, int]]:
    """Yield the steps for a server that does not offer PIPELINING (RFC 2920)."""
    for octets, replies in made.steps:
        if replies == 1:
            yield octets, 1
        else:
            yield from ((line, 1) for line in octets.splitlines(keepends=True))


def _replies(s: socket.socket, wanted: int, patience: float = 8.0) -> int:
    """Read that many replies, and those that come right behind; -1 at the end of the connection."""
    got, said = 0, b""
    s.settimeout(patience)
    while True:
        try:
            data = s.recv(65536)
        except TimeoutError:
            return got
        except OSError:
            return -1
        if not data:
            return -1
        said += data
        got = len(re.findall(rb"(?m)^\d{3} [^\n]*\n|^\d{3}\r?\n", said))
        if got >= wanted:
            s.settimeout(0.02)


def _stored(place: Place, talks: dict[int, Talk]) -> dict[int, list[bytes]]:
    """Return the bodies that came of each session, in order of their octets."""
    found: dict[int, list[bytes]] = defaultdict(list)
    for message in place.mail():
        tag = re.search(rb"s(\d{5})n", message)
        assert tag is not None, (place.name, message[:500])
        number = int(tag[1])
        if number not in talks:
            continue  # of another test
        found[number].append(_plain(message.partition(b"\n\n")[2]))
    return {number: sorted(bodies) for number, bodies in found.items()}


def _plain(body: bytes) -> bytes:
    """What servers do to the end of a file is not their reading of SMTP."""
    return body.replace(b"\r\n", b"\n").rstrip(b"\n")


def _compare(places: list[Place], numbers: range, *, hostile: bool) -> None:
    stored: dict[str, dict[int, list[bytes]]] = {}
    talks: dict[int, Talk] = {}
    for place in places:
        talks = {n: talk(n, place.domain, hostile=hostile) for n in numbers}
        for made in talks.values():
            _play(place, made)
        stored[place.name] = _stored(place, talks)
    ours = stored.pop(KURIR)
    reference = {n: talk(n, b"example.test", hostile=hostile) for n in numbers}
    wrong = [
        f"session {n}: Kurir stored {ours.get(n, [])}, a strict reading {made.bodies}"
        for n, made in reference.items()
        if ours.get(n, []) != sorted(_plain(b) for b in made.bodies)
    ]
    reasons: Counter[tuple[str, str]] = Counter()
    for name, theirs in stored.items():
        for n, made in reference.items():
            if theirs.get(n, []) == ours.get(n, []):
                reasons[name, "agrees"] += 1
                continue
            why = next((w for flag, who, w in REASONS if flag in made.flags and who in ("*", name)), None)
            if why is None:
                wrong.append(
                    f"session {n} {made.flags}: {name} stored {theirs.get(n, [])}, Kurir {ours.get(n, [])}"
                )
            else:
                more = len(theirs.get(n, [])) - len(ours.get(n, []))
                reasons[name, f"{more:+d} messages: {why.partition(':')[0]}"] += 1
    for (name, why), count in sorted(reasons.items()):
        print(f"{name:10} {count:5} sessions: {why}")
    assert not wrong, "\n".join(wrong)


def test_clean_sessions(places: list[Place]) -> None:
    """Dots, chunks, pipelining, commands in bodies: everybody agrees."""
    _compare(places, range(1, FEW + 1), hostile=False)


def test_hostile_sessions(places: list[Place]) -> None:
    """Ends of data that are none, with a second message behind them."""
    _compare(places, range(20_001, 20_001 + FEW), hostile=True)


@pytest.mark.full
def test_many_clean_sessions(places: list[Place]) -> None:
    _compare(places, range(1001, 1001 + MANY), hostile=False)


@pytest.mark.full
def test_many_hostile_sessions(places: list[Place]) -> None:
    _compare(places, range(30_001, 30_001 + MANY), hostile=True)
