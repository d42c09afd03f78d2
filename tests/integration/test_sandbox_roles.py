"""The sandbox's difficult recipients on a whole server, each alone: the right fate, the right report, a trace that says why.

And one of them beside others in the same message: it must not cost them anything but one attempt.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Kurir, Report, hand_in, login, reports, text

ALICE = "alice@example.test"
SETTINGS = """
[queue]
retry = [1, 1, 2]
lifetime = 24
delay_notice = []

[delivery.timeouts]
command = 1
final_dot = 1.5
"""


@dataclass(frozen=True)
class Role:
    """`fate`, and of the attempts that failed: their cause and stage, what the trace says in both languages."""

    fate: str
    cause: str = ""
    stage: str = ""
    reported: str = ""  # the action in the report to the sender
    says: tuple[str, str] = ("", "")


ROLES = {
    "garbage": Role(
        "expired", "protocol_error", "rcpt", "failed", ("answer not understood", "jawaban tidak dipahami")
    ),
    "hang": Role(
        "expired",
        "timeout",
        "rcpt",
        "failed",
        ("did not come within the time allowed", "tidak datang dalam waktu yang ditentukan"),
    ),
    "hang-body": Role(
        "expired",
        "lost_reply",
        "body",
        "failed",
        ("it may have been delivered", "mungkin surel itu sudah sampai"),
    ),
    "drop": Role(
        "expired",
        "connection_lost",
        "rcpt",
        "failed",
        ("broke off before the message was accepted", "terputus sebelum surel diterima"),
    ),
    "drop-body": Role(
        "expired",
        "lost_reply",
        "body",
        "failed",
        ("it may have been delivered", "mungkin surel itu sudah sampai"),
    ),
    "slow-1s": Role("captured", says=("250 2.0.0 Captured as", "250 2.0.0 Captured as")),
    "slow-30s": Role(
        "expired",
        "timeout",
        "rcpt",
        "failed",
        ("did not come within the time allowed", "tidak datang dalam waktu yang ditentukan"),
    ),
    "bounce-later-1s": Role("captured", reported="failed", says=("kept in the sandbox", "kotak pasir")),
}
CROWD = ["anna@far.test", "hang@far.test", "drop@far.test", "carla@far.test"]


@dataclass
class World:
    kurir: Kurir
    stories: dict[str, Any]
    reports: list[Report]

    def told(self, name: str) -> list[Report]:
        """Return the reports about one recipient."""
        return [r for r in self.reports if any(a.startswith(f"{name}@alone.test") for a in r.actions)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("roles") / "kurir"
    with (
        Kurir(folder, toml=SETTINGS) as kurir,
        login(kurir, "alice", kurir.user("alice", "correct horse")) as s,
    ):
        ids = {
            name: hand_in(s, ALICE, f"{name}@alone.test", text(ALICE, f"{name}@alone.test", name))
            for name in ROLES
        }
        ids["crowd"] = hand_in(s, ALICE, CROWD, text(ALICE, CROWD[0], "crowd"))
        kurir.wait_empty()
        kurir.wait("the bounce that comes later", lambda: len(reports(kurir, "alice")) >= 8)
        stories = {name: kurir.ask("trace", id)["messages"][0] for name, id in ids.items()}
        yield World(kurir, stories, reports(kurir, "alice"))
        assert kurir.audit()["balanced"]


@pytest.mark.parametrize("name", ROLES)
def test_each_alone(world: World, name: str) -> None:
    role, story = ROLES[name], world.stories[name]
    (recipient,) = story["recipients"]
    attempts = [h for h in recipient["history"] if h["kind"] == "attempted"]
    assert recipient["fate"] == role.fate
    assert recipient["possibly_delivered"] is (role.cause == "lost_reply")
    if role.cause:
        assert len(attempts) >= 2
        assert {(h["cause"], h["stage"]) for h in attempts} == {(role.cause, role.stage)}
    else:
        assert [h["result"] for h in attempts] == ["captured"]
    assert [list(r.actions.values()) for r in world.told(name)] == (
        [[role.reported]] if role.reported else []
    )
    for lang, words in zip(("en", "id"), role.says, strict=True):
        told = world.kurir.inside("trace", story["id"], "--lang", lang)[1]
        assert words in " ".join(told.split()), told


def test_slow_is_told_as_slow(world: World) -> None:
    (recipient,) = world.stories["slow-1s"]["recipients"]
    assert recipient["history"][0]["seconds"] >= 1


def test_one_that_hangs_does_not_starve_the_others(world: World) -> None:
    recipients = {r["address"].partition("@")[0]: r for r in world.stories["crowd"]["recipients"]}
    assert {name: r["fate"] for name, r in recipients.items()} == {
        "anna": "captured", "carla": "captured", "hang": "expired", "drop": "expired",
    }  # fmt: skip
    assert max(recipients[name]["attempts"] for name in ("anna", "carla")) <= 3
