"""``kill -9`` in the middle, again and again: no budget is ever under-counted, nor over-counted by more than was in flight."""

from pathlib import Path

import pytest

from tests.harness import Kurir, Load, Sink, arrivals

AT_ONCE = 4
ATLAS = """
[smarthosts.tiny]
label = "Tiny Mail"
hosts = ["mail.tiny.example"]
[smarthosts.tiny.limits.messages-day]
unit = "messages"
value = 1000000
per = "day"
scope = "account"
beyond = "discard"
[smarthosts.tiny.limits.recipients-hour]
unit = "recipients"
value = 1000000
per = "hour"
scope = "account"
beyond = "refuse"
[smarthosts.tiny.limits.new-month]
unit = "new_recipients"
value = 1000000
per = "month"
scope = "account"
beyond = "refuse"
"""


def server(folder: Path, sink: Sink) -> Kurir:
    folder.mkdir()
    atlas = folder / "atlas.toml"
    atlas.write_text(ATLAS)
    road = (
        f'[[roads]]\nname = "out"\nurl = "smtp://127.0.0.1:{sink.port}?tls=none"\nprovider = "tiny"\n'
        f"concurrency = {AT_ONCE}\n"
    )
    toml = f'[queue]\nretry = [1, 1, 2]\n\n[atlas]\nfiles = ["{atlas}"]\n\n{road}'
    return Kurir(folder / "play", trust=("127.0.0.0/8",), toml=toml)


def used(kurir: Kurir) -> dict[str, int]:
    """Return what is counted, once nothing is in the air any more."""
    lines = kurir.json("limits")["roads"][0]["limits"]
    return {x["id"]: x["used"] for x in lines if x["counted"]}


def run(tmp_path: Path, cycles: int) -> None:
    with Sink() as sink, server(tmp_path / "k", sink) as kurir:
        with Load(kurir.smtp, threads=2, pause=0.01) as load:
            for cycle in range(1, cycles + 1):
                already = len(sink.messages)
                kurir.wait("deliveries", lambda n=already: len(sink.messages) >= n + 15)
                kurir.kill_all()
                counted = len(sink.messages)
                kurir.start()
                counts = used(kurir)
                assert counts["messages-day"] >= counted, cycle
                assert counts["recipients-hour"] >= counted, cycle
        kurir.wait_empty()
        assert set(arrivals(sink)) >= load.acked
        sent, counts = len(sink.messages), used(kurir)
        for budget in ("messages-day", "recipients-hour"):
            assert sent <= counts[budget] <= sent + cycles * AT_ONCE
        # One recipient: new until the first mail was taken, and with what was under way until then.
        assert 1 <= counts["new-month"] <= (cycles + 1) * AT_ONCE + 20
        assert kurir.audit()["balanced"]


def test_a_few_kills(tmp_path: Path) -> None:
    run(tmp_path, 3)


@pytest.mark.full
def test_many_kills(tmp_path: Path) -> None:
    run(tmp_path, 60)
