"""``kurir route`` and ``kurir road``: what they say, and that nothing is written before it works."""

from pathlib import Path

from tests.harness import Kurir, Sink
from tests.integration.test_roads import EXTENSIONS, Login, send, server


def test_route_and_list_say_which_road_and_why_not(tmp_path: Path) -> None:
    login = Login()
    with (
        Sink(script=login, extensions=EXTENSIONS) as main,
        Sink() as spare,
        server(tmp_path / "a", main, spare, login="me:secret@", toml="\n") as kurir,
    ):
        kurir.user("you")
        before = kurir.json("route", "you@example.test", "b@far.example")
        assert [(r["road"], r["taken"]) for r in before["roads"]] == [("main", True), ("spare", False)]
        said = kurir.cli("road", "list").stdout.decode()
        assert "open" in said
        send(kurir, "b@far.example")
        kurir.wait("delivery by the spare road", lambda: len(spare.messages) == 1)
        said = kurir.cli("route", "you@example.test", "b@far.example", "--size", "2MB").stdout.decode()
        assert "takes the road spare now" in said, said
        assert "It is closed: " in said
        said = kurir.cli("route", "you@example.test", "b@far.example", "--lang", "id").stdout.decode()
        assert "lewat jalan spare" in said
        listed = kurir.cli("road", "list", check=1).stdout.decode()
        assert "CLOSED since" in listed, listed
        tested = kurir.cli("road", "test", "main", check=1).stdout.decode()
        assert "Username and Password not accepted" in tested
        login.refuses = False
        good = kurir.json("road", "test", "main", "--to", "me@far.example")
        assert good["good"]
        assert good["logged_in"]
        assert good["size"] == 200_000_000
        assert main.messages[-1].rcpts == ["RCPT TO:<me@far.example>"]


def test_a_road_is_tested_before_it_is_written(tmp_path: Path) -> None:
    login = Login()
    secret = tmp_path / "secret"
    secret.write_text("right\n")
    secret.chmod(0o600)
    with Sink() as main, Sink(script=login, extensions=EXTENSIONS) as other:
        road = f'[[roads]]\nname = "main"  # ours\nurl = "smtp://127.0.0.1:{main.port}?tls=none"\n'
        with Kurir(tmp_path / "b", toml=f"# before\n{road}# behind\n") as kurir:
            kurir.user("you")
            text = kurir.config.read_text()
            url = f"smtp://127.0.0.1:{other.port}?tls=none"
            new = ["road", "add", "brevo", "--url", url, "--username", "me", "--password-file", str(secret)]
            refused = kurir.cli(*new, "--yes", check=1).stdout.decode()
            assert "Nothing was written" in refused, refused
            assert "include:spf.brevo.com" in refused
            assert kurir.config.read_text() == text
            login.refuses = False
            done = kurir.json(*new, "--yes", "--to", "me@far.example")
            assert done["written"]
            assert Path(done["backup"]).read_text() == text
            now = kurir.config.read_text()
            assert 'name = "main"  # ours\nfallback = ["brevo"]\n' in now
            assert "# before" in now
            assert "# behind" in now
            assert now.endswith(
                f'[[roads]]\nname = "brevo"\nurl = "{url}"\nusername = "me"\n'
                f'password_file = "{secret}"\nprovider = "brevo"\n'
            )
            assert len(other.messages) == 1
            shown = kurir.json("route", "you@example.test", "b@far.example")["roads"]
            assert [r["road"] for r in shown] == ["main", "brevo"]


def test_a_sender_that_would_look_forged_keeps_its_road(tmp_path: Path) -> None:
    """DNS that does not answer holds nothing against a road; our own domains are signed."""
    with Sink() as main, Sink() as spare, server(tmp_path / "c", main, spare) as kurir:
        shown = kurir.json("route", "anybody@example.test", "b@far.example")["roads"]
        assert [r["obstacles"] for r in shown] == [[], []]
