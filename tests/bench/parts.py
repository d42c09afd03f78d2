"""What is measured.  Each part returns named figures of one server; `compare` takes the servers in turns."""

import random
import resource
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.backlog import backlog, dead, growth, soak
from tests.bench.load import (
    Client,
    Load,
    Meter,
    Sink,
    free_ports,
    message,
    no_proof,
    percentile,
    together,
    wait_for_quiet,
)
from tests.bench.peers import (
    Kurir,
    LimitedKurir,
    Peer,
    Postfix,
    SigningKurir,
    SigningPostfix,
    SpentKurir,
)
from tests.bench.screening import measured

Figures = dict[str, float]
Measure = Callable[[type[Peer], Path, float], Figures]


@dataclass(frozen=True, slots=True)
class Part:
    """One measurement: `scale` 1.0 is a full run.

    Only Kurir is measured where others have no such thing (`alone`); a `long` part runs only when it is named.
    """

    name: str
    title: str
    measure: Measure
    alone: bool = False
    long: bool = False


def _relay(load: Load) -> Measure:
    def measure(kind: type[Peer], work: Path, scale: float) -> Figures:
        with free_ports(4) as ports, Sink(ports[1]) as sink, kind(work, ports) as peer:
            warm = Load(300, 10)
            warm.send(peer.port)
            sink.wait(300)
            wait_for_quiet()
            sized = load.times(scale)
            with Meter(peer.group) as meter:
                sized.send(peer.port)
                sink.wait(300 + sized.count)
        return {
            "messages/s": sized.count / meter.seconds,
            "CPU ms a message": 1000 * meter.cpu / sized.count,
        }

    return measure


def _limited(load: Load) -> Measure:
    """Relay where Kurir counts every mail durably in the windows of a service that has a fallback."""
    relay = _relay(load)

    def measure(kind: type[Peer], work: Path, scale: float) -> Figures:
        return relay(LimitedKurir if kind is Kurir else kind, work, scale)

    return measure


_SIGNING: dict[type[Peer], type[Peer]] = {Kurir: SigningKurir, Postfix: SigningPostfix}


def _signed(load: Load) -> Measure:
    """Relay with a DKIM signature (RSA-2048), which is looked for in one message first."""
    relay = _relay(load)

    def measure(kind: type[Peer], work: Path, scale: float) -> Figures:
        signing = _SIGNING.get(kind)
        missing = signing.missing() if signing else "is not set up to sign"
        if signing is None or missing:
            raise RuntimeError(f"{kind.name} {missing}")
        kept = work / "signed"
        with free_ports(4) as ports, Sink(ports[1], keep=kept) as sink, signing(work, ports) as peer:
            Load(1, 1).send(peer.port)
            sink.wait(1)
            wait_for_quiet()
        messages = [file.read_bytes() for file in kept.iterdir()]
        shutil.rmtree(kept)
        if not messages or b"a=rsa-sha256" not in messages[0]:
            raise RuntimeError(f"{kind.name} does not sign")
        return relay(signing, work, scale)

    return measure


def _senderauth(_: type[Peer], work: Path, scale: float) -> Figures:
    """What checking a sender and signing cost, without the network."""
    return {f"{name}, µs": cost for name, cost in measured().items()}


def _hold(sessions: int) -> Measure:
    def measure(kind: type[Peer], work: Path, scale: float) -> Figures:
        with free_ports(4) as ports, kind(work, ports, "hold") as peer:
            Load(max(200, 2 * sessions), sessions).send(peer.port)
            wait_for_quiet()
            sized = Load(4000, sessions).times(scale)
            with Meter(peer.group) as meter:
                sized.send(peer.port)
        return {
            "messages/s": sized.count / meter.seconds,
            "CPU ms a message": 1000 * meter.cpu / sized.count,
        }

    return measure


def _spent(kind: type[Peer], work: Path, scale: float) -> Figures:
    """Accept behind a line that waits for a limit, each sender told when their mail goes; others hold what they take."""
    with free_ports(4) as ports, Sink(ports[1]):
        limited = kind is Kurir
        with (SpentKurir if limited else kind)(work, ports, "relay" if limited else "hold") as peer:
            Load(2000, 10).send(peer.port)
            wait_for_quiet()
            sized = Load(4000, 10).times(scale)
            with Meter(peer.group) as meter:
                sized.send(peer.port)
    return {
        "messages/s": sized.count / meter.seconds,
        "CPU ms a message": 1000 * meter.cpu / sized.count,
    }


def _latency(kind: type[Peer], work: Path, scale: float) -> Figures:
    """One client in lock-step with pauses, while what it sends is relayed."""
    pauses, took, body = random.Random(1), [], message()
    with free_ports(4) as ports, Sink(ports[1]), kind(work, ports) as peer:
        client = Client(peer.port).hello()
        for i in range(20 + int(400 * scale)):
            time.sleep(pauses.uniform(0.005, 0.025))
            began = time.perf_counter()
            client.send(body)
            if i >= 20:
                took.append(1000 * (time.perf_counter() - began))
        client.close()
    return {f"p{round(100 * share)} ms": percentile(took, share) for share in (0.5, 0.95, 0.99)}


def _tls(kind: type[Peer], work: Path, scale: float) -> Figures:
    """Ten clients, each message over a connection of its own with a full handshake."""
    body, context = message(), no_proof()
    with free_ports(4) as ports, kind(work, ports, "hold", tls=True) as peer:

        def once() -> None:
            client = Client(peer.port).hello(context)
            client.send(body)
            client.say(b"QUIT")
            client.close()

        together(10, 1.0, once)
        with Meter(peer.group) as meter:
            rate = together(10, max(1.5, 4 * scale), once)
    return {"connections/s": rate, "CPU ms a connection": 1000 * meter.cpu / (rate * meter.seconds)}


def _idle(kind: type[Peer], work: Path, scale: float) -> Figures:
    with free_ports(4) as ports, Sink(ports[1]), kind(work, ports) as peer:
        Load(50, 2).send(peer.port)
        time.sleep(max(2.0, 5 * scale))
        return {"PSS MiB": peer.group.pss() / 1024}


def _sessions(kind: type[Peer], work: Path, scale: float) -> Figures:
    count = max(100, int(1000 * scale))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 10_000), most))
    figures: Figures = {}
    for name, context, share in (("plain", None, 1.0), ("TLS", no_proof(), 0.5)):
        with free_ports(4) as ports, kind(work, ports, "sessions", tls=context is not None) as peer:
            for client in [Client(peer.port).hello(context) for _ in range(20)]:
                client.close()
            time.sleep(1)
            before = peer.group.pss()
            clients = [Client(peer.port).hello(context) for _ in range(int(count * share))]
            time.sleep(1.5)
            figures[f"{name}, KiB a session"] = (peer.group.pss() - before) / len(clients)
            for client in clients:
                client.close()
    return figures


PARTS = {
    part.name: part
    for part in (
        Part("relay", "Relay, 4 KB, 20 sessions, connections kept", _relay(Load(4000))),
        Part("one", "Relay, 4 KB, 20 sessions, one message a connection", _relay(Load(3000, kept=False))),
        Part("large", "Relay, 100 KB, 20 sessions, connections kept", _relay(Load(1000, size=102_400))),
        Part(
            "limited",
            "Relay by a service with limits and a fallback, 4 KB, 20 sessions, kept",
            _limited(Load(4000)),
        ),
        Part(
            "signed",
            "Relay signed with RSA-2048 (Postfix: OpenDKIM), 4 KB, 20 sessions, kept",
            _signed(Load(4000)),
        ),
        Part("senderauth", "Checking a sender, signing: CPU a message", _senderauth, alone=True),
        Part("hold", "Accept only, 4 KB, 10 sessions, kept", _hold(10)),
        Part("hold50", "Accept only, 4 KB, 50 sessions, kept", _hold(50)),
        Part("spent", "Accept behind 2,000 that wait for a limit, 4 KB, 10 sessions, kept", _spent),
        Part("latency", "One transaction at light load, 4 KB", _latency),
        Part("tls", "STARTTLS and one message a connection, 10 clients", _tls),
        Part("idle", "Memory, idle", _idle),
        Part("sessions", "Memory of an idle session", _sessions),
        Part("backlog", "With mail waiting", backlog, alone=True),
        Part("dead", "Beside a dead and a slow destination", dead, alone=True),
        Part(
            "growth",
            "A thousand, ten thousand, a hundred thousand, a million waiting",
            growth,
            alone=True,
            long=True,
        ),
        Part("soak", "A quarter of an hour at four fifths of the peak", soak, alone=True, long=True),
    )
}


def compare(
    part: Part,
    peers: Sequence[type[Peer]],
    work: Path,
    *,
    rounds: int,
    scale: float,
    say: Callable[[str], None],
) -> dict[str, list[Figures]]:
    """Measure `peers` in turns; return each one's figures by round."""
    taken: dict[str, list[Figures]] = {peer.name: [] for peer in peers if not part.alone or peer is Kurir}
    for i in range(1 if part.alone else rounds):
        order = [peer for peer in peers if peer.name in taken]
        for peer in order if i % 2 == 0 else order[::-1]:
            wait_for_quiet()
            try:
                figures = part.measure(peer, work, scale)
            except (RuntimeError, OSError) as e:
                say(f"{part.name} round {i + 1} {peer.name}: FAILED, left out: {e}")
                continue
            taken[peer.name].append(figures)
            shown = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
            say(f"{part.name} round {i + 1} {peer.name}: {shown}")
    return taken
