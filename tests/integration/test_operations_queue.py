"""What a person can do to the queue, to the disk, to accounts and to the memory of somebody, on a whole server."""

import contextlib
import os
import shutil
import smtplib
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import PATIENCE, Kurir, Sink, hand_in, login, text

WORKERS = pytest.mark.parametrize("workers", [0, 1], ids=["one-process", "workers"])
ALICE = "alice@example.test"


class Moody:
    """A server that says "later" to everybody until it is told otherwise."""

    def __init__(self) -> None:
        self.later = True
        self.asked = 0

    def __call__(self, verb: str, line: str, _attempt: int) -> Any:
        if verb == "RCPT":
            self.asked += 1
            if "gone-" in line and not self.later:
                return b"550 5.1.1 gone\r\n"
            return b"450 4.2.1 not today\r\n" if self.later else None
        return None


@contextlib.contextmanager
def server(folder: Path, workers: int, **more: Any) -> Iterator[tuple[Kurir, Sink, Moody]]:
    mood = Moody()
    with Sink(mood) as sink:
        url = f"smtp://127.0.0.1:{sink.port}?tls=none"
        with Kurir(folder, workers=workers, smarthost=url, trust=("127.0.0.2/32",), **more) as kurir:
            yield kurir, sink, mood


def send(kurir: Kurir, *to: str, subject: str = "s") -> str:
    """Hand a message in from a trusted network; return its id."""
    with smtplib.SMTP("127.0.0.1", kurir.smtp, timeout=PATIENCE, source_address=("127.0.0.2", 0)) as s:
        s.ehlo()
        return hand_in(s, ALICE, to, text(ALICE, to[0], subject))


def story(kurir: Kurir, id: str) -> dict[str, Any]:
    (message,) = kurir.ask("trace", id)["messages"]
    return {r["address"].partition("@")[0]: r for r in message["recipients"]}


def kinds(recipient: Any) -> list[str]:
    return [h["kind"] for h in recipient["history"]]


def do(kurir: Kurir, *arguments: str) -> Any:
    code, said, errors = kurir.inside(*arguments)
    assert code == 0, (arguments, said, errors)
    return said


@WORKERS
def test_hold_release_retry_drop(tmp_path: Path, workers: int) -> None:
    with server(tmp_path / "kurir", workers) as (kurir, sink, mood):
        id = send(kurir, "anna@far.test", "berta@far.test", "carla@far.test")
        kurir.wait("a first try", lambda: all(r["attempts"] for r in story(kurir, id).values()))

        # Hold one recipient of three, then all of the message.
        do(kurir, "queue", "hold", id, "--recipient", "anna@far.test", "--reason", "looks odd")
        states = {name: r["state"] for name, r in story(kurir, id).items()}
        assert states == {"anna": "held", "berta": "waiting", "carla": "waiting"}
        step = story(kurir, id)["anna"]["history"][-1]
        assert (step["kind"], step["reason"], bool(step["by"])) == ("held", "looks odd", True)
        assert [m["id"] for m in kurir.ask("queue", "list", "--held")["messages"]] == [id]
        do(kurir, "queue", "hold", id)
        assert {r["state"] for r in story(kurir, id).values()} == {"held"}

        # Who is held is not tried, even when asked to; a release tries at once.
        asked = mood.asked
        code, _, errors = kurir.inside("queue", "retry", id)
        assert (code, mood.asked) == (1, asked), errors
        do(kurir, "queue", "release", id, "--recipient", "anna@far.test")
        kurir.wait("the second try", lambda: story(kurir, id)["anna"]["attempts"] == 2)
        assert kinds(story(kurir, id)["anna"]) == ["attempted", "held", "released", "attempted"]
        assert story(kurir, id)["berta"]["attempts"] == 1

        # Drop one with a reason, release the others into a better mood, retry now.
        do(kurir, "queue", "drop", id, "--recipient", "berta@far.test", "--reason", "not wanted", "--yes")
        gone = story(kurir, id)["berta"]
        assert (gone["fate"], gone["history"][-1]["reason"]) == ("deleted", "not wanted")
        assert gone["history"][-1]["by"]
        mood.later = False
        do(kurir, "queue", "retry", id, "--recipient", "anna@far.test")
        kurir.wait("a success", lambda: story(kurir, id)["anna"]["fate"] == "handed_over")
        assert "retry_asked" in kinds(story(kurir, id)["anna"])
        do(kurir, "queue", "release", id)
        kurir.wait_empty()
        assert {n: r["fate"] for n, r in story(kurir, id).items()} == {
            "anna": "handed_over", "berta": "deleted", "carla": "handed_over",
        }  # fmt: skip
        assert min(line for m in sink.messages for line in m.rcpts).startswith("RCPT TO:<anna@far.test>")
        assert not any("berta" in line for m in sink.messages for line in m.rcpts)
        code, _, errors = kurir.inside("queue", "hold", id)
        assert (code, id in errors) == (1, True)  # nothing waits any more
        assert kurir.audit()["balanced"]


@WORKERS
def test_the_same_on_a_stopped_server(tmp_path: Path, workers: int) -> None:
    with server(tmp_path / "kurir", workers) as (kurir, sink, mood):
        ids = [send(kurir, "anna@far.test", subject=f"s{i}") for i in range(3)]
        for id in ids:
            kurir.wait("a first try", lambda i=id: story(kurir, i)["anna"]["attempts"])
        assert kurir.stop() == 0
        do(kurir, "queue", "hold", ids[0], "--reason", "by night")
        do(kurir, "queue", "retry", ids[1])
        do(kurir, "queue", "drop", ids[2], "--yes")
        assert kurir.audit()["balanced"]
        mood.later = False
        kurir.start()
        kurir.wait("the retry", lambda: story(kurir, ids[1])["anna"]["fate"] == "handed_over")
        assert story(kurir, ids[0])["anna"]["state"] == "held"
        assert story(kurir, ids[2])["anna"]["fate"] == "deleted"
        do(kurir, "queue", "release", ids[0])
        kurir.wait_empty()
        assert len(sink.messages) == 2


def ready(kurir: Kurir) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{kurir.admin}/readyz", timeout=PATIENCE) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as e:
        return e.code


@WORKERS
def test_a_disk_nearly_full_takes_no_mail_and_sends_on(tmp_path: Path, workers: int) -> None:
    gib = 1 << 30
    free = shutil.disk_usage(tmp_path).free
    assert free > 3 * gib, "this test fills two GiB of the disk for a moment"
    limit = f"[limits]\ndisk_free = {free - gib}\n"
    ballast = tmp_path / "ballast"
    with server(tmp_path / "kurir", workers, toml=limit) as (kurir, sink, mood):
        password = kurir.user("alice")
        waiting = send(kurir, "anna@far.test", subject="before")
        lost = send(kurir, "gone-x@far.test", subject="lost")
        kurir.wait("a first try", lambda: story(kurir, waiting)["anna"]["attempts"])
        kurir.wait("another", lambda: story(kurir, lost)["gone-x"]["attempts"])
        assert (kurir.inside("status")[0], ready(kurir)) == (0, 200)
        fd = os.open(ballast, os.O_CREAT | os.O_WRONLY)
        os.posix_fallocate(fd, 0, 2 * gib)
        os.close(fd)

        def refused() -> bool:
            with smtplib.SMTP("127.0.0.1", kurir.smtp, timeout=PATIENCE) as s:
                s.ehlo()
                code, said = s.mail("x@far.test")
                if code == 250:
                    return False
                assert (code, said[:5]) == (452, b"4.3.1")
                return True

        kurir.wait("the refusal", refused)
        with login(kurir, "alice", password) as s:
            assert s.mail(ALICE)[0] == 452
        code, said, _ = kurir.inside("status")
        assert code == 1
        assert "452" in said or "pace" in said, said
        assert ready(kurir) == 503
        done = kurir.cli("send", "--to", "x@far.test", "--subject", "s", stdin="x\n", check=1)
        assert b"452" in done.stderr

        # What waits is sent all the same, and what it came to is written down.
        mood.later = False
        do(kurir, "queue", "retry", waiting)
        kurir.wait("the delivery", lambda: story(kurir, waiting)["anna"]["fate"] == "handed_over")
        assert len(sink.messages) == 1
        do(kurir, "queue", "retry", lost)
        kurir.wait("the refusal of the other", lambda: story(kurir, lost)["gone-x"]["fate"] == "bounced")
        assert refused()
        assert not kurir.mail("alice")  # its report does not fit yet

        # Room again: it recovers by itself.
        ballast.unlink()
        kurir.wait("an end of the refusals", lambda: not refused())
        kurir.wait("the report that did not fit", lambda: kurir.mail("alice"))
        kurir.wait("readiness", lambda: ready(kurir) == 200)
        send(kurir, "anna@far.test", subject="after")
        kurir.wait_empty()
        assert len(sink.messages) == 2
        assert kurir.audit()["balanced"]


@WORKERS
def test_users(tmp_path: Path, workers: int) -> None:
    with server(tmp_path / "kurir", workers) as (kurir, _, mood):
        mood.later = False

        def may(name: str, password: str) -> bool:
            try:
                login(kurir, name, password).quit()
            except smtplib.SMTPAuthenticationError as e:
                assert e.smtp_code == 535
                return False
            return True

        first = kurir.user("alice")
        assert len(first) >= 12
        assert may("alice", first)
        assert kurir.inside("user", "add", ALICE)[0] == 1  # there already
        assert may("alice", first)
        kurir.cli(
            "user",
            "add",
            "bob@example.test",
            "--password-stdin",
            "--also",
            "sales@example.test",
            stdin="geheim99\n",
        )
        with login(kurir, "bob", "geheim99") as s:
            hand_in(s, "sales@example.test", ALICE, text("sales@example.test", ALICE, "from sales"))
            assert s.mail(ALICE)[0] == 553
        listed = {a["name"]: a["addresses"] for a in kurir.ask("user", "list")["accounts"]}
        assert listed == {ALICE: [ALICE], "bob@example.test": ["bob@example.test", "sales@example.test"]}

        second = kurir.ask("user", "password", ALICE)["password"]
        assert second != first
        kurir.wait("the new password", lambda: may("alice", second))
        assert not may("alice", first)
        kurir.cli("user", "password", ALICE, "--password-stdin", stdin="third-one\n")
        kurir.wait("the third password", lambda: may("alice", "third-one"))
        assert kurir.inside("user", "password", "nobody@example.test")[0] == 1

        do(kurir, "user", "remove", ALICE)
        kurir.wait("no login", lambda: not may("alice", "third-one"))
        with smtplib.SMTP("127.0.0.1", kurir.smtp, timeout=PATIENCE) as s:
            s.ehlo()
            s.mail("x@far.test")
            assert s.rcpt(ALICE)[0] == 550
        kurir.wait_empty()
        assert kurir.audit()["balanced"]


@WORKERS
def test_a_person_is_erased_and_the_books_still_balance(tmp_path: Path, workers: int) -> None:
    with server(tmp_path / "kurir", workers) as (kurir, _, mood):
        mood.later = False
        done = send(kurir, "erika@far.test", subject="private-subject")
        other = send(kurir, "max@far.test", subject="other")
        kurir.wait_empty()
        mood.later = True
        waiting = send(kurir, "erika@far.test", subject="still-waiting")
        kurir.wait("a first try", lambda: story(kurir, waiting)["erika"]["attempts"])
        with smtplib.SMTP("127.0.0.1", kurir.smtp, timeout=PATIENCE) as s:
            s.ehlo()
            s.mail("erika@far.test")
            assert s.rcpt("unknown@example.test")[0] == 550
        kurir.wait("the observation", lambda: kurir.ask("trace", "unknown@example.test")["observations"])

        report = kurir.ask("trace", "erase", "erika@far.test")
        assert report["messages"] >= 1
        assert report["observations"] >= 1
        assert report["waiting"] == [waiting]
        told = kurir.inside("trace", done)[1] + kurir.inside("trace", done, "--json")[1]
        assert "erika" not in told
        assert "private-subject" not in told
        assert not any(
            o["sender"] == "erika@far.test"
            for o in kurir.ask("trace", "unknown@example.test")["observations"]
        )
        assert "max@far.test" in kurir.inside("trace", other)[1]
        assert kurir.audit()["balanced"]

        # What still has to be delivered is delivered, and can be erased then.
        mood.later = False
        do(kurir, "queue", "retry", waiting)
        kurir.wait_empty()
        assert kurir.ask("trace", "erase", "erika@far.test")["waiting"] == []
        assert not kurir.ask("trace", "erika@far.test")["messages"]
        assert kurir.audit()["balanced"]
        kurir.stop()
        assert kurir.audit()["balanced"]
