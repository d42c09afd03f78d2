"""Fates of mail that has more than one road, through the whole server."""

from pathlib import Path

from tests.harness import Kurir, Sink
from tests.integration.test_limits import ATLAS

MAIN = '[[roads]]\nname = "main"\nurl = "smtp://{login}127.0.0.1:{main}?tls=none"\nfallback = ["spare"]\n'
SPARE = '[[roads]]\nname = "spare"\nurl = "smtp://127.0.0.1:{spare}?tls=none"\n'
QUICK = "\n[queue]\nretry = [10, 20, 40]\n\n"
EXTENSIONS = ("PIPELINING", "8BITMIME", "SIZE 200000000", "AUTH PLAIN LOGIN", "ENHANCEDSTATUSCODES")


def server(
    folder: Path, main: Sink, spare: Sink, *, login: str = "", toml: str = "", workers: int = 0
) -> Kurir:
    roads = (MAIN + SPARE).format(main=main.port, spare=spare.port, login=login)
    return Kurir(folder, workers=workers, toml=(toml or QUICK) + roads)


def send(kurir: Kurir, to: str) -> str:
    kurir.json("send", "--from", "you@example.test", "--to", to, "--subject", "x", stdin="hello")
    return to


def trace(kurir: Kurir, to: str, *more: str) -> str:
    return kurir.cli("trace", to, *more).stdout.decode()


class Login:
    """A server whose logins can be switched off."""

    def __init__(self) -> None:
        self.refuses = True
        self.tries = 0

    def __call__(self, verb: str, line: str, attempt: int) -> bytes | None:
        self.tries += verb == "AUTH"
        if verb == "AUTH" and self.refuses:
            return b"535 5.7.8 Username and Password not accepted\r\n"
        return None


def test_refused_logins_send_mail_by_the_other_road_and_it_comes_back(tmp_path: Path) -> None:
    login = Login()
    with (
        Sink(script=login, extensions=EXTENSIONS) as main,
        Sink() as spare,
        server(tmp_path / "a", main, spare, login="me:secret@") as kurir,
    ):
        kurir.user("you")
        first = send(kurir, "b@far.example")
        kurir.wait("delivery by the spare road", lambda: len(spare.messages) == 1)
        assert login.tries == 1  # within one retry
        told = trace(kurir, first)
        assert "Goes on by the road spare, because main cannot take it now" in told, told
        assert "Username and Password not accepted" in told
        assert "lewat jalan spare" in trace(kurir, first, "--lang", "id")
        (state,) = kurir.json("status")["roads"]
        assert (state["road"], state["health"], state["cause"]) == ("main", "broken", "auth_failed")
        assert "road_closed" in kurir.said()
        second = send(kurir, "c@far.example")
        kurir.wait("delivery of the next at once", lambda: len(spare.messages) == 2)
        assert main.messages == []
        assert "because main cannot take it now" in trace(kurir, second)

        login.refuses = False
        returned = 0

        def back() -> bool:
            nonlocal returned
            returned += 1
            send(kurir, f"d{returned}@far.example")
            return kurir.json("status")["roads"][0]["health"] == "sound"

        kurir.wait("the return", back)
        assert len(main.messages) >= 3
        assert "road_back" in kurir.said()
        kurir.wait_empty()  # what left by the other road meanwhile has arrived
        spared = len(spare.messages)
        send(kurir, "z@far.example")
        kurir.wait("delivery by the main road", lambda: any("z@far" in m.rcpts[0] for m in main.messages))
        assert len(spare.messages) <= spared + 1
        kurir.wait("an empty queue", lambda: kurir.json("status")["figures"]["waiting"] == 0)
        assert kurir.audit()["balanced"]


def test_a_lost_reply_is_not_sent_elsewhere(tmp_path: Path) -> None:
    def swallow(verb: str, line: str, attempt: int) -> str | None:
        return "swallow" if verb == "BODY" and attempt == 1 else None

    with Sink(script=swallow) as main, Sink() as spare:
        with server(tmp_path / "b", main, spare, toml="\n[queue]\nretry = [1, 2, 3]\n\n") as kurir:
            kurir.user("you")
            send(kurir, "b@far.example")
            kurir.wait("the second attempt by the same road", lambda: len(main.messages) == 2)
            assert spare.messages == []


def test_a_possibly_delivered_mail_stays_on_a_road_that_closed_even_after_a_restart(tmp_path: Path) -> None:
    class Peer:
        down = False

        def __call__(self, verb: str, line: str, attempt: int) -> str | bytes | None:
            if self.down:
                return b"421 4.3.2 closed\r\n" if verb == "BANNER" else None
            return "swallow" if verb == "BODY" else None

    peer = Peer()
    with Sink(script=peer) as main, Sink() as spare:
        with server(tmp_path / "c", main, spare, toml="\n[queue]\nretry = [2, 3, 4]\n\n") as kurir:
            kurir.user("you")
            send(kurir, "b@far.example")
            kurir.wait("the swallowed one", lambda: len(main.messages) == 1)
            peer.down = True
            kurir.kill_all()
            kurir.start()
            seen = main.connections
            kurir.wait("two more attempts by its road", lambda: main.connections >= seen + 2)
            send(kurir, "other@far.example")
            kurir.wait("other mail by the spare road", lambda: len(spare.messages) == 1)
            assert "other@far.example" in spare.messages[0].rcpts[0]
            assert len(main.messages) == 1


def test_greylisted_mail_comes_back_by_its_road(tmp_path: Path) -> None:
    def grey(verb: str, line: str, attempt: int) -> bytes | None:
        if verb == "RCPT" and attempt == 1:
            return b"451 4.7.1 Greylisted, please try again later\r\n"
        return None

    with Sink(script=grey) as main, Sink() as spare:
        with server(tmp_path / "d", main, spare, toml="\n[queue]\nretry = [1, 2, 3]\n\n") as kurir:
            kurir.user("you")
            send(kurir, "b@far.example")
            kurir.wait("delivery", lambda: len(main.messages) == 1)
            assert spare.messages == []


def test_what_is_too_large_for_one_road_takes_the_other(tmp_path: Path) -> None:
    with Sink(extensions=("SIZE 5000",)) as main, Sink() as spare:
        with server(tmp_path / "e", main, spare) as kurir:
            kurir.user("you")
            kurir.json("send", "--from", "you@example.test", "--to", "b@far.example", stdin="x" * 20_000)
            kurir.wait("delivery by the spare road", lambda: len(spare.messages) == 1)
            send(kurir, "small@far.example")
            kurir.wait("small mail by its own road", lambda: len(main.messages) == 1)


def test_a_road_that_is_down_gives_way_at_once_with_processes_of_their_own(tmp_path: Path) -> None:
    with Sink() as gone, Sink() as spare:
        port = gone
    with Sink() as spare:
        with server(tmp_path / "f", port, spare, workers=1) as kurir:
            kurir.user("you")
            send(kurir, "b@far.example")
            kurir.wait("delivery by the spare road", lambda: len(spare.messages) == 1)
            assert kurir.json("status")["roads"][0]["cause"] == "unreachable"


def test_what_one_provider_does_not_allow_today_goes_by_the_other(tmp_path: Path) -> None:
    atlas = tmp_path / "atlas.toml"
    atlas.write_text(ATLAS)
    with Sink() as main, Sink() as spare:
        roads = MAIN.format(main=main.port, login="") + 'provider = "tiny"\n' + SPARE.format(spare=spare.port)
        with Kurir(tmp_path / "g", toml=f'\n[atlas]\nfiles = ["{atlas}"]\n\n{roads}') as kurir:
            kurir.user("you")
            for i in range(4):
                send(kurir, f"b{i}@far.example")
            kurir.wait("two by each road", lambda: (len(main.messages), len(spare.messages)) == (2, 2))
            said = kurir.cli("route", "you@example.test", "b@far.example").stdout.decode()
            assert "takes the road spare now" in said
            assert (
                "Its limit is used up, counting what already waits for it: 3 messages a day (Tiny Mail)"
                in said
            ), said
            kurir.wait_empty()
            assert kurir.audit()["balanced"]
