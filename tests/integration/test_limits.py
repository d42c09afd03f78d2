"""Limits through the whole server: kept, told in words, and not forgotten by a kill."""

import json
import os
import signal
from pathlib import Path

from tests.harness import Kurir, Sink

ATLAS = """
[smarthosts.tiny]
label = "Tiny Mail"
hosts = ["mail.tiny.example"]
[smarthosts.tiny.limits.messages-day]
unit = "messages"
value = 3
per = "day"
scope = "account"
beyond = "refuse"
[smarthosts.tiny.limits.size]
unit = "octets"
value = "100kB"
per = "message"
scope = "account"
beyond = "refuse"
"""


def server(folder: Path, sink: Sink, workers: int = 0) -> Kurir:
    folder.mkdir()
    atlas = folder / "atlas.toml"
    atlas.write_text(ATLAS)
    road = f'[[roads]]\nname = "out"\nurl = "smtp://127.0.0.1:{sink.port}?tls=none"\nprovider = "tiny"\n'
    return Kurir(folder / "play", workers=workers, toml=f'\n[atlas]\nfiles = ["{atlas}"]\n\n{road}')


def send(kurir: Kurir, to: str) -> str:
    id: str = kurir.json("send", "--from", "you@example.test", "--to", to, "--subject", "x", stdin="hello")[
        "id"
    ]
    return id


def words_of(kurir: Kurir, *arguments: str) -> str:
    return kurir.cli(*arguments).stdout.decode()


def test_a_limit_is_kept_told_and_not_forgotten(tmp_path: Path) -> None:
    with Sink() as sink, server(tmp_path / "a", sink) as kurir:
        kurir.user("you")
        ids = [send(kurir, f"b{i}@far.example") for i in range(4)]
        kurir.wait("two deliveries", lambda: len(sink.messages) == 2)
        shown = kurir.json("limits")["roads"][0]
        (day,) = [x for x in shown["limits"] if x["id"] == "messages-day"]
        assert (shown["label"], day["used"], day["stop"], day["waiting"]) == ("Tiny Mail", 2, 2, 2)
        assert set(day["mails"]) <= set(ids)
        waiting = day["mails"][0]
        words = words_of(kurir, "limits")
        assert "3 messages a day" in words
        forecast = words_of(kurir, "limits", "--for", "250")
        assert "A message to 250 recipients: 200 at " in forecast
        assert "2 of 2" in words
        assert f"2 recipient(s) wait for 3 messages a day: {' '.join(day['mails'])}" in words
        assert "jalan" in words_of(kurir, "limits", "--lang", "id").lower()
        told = words_of(kurir, "trace", waiting)
        assert "waits for a limit of Tiny Mail: 3 messages a day" in told
        assert "menunggu batas dari Tiny Mail: 3 pesan per hari" in words_of(
            kurir, "trace", waiting, "--lang", "id"
        )
        kurir.kill_all()
        kurir.start()
        (day,) = [x for x in kurir.json("limits")["roads"][0]["limits"] if x["id"] == "messages-day"]
        assert day["used"] == 2
        send(kurir, "c@far.example")
        kurir.wait("three that wait", lambda: kurir.json("limits")["roads"][0]["limits"][0]["waiting"] == 3)
        assert len(sink.messages) == 2
        assert kurir.audit()["balanced"]


def test_a_killed_brain_forgets_nothing_while_its_hands_live_on(tmp_path: Path) -> None:
    with Sink() as sink, server(tmp_path / "c", sink, workers=1) as kurir:
        kurir.user("you")
        for i in range(4):
            send(kurir, f"b{i}@far.example")
        kurir.wait("two deliveries", lambda: len(sink.messages) == 2)
        os.kill(kurir.pids()["brain"], signal.SIGKILL)

        def counted() -> bool:
            done = kurir.cli("limits", "--json", check=None)
            if done.returncode:
                return False
            day = json.loads(done.stdout)["roads"][0]["limits"][0]
            return (day["used"], day["waiting"]) == (2, 2)

        kurir.wait("the count of a new brain", counted)
        assert len(sink.messages) == 2


def test_a_message_too_large_for_the_road_is_refused_before_its_data(tmp_path: Path) -> None:
    with Sink() as sink, server(tmp_path / "b", sink) as kurir:
        kurir.user("you")
        answer = kurir.json(
            "send", "--from", "you@example.test", "--to", "b@far.example", stdin="x" * 200_000, check=None
        )
        said = str(answer)
        assert "at most 100000" in said, said
        assert "Tiny Mail" in said
        assert "37 %" in said
        assert sink.messages == []
