"""Limits through the whole server: kept, told in words, and not forgotten by a kill."""

import email
import email.policy
import json
import os
import re
import signal
import smtplib
from pathlib import Path
from typing import Any

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
    rest = "[queue]\ndelay_notice = [8]\n"
    return Kurir(
        folder / "play",
        trust=("127.0.0.0/8",),
        workers=workers,
        toml=f'\n[atlas]\nfiles = ["{atlas}"]\n{rest}\n{road}',
    )


def send(kurir: Kurir, to: str) -> str:
    id: str = kurir.json("send", "--from", "you@example.test", "--to", to, "--subject", "x", stdin="hello")[
        "id"
    ]
    return id


def hand_in(kurir: Kurir, to: str, *options: str) -> str:
    """Hand a message in by the local door; return the words of the reply."""
    with smtplib.SMTP("127.0.0.1", kurir.smtp) as smtp:
        smtp.ehlo()
        smtp.mail("you@example.test")
        smtp.rcpt(to, options)
        code, text = smtp.data(b"From: you@example.test\r\nSubject: x\r\n\r\nhello\r\n")
    assert code == 250
    return text.decode()


def of_the_day(kurir: Kurir) -> Any:
    """Return what is told of the limit of messages a day."""
    (day,) = [x for x in kurir.ask("limits")["roads"][0]["limits"] if x["id"] == "messages-day"]
    return day


def words_of(kurir: Kurir, *arguments: str) -> str:
    return kurir.cli(*arguments).stdout.decode()


def test_a_limit_is_kept_told_and_not_forgotten(tmp_path: Path) -> None:
    with Sink() as sink, server(tmp_path / "a", sink) as kurir:
        kurir.user("you")
        ids = [send(kurir, f"b{i}@far.example") for i in range(4)]
        kurir.wait("two deliveries", lambda: len(sink.messages) == 2)
        kurir.wait("two that wait", lambda: of_the_day(kurir)["waiting"] == 2)
        shown = kurir.json("limits")["roads"][0]
        day = of_the_day(kurir)
        assert (shown["label"], day["used"], day["stop"], day["waiting"]) == ("Tiny Mail", 2, 2, 2)
        assert set(day["mails"]) <= set(ids)
        waiting = day["mails"][0]
        words = words_of(kurir, "limits")
        assert "3 messages a day" in words
        forecast = words_of(kurir, "limits", "--for", "250")
        assert re.search(
            "A message to 250 recipients: the first [12]00 at ", forecast
        )  # 100 where the two went in two minutes
        assert re.search(r"3 messages a day +2 +2 +20", words)
        assert f"2 recipient(s) wait for this: {' '.join(day['mails'])}" in words
        assert "jalan" in words_of(kurir, "limits", "--lang", "id").lower()
        told = words_of(kurir, "trace", waiting)
        told = " ".join(told.split())
        assert "Nothing is wrong: Tiny Mail allows 3 messages a day" in told
        assert "used so far: 2, and we stop at 2" in told
        assert "by itself; you need to do nothing" in told
        told = " ".join(words_of(kurir, "trace", waiting, "--lang", "id").split())
        assert "Tiny Mail mengizinkan 3 pesan per hari" in told
        [limit] = kurir.json("trace", waiting)["messages"][0]["limits"]
        assert (limit["label"], limit["used"], limit["stop"], limit["recipient"]) == ("Tiny Mail", 2, 2, 0)
        kurir.kill_all()
        kurir.start()
        assert of_the_day(kurir)["used"] == 2
        send(kurir, "c@far.example")
        kurir.wait("three that wait", lambda: of_the_day(kurir)["waiting"] == 3)
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
            code, said, _ = kurir.inside("limits", "--json")
            roads = [] if code else json.loads(said)["roads"]
            return [(r["limits"][0]["used"], r["limits"][0]["waiting"]) for r in roads] == [(2, 2)]

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
        route = kurir.cli("route", "you@example.test", "b@far.example", "--size", "1MB", check=1)
        assert "too large for every road" in route.stdout.decode()


def test_a_submission_is_told_what_goes_later(tmp_path: Path) -> None:
    with Sink() as sink, server(tmp_path / "f", sink) as kurir:
        kurir.user("you")
        send(kurir, "first@far.example")
        kurir.wait("a delivery", lambda: len(sink.messages) == 1)
        to = [word for i in range(250) for word in ("--to", f"b{i}@{i}.example")]
        said = words_of(kurir, "send", "--from", "you@example.test", *to, "--subject", "news")
        # 100 in one message, and one message is left; two times where a minute ended between the two
        assert re.search(r"250 recipient\(s\): 100 now by Tiny Mail, 150 (on|from) 20", said)
        assert "because of a limit of Tiny Mail. They go by themselves." in said
        assert "go later" not in said  # what the reply says as well is not told twice
        listed = words_of(kurir, "queue", "list")
        assert "Tiny Mail: " in listed  # whose limit, not an empty reason
        words = hand_in(kurir, "late@far.example")
        assert (
            "accepted, safe on disk; 1 of 1 recipients go later, by a limit of Tiny Mail, the last on 20"
            in words
        )
        assert len(words) < 400 and "\n" not in words


def test_mail_that_waits_its_turn_is_told_so_by_mail(tmp_path: Path) -> None:
    with Sink() as sink, server(tmp_path / "d", sink) as kurir:
        kurir.user("you")
        for i in range(3):
            hand_in(kurir, f"b{i}@far.example", "NOTIFY=DELAY,FAILURE")
        kurir.wait("a notice", lambda: kurir.mail("you"))
        assert len(sink.messages) == 2
        notice = email.message_from_bytes(kurir.mail("you")[0], policy=email.policy.default)
        assert notice["Subject"].startswith(
            "Your message waits its turn and goes by itself / Pesan Anda menunggu"
        )
        text = " ".join(notice.get_payload(0).get_content().split())
        assert "Tiny Mail allows 3 messages a day" in text
        assert "used so far: 2, and we stop at 2" in text
        assert "by itself; you need to do nothing" in text
        fields = " ".join(notice.get_payload(1).as_string().split())
        assert (
            "Diagnostic-Code: x-kurir; waits for a limit of Tiny Mail: 3 messages a day; 2 of 2 used"
            in fields
        )
        assert "Will-Retry-Until" in fields
        assert "Last-Attempt-Date" not in fields


def test_mail_in_flight_is_not_told_as_waiting(tmp_path: Path) -> None:
    with Kurir(tmp_path / "play") as kurir:
        kurir.user("you")
        id = send(kurir, "hang@example.net")  # the sandbox plays a server that never answers
        kurir.wait("the attempt", lambda: "is being tried right now" in words_of(kurir, "trace", id))
        assert "waiting for its first attempt" not in words_of(kurir, "trace", id)
        assert "sedang dicoba saat ini" in words_of(kurir, "trace", id, "--lang", "id")
        [[recipient]] = [m["recipients"] for m in kurir.json("queue", "list")["messages"]]
        assert (recipient["state"], recipient["next_at"]) == ("trying", None)
        assert "is tried now" in words_of(kurir, "queue", "list")


DIVIDED = """
[smarthosts.{0}]
label = "Provider {1}"
hosts = ["{0}.example"]
[smarthosts.{0}.limits.recipients-day]
unit = "recipients"
value = {2}
per = "day"
scope = "account"
beyond = "refuse"
"""


def test_a_submission_is_told_what_goes_now_by_which_provider(tmp_path: Path) -> None:
    atlas = tmp_path / "atlas.toml"
    atlas.write_text(DIVIDED.format("first", "A", 10) + DIVIDED.format("second", "B", 5))
    with Sink() as sink:
        url = f"smtp://127.0.0.1:{sink.port}?tls=none"
        roads = (
            f'[[roads]]\nname = "a"\nurl = "{url}"\nprovider = "first"\nfallback = ["b"]\n'
            f'[[roads]]\nname = "b"\nurl = "{url}"\nprovider = "second"\nsenders = ["nobody.example"]\n'
        )
        extra = f'\n[atlas]\nfiles = ["{atlas}"]\n{roads}'
        with Kurir(tmp_path / "play", trust=("127.0.0.0/8",), toml=extra) as kurir:
            kurir.user("you")
            to = [x for i in range(15) for x in ("--to", f"b{i}@far.example")]
            said = kurir.cli("send", "--from", "you@example.test", *to, stdin="hello")
            told = said.stdout.decode()
            # also of those that are on their way already
            assert "15 recipient(s): 9 now by Provider A, 4 now by Provider B, 2 on 20" in told
            assert "because of a limit of Provider A" in told
            assert b"go now by" not in said.stderr  # the words of the reply are not said twice
