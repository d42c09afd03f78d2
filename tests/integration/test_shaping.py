"""A receiver that bears little: what goes there settles near that, nothing is lost, and it ends when it is well again."""

import json
import time
from pathlib import Path

from tests.harness import Kurir, Load, Sink, arrivals

TOO_MANY = b"421 4.7.0 too many connections from your address\r\n"
SLOW_DOWN = b"451 4.7.1 rate limited, slow down\r\n"


def server(folder: Path, sink: Sink, *, road: str = "", retry: str = "[1, 1, 1, 2]") -> Kurir:
    folder.mkdir()
    roads = f'[[roads]]\nname = "out"\nurl = "smtp://127.0.0.1:{sink.port}?tls=none"\n{road}'
    queue = f"[queue]\nretry = {retry}\nlifetime = 600\n\n"
    return Kurir(folder / "play", trust=("127.0.0.0/8",), toml=queue + roads)


def bears(sink: Sink, most: list[int], refused: list[float], seconds: float):  # type: ignore[no-untyped-def]
    """Return a script that takes at most `most[0]` connections at once, and some time for each message."""

    def script(verb: str, _line: str, _attempt: int):  # type: ignore[no-untyped-def]
        if verb == "BANNER" and sink.busy > most[0]:
            refused.append(time.monotonic())
            return TOO_MANY, "close"
        if verb == "BODY":
            time.sleep(seconds)
        return None

    return script


def test_connections_settle_near_what_the_receiver_bears_and_come_back(tmp_path: Path) -> None:
    most: list[int] = [3]
    refused: list[float] = []
    with Sink() as sink, server(tmp_path / "a", sink, retry="[5, 5]") as kurir:
        sink.script = bears(sink, most, refused, 0.05)
        with Load(kurir.smtp, threads=4, pause=0.04) as load:

            def settled() -> bool:
                return any(pace["connections"] <= 6 for pace in kurir.json("limits")["paces"])

            kurir.wait("a pace near what the receiver bears", settled)
            (pace,) = kurir.json("limits")["paces"]
            assert "too many connections" in pace["why"]
            said = kurir.cli("limits").stdout.decode()
            assert "connections at once, since" in said
            assert "because it takes no more at once (421 4.7.0 too many connections" in said
            assert "koneksi sekaligus" in kurir.cli("limits", "--lang", "id").stdout.decode()

            def calm() -> bool:
                before, since = len(refused), time.monotonic()
                time.sleep(3)
                return (len(refused) - before) / (time.monotonic() - since) < 1.5

            kurir.wait("few refused connections a second", calm)
            most[0] = 1000
            kurir.wait("full speed again", lambda: kurir.json("limits")["paces"] == [])
        assert load.refused == []
        kurir.wait_empty()
        assert set(arrivals(sink)) >= load.acked
        assert kurir.audit()["balanced"]
        assert "slowed" in kurir.said()


def test_a_rate_settles_and_the_trace_says_why(tmp_path: Path) -> None:
    allowed = 20.0
    taken: list[float] = []

    def script(verb: str, _line: str, _attempt: int) -> bytes | None:
        now = time.monotonic()
        if verb == "MAIL":
            while taken and taken[0] < now - 1:
                taken.pop(0)
            if len(taken) >= allowed:
                return SLOW_DOWN
            taken.append(now)
        return None

    with Sink(script=script) as sink, server(tmp_path / "b", sink) as kurir:
        with Load(kurir.smtp, threads=2, pause=0.04) as load:
            kurir.wait("trouble", lambda: kurir.json("limits")["paces"])

            def fast() -> bool:
                before = len(sink.messages)
                time.sleep(4)
                return len(sink.messages) - before >= 4 * allowed * 0.3

            kurir.wait("a good part of what is allowed", fast)
        allowed = 1e9
        kurir.wait_empty()
        assert set(arrivals(sink)) >= load.acked
        slowed = next(line for line in kurir.log.read_text().splitlines() if '"event":"slowed"' in line)
        id = json.loads(slowed)["id"]
        told = kurir.cli("trace", id).stdout.decode()
        assert "this server sends less there from now on" in " ".join(told.split())
        assert "asks for less in that time" in " ".join(told.split())
        assert "minta lebih sedikit" in " ".join(
            kurir.cli("trace", id, "--lang", "id").stdout.decode().split()
        )


def test_a_smarthost_teaches_its_size_and_it_counts_at_mail_from(tmp_path: Path) -> None:
    with Sink(extensions=("PIPELINING", "8BITMIME", "SIZE 60000")) as sink:
        with server(tmp_path / "c", sink) as kurir:
            kurir.user("you")
            send = ("send", "--from", "you@example.test", "--to", "b@far.example")
            kurir.json(*send, stdin="small")
            kurir.wait("one delivery", lambda: len(sink.messages) == 1)
            (size,) = kurir.json("limits")["roads"][0]["limits"]
            assert (size["unit"], size["value"], size["confidence"]) == ("octets", 60000, "learnt")
            assert "announced by the server itself (EHLO SIZE)" in kurir.cli("limits").stdout.decode()

            def refused() -> bool:
                said = str(kurir.json(*send, stdin="x" * 100_000, check=None))
                return "at most 60000" in said

            kurir.wait("a refusal before any data", refused)
            assert kurir.json("limits", "forget", "--all")["forgotten"] == 1
            assert kurir.json("limits")["roads"] == []


def test_a_reply_teaches_a_limit_and_forgetting_it_lets_mail_go(tmp_path: Path) -> None:
    def script(verb: str, _line: str, attempt: int) -> bytes | None:
        if verb == "MAIL" and len(sink.messages) == 2 and limited:
            return b"451 4.7.1 you may send only 2 messages per hour\r\n"
        return None

    limited = True
    with Sink(script=script) as sink, server(tmp_path / "d", sink) as kurir:
        kurir.user("you")
        for i in range(3):
            kurir.json("send", "--from", "you@example.test", "--to", f"b{i}@far.example", stdin="hello")

        def learnt() -> bool:
            roads = kurir.json("limits")["roads"]
            found = [x for x in roads[0]["limits"] if x["unit"] == "messages"] if roads else []
            return bool(found) and found[0]["waiting"] == 1

        kurir.wait("a lesson, and mail that waits for it", learnt)
        said = kurir.cli("limits").stdout.decode()
        assert "2 messages an hour" in said
        assert "from the reply “451 4.7.1 you may send only 2 messages per hour”" in said
        assert "dari jawaban" in kurir.cli("limits", "--lang", "id").stdout.decode()
        kurir.kill_all()
        kurir.start()
        assert learnt() or kurir.json("limits")["roads"]
        limited = False
        kurir.json("limits", "forget", "127.0.0.1")
        kurir.wait_empty()
        assert len(sink.messages) == 3


def test_a_warm_up_is_named_as_such(tmp_path: Path) -> None:
    with Sink() as sink, server(tmp_path / "e", sink, road="warm_up = true\n") as kurir:
        kurir.user("you")
        id = kurir.json("send", "--from", "you@example.test", "--to", "b@far.example", stdin="hello")["id"]
        kurir.wait("one delivery", lambda: len(sink.messages) == 1)
        (road,) = kurir.json("limits")["roads"]
        (warm,) = [x for x in road["limits"] if x["id"] == "warm-up"]
        assert (warm["value"], warm["used"], warm["stop"]) == (50, 1, 50)
        assert "50 messages a day: warm-up, day 1/12" in kurir.cli("limits").stdout.decode()
        assert "pemanasan, hari 1/12" in kurir.cli("limits", "--lang", "id").stdout.decode()
        assert id
