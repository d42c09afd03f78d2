"""Real servers on loopback that count for themselves, and a real Kurir that knows their terms: never too much, nothing lost."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.harness import Kurir, Sink

REFUSED = b"550 5.4.5 Daily user sending limit exceeded.\r\n"
CLOSED = (b"421 4.7.0 Too many connections\r\n", "close")


@dataclass
class Counting:
    """A provider's own count: messages in any `window` seconds, messages of a connection, connections at once.

    Beyond the first it says 550, or takes the mail and throws it away (`discards`); beyond the others 421.
    """

    limit: int = 1000
    window: float = 1.0
    at_once: int = 1000
    discards: bool = False
    taken: list[float] = field(default_factory=list)
    too_much: list[str] = field(default_factory=list)
    sink: Sink | None = None

    def __call__(self, verb: str, line: str, attempt: int) -> bytes | tuple[bytes, str] | None:
        if verb == "BANNER" and self.sink is not None and self.sink.busy > self.at_once:
            self.too_much.append("connections")
            return CLOSED
        if verb == "BODY":
            now = time.monotonic()
            if sum(at > now - self.window for at in self.taken) >= self.limit:
                self.too_much.append("messages")
                return b"250 2.0.0 taken\r\n" if self.discards else REFUSED
            self.taken.append(now)
        return None


def _limit(name: str, unit: str, value: int, per: str, beyond: str) -> str:
    return (
        f"[smarthosts.strict.limits.{name}]\n"
        f'unit = "{unit}"\nvalue = {value}\nper = "{per}"\nscope = "account"\nbeyond = "{beyond}"\n'
    )


@contextmanager
def strict(folder: Path, counting: Counting, *limits: str) -> Iterator[tuple[Kurir, Sink]]:
    """Run a Kurir whose only road leads to a server that counts, with what the atlas says of it."""
    folder.mkdir()
    atlas = folder / "atlas.toml"
    atlas.write_text(
        '[smarthosts.strict]\nlabel = "Strict Mail"\nhosts = ["mail.strict.example"]\n' + "".join(limits)
    )
    with Sink(script=counting) as sink:
        counting.sink = sink
        road = (
            f'[[roads]]\nname = "out"\nurl = "smtp://127.0.0.1:{sink.port}?tls=none"\nprovider = "strict"\n'
        )
        toml = f'\n[atlas]\nfiles = ["{atlas}"]\n\n{road}'
        with Kurir(folder / "play", toml=toml) as kurir:
            kurir.user("you")
            yield kurir, sink


def burst(kurir: Kurir, count: int) -> None:
    to = [x for i in range(count) for x in ("--to", f"b{i}@far{i}.example")]
    for _ in range(2):
        kurir.cli("send", "--from", "you@example.test", *to, "--subject", "x", stdin="hello")


@pytest.mark.parametrize("discards", [False, True])
def test_a_quota_is_never_touched(tmp_path: Path, discards: bool) -> None:
    counting = Counting(limit=5, discards=discards)
    beyond = "discard" if discards else "refuse"
    each = _limit("together", "recipients", 2, "message", "refuse")
    with strict(tmp_path / "a", counting, _limit("rate", "messages", 5, "second", beyond), each) as (
        kurir,
        sink,
    ):
        burst(kurir, 12)
        kurir.wait("all of it", lambda: sum(len(m.rcpts) for m in sink.messages) == 24)
        assert counting.too_much == []
        assert len(sink.messages) == 12
        kurir.wait_empty()
        assert kurir.audit()["balanced"]


def test_connections_are_never_too_many(tmp_path: Path) -> None:
    counting = Counting(at_once=2)
    limits = (
        _limit("at-once", "connections", 2, "once", "close"),
        _limit("each", "messages", 3, "connection", "close"),
        _limit("together", "recipients", 1, "message", "refuse"),
    )
    with strict(tmp_path / "b", counting, *limits) as (kurir, sink):
        burst(kurir, 10)
        kurir.wait("all of it", lambda: len(sink.messages) == 20)
        assert counting.too_much == []
        assert sink.connections >= 7  # three messages each


def test_a_kill_in_the_middle_exceeds_nothing(tmp_path: Path) -> None:
    counting = Counting(limit=10, window=86_400.0, discards=True)
    limits = (
        _limit("day", "messages", 10, "day", "discard"),  # we stop at eight
        _limit("together", "recipients", 1, "message", "refuse"),
        _limit("at-once", "connections", 1, "once", "close"),
    )
    with strict(tmp_path / "c", counting, *limits) as (kurir, sink):
        burst(kurir, 7)
        kurir.wait("the first ones", lambda: len(counting.taken) >= 2)
        kurir.kill_all()
        kurir.start()
        kurir.wait("those that wait", lambda: kurir.json("limits")["roads"][0]["limits"][0]["waiting"] > 0)
        assert counting.too_much == []
        assert len(counting.taken) <= 8
        shown = kurir.json("limits")["roads"][0]["limits"][0]
        assert len(counting.taken) <= shown["used"] <= 8
        assert len(sink.messages) == len(counting.taken)
        assert kurir.audit()["balanced"]


def test_a_quota_that_nobody_knew_bounces_nothing(tmp_path: Path) -> None:
    counting = Counting(limit=3, window=86_400.0)
    with strict(tmp_path / "d", counting, _limit("together", "recipients", 1, "message", "refuse")) as (
        kurir,
        sink,
    ):
        burst(kurir, 3)
        kurir.wait("a refusal", lambda: counting.too_much)
        kurir.wait("the three that fit", lambda: len(sink.messages) == 3)
        kurir.wait("all tried", lambda: len(counting.taken) + len(counting.too_much) >= 6)
        audit = kurir.audit()
        assert audit["balanced"]
        assert (audit["waiting"], audit["fates"].get("bounced", 0)) == (3, 0)
        assert kurir.mail("you") == []  # nobody is told that it failed
