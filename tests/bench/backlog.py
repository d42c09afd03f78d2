"""What mail that waits costs: a full queue, a dead destination, a million messages, a quarter of an hour of load."""

import time
from pathlib import Path

from tests.bench.load import Load, Meter, Sink, free_ports, median
from tests.bench.peers import Kurir, Peer

Figures = dict[str, float]

_DEAD = '[[roads]]\nname = "dead"\nurl = "smtp://127.0.0.1:9?tls=none"\nrecipients = ["dead.test"]\n'
_SLOW = '[[roads]]\nname = "slow"\nurl = "smtp://127.0.0.1:{spare[0]}?tls=none"\nrecipients = ["slow.test"]\n'


class _Crowded(Kurir):
    """Kurir with a road that leads nowhere and one to a sink that takes ten seconds a message."""

    toml = ""

    def _more(self, text: str) -> str:
        before, mark, after = text.partition("[[roads]]")  # the first road that fits is taken
        return before + (_DEAD + _SLOW).format(spare=self.spare) + mark + after


def _rate(peer: Peer, sink: Sink, load: Load) -> float:
    before = sink.count()
    began = time.monotonic()
    load.send(peer.port)
    sink.wait(before + load.count)
    return load.count / (time.monotonic() - began)


def _turns(peer: Peer, sink: Sink, load: Load, rounds: int = 5) -> float:
    return median([_rate(peer, sink, load) for _ in range(rounds)])


def _fill(peer: Peer, count: int, recipient: str) -> None:
    """Let `count` messages wait; in several runs, since a connection may carry a thousand."""
    while count > 0:
        part = min(count, 20_000)
        Load(part, 50, 1024, recipient=recipient).send(peer.port, 900)
        count -= part


def backlog(_: type[Peer], work: Path, scale: float) -> Figures:
    """How much slower a full queue is than an empty one, and what each waiting message costs."""
    waiting = int(100_000 * scale)
    load = Load(1500)
    with free_ports(4) as ports, Sink(ports[1]) as sink, _Crowded(work, ports) as peer:
        _rate(peer, sink, load)
        empty = _turns(peer, sink, load)
        time.sleep(2)
        before = peer.group.pss()
        with Meter(peer.group) as meter:
            _fill(peer, waiting, "a@dead.test")
        filling = waiting / meter.seconds
        time.sleep(5)
        memory = peer.group.pss() - before
        full = _turns(peer, sink, load)
    return {
        "waiting": float(waiting), "relayed/s empty": empty, "relayed/s full": full, "share kept %": 100 * full / empty,
        "accepted/s while filling": filling, "KiB a waiting message": memory / waiting,
    }  # fmt: skip


def dead(_: type[Peer], work: Path, scale: float) -> Figures:
    """What others keep of their rate while a dead and a slow destination have mail waiting."""
    waiting = int(50_000 * scale)
    load = Load(1500)
    with (
        free_ports(4) as ports,
        Sink(ports[1]) as sink,
        Sink(ports[2], delay=10),
        _Crowded(work, ports) as peer,
    ):
        _rate(peer, sink, load)
        alone = _turns(peer, sink, load)
        for place in ("dead", "slow"):
            _fill(peer, waiting // 2, f"a@{place}.test")
        time.sleep(3)
        beside = _turns(peer, sink, load)
    return {
        "waiting": float(waiting), "relayed/s alone": alone, "relayed/s beside": beside,
        "share kept %": 100 * beside / alone,
    }  # fmt: skip


def growth(_: type[Peer], work: Path, scale: float) -> Figures:
    """Whether the cost of a message stays the same while the queue grows tenfold, and tenfold again."""
    load = Load(1500)
    figures: Figures = {}
    with free_ports(4) as ports, Sink(ports[1]) as sink, _Crowded(work, ports) as peer:
        _rate(peer, sink, load)
        time.sleep(2)
        empty, waiting = peer.group.pss(), 0
        figures["relayed/s empty"] = _turns(peer, sink, load)
        for power in (3, 4, 5, 6):
            goal = int(10**power * scale)
            with Meter(peer.group) as meter:
                _fill(peer, goal - waiting, "a@dead.test")
            added, waiting = goal - waiting, goal
            time.sleep(5)
            name = f"with {goal:,}"
            figures[f"{name}: accepted/s"] = added / meter.seconds
            figures[f"{name}: CPU ms accepted"] = 1000 * meter.cpu / added
            figures[f"{name}: relayed/s"] = _turns(peer, sink, load)
            figures[f"{name}: KiB each"] = (peer.group.pss() - empty) / waiting
        began = time.monotonic()
        peer.again()
        figures["s from start to banner"] = time.monotonic() - began
        figures["relayed/s after the start"] = _turns(peer, sink, load)
    return figures


def soak(_: type[Peer], work: Path, scale: float) -> Figures:
    """Four fifths of the peak for a quarter of an hour: rates and memory must stay flat, and the books balance."""
    minutes = max(2, int(15 * scale))
    with free_ports(4) as ports, Sink(ports[1]) as sink, Kurir(work, ports) as peer:
        peak = _turns(peer, sink, Load(4000))
        second = Load(int(0.8 * peak))
        rates: list[float] = []
        memory: list[float] = []
        late = 0.0
        for _ in range(minutes):
            began = time.monotonic()
            done = sink.count()
            for i in range(60):
                second.send(peer.port)
                late = max(late, time.monotonic() - began - i - 1)
                time.sleep(max(0.0, began + i + 1 - time.monotonic()))
            rates.append((sink.count() - done) / (time.monotonic() - began))
            memory.append(peer.group.pss() / 1024)
        time.sleep(3)
        audit = peer.ask("audit")
    return {
        "peak, messages/s": peak, "minutes": float(minutes), "messages/s, first minute": rates[0],
        "slowest minute": min(rates), "last minute": rates[-1], "s behind at worst": late,
        "PSS MiB, second minute": memory[1], "most": max(memory), "at the end": memory[-1],
        "kurir audit exits": float(audit.returncode),
    }  # fmt: skip
