"""The short form of ``scripts/torture``: every part once, a few kills and cuts; the long form is a script of its own."""

import subprocess
from pathlib import Path

import pytest

from .ledger import Ledger, Sent, digest
from .mutations import CHECKS, MUTATIONS, mutate
from .order import judge
from .peers import PeerEngine
from .peersyncs import steps as peer_steps
from .syscalls import judge as judge_syncs

ROOT = Path(__file__).resolve().parents[2]


def torture(state: Path, *arguments: str, seconds: float) -> str:
    """Run the script; return its table.  A part that it cannot run here is skipped by name."""
    done = subprocess.run(
        [ROOT / "scripts/torture", "--state", state, *arguments],
        capture_output=True, text=True, timeout=seconds,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    skipped = [line for line in done.stderr.splitlines() if line.startswith("SKIPPED")]
    if skipped:
        pytest.skip("; ".join(dict.fromkeys(skipped)))
    return done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("--only", "order"),
        ("--only", "kills", "--kills", "6", "--workers", "1"),
        ("--only", "kills", "--kills", "4", "--workers", "0"),
        ("--only", "cuts", "--cuts", "2"),
        ("--only", "full"),
        ("--only", "descriptors"),
        ("--only", "syscalls", "--sites", "6"),
        ("--only", "jitter", "--ends", "3"),
    ],
    ids=lambda a: " ".join(a[1:]),
)
def test_nothing_is_lost(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    table = torture(tmp_path / "state", *arguments, seconds=600)
    assert "| kurir" in table


@pytest.mark.full
@pytest.mark.parametrize("part", ["kills", "cuts", "syscalls", "clock"])
def test_nothing_is_lost_longer(tmp_path: Path, part: str) -> None:
    counts = ("--kills", "60", "--cuts", "20", "--sites", "60")
    table = torture(tmp_path / "state", "--only", part, *counts, seconds=1800)
    assert "| kurir" in table


@pytest.mark.full
def test_every_broken_promise_is_noticed() -> None:
    done = subprocess.run(
        [ROOT / "scripts/torture", "--mutations"], capture_output=True, text=True, timeout=3600
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]


# -- the judges themselves ----------------------------------------------------------


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.name)
def test_mutations_still_fit_the_source(tmp_path: Path, mutation) -> None:
    file = tmp_path / "kurir" / mutation.file
    file.parent.mkdir(parents=True)
    file.write_text((ROOT / "src/kurir" / mutation.file).read_text())
    mutate(tmp_path, mutation)
    assert set(mutation.checks) <= set(CHECKS)


def test_the_ledger_tells_lost_damaged_doubled_and_bounced() -> None:
    ledger = Ledger()
    mails = {n: f"X-Torture: {n}\r\nSubject: s\r\n\r\nbody {n}\r\n".encode() for n in ("a", "b", "c", "d")}
    for name, mail in mails.items():
        to = ("refused1@sink.test",) if name == "d" else ("r1@sink.test", "r2@sink.test")
        ledger.acknowledged(Sent(name, to, digest(mail), len(mail), 1.0, 2.0))
    ledger.received(b"Received: x\r\n" + mails["a"], ["r1@sink.test", "r2@sink.test"])
    ledger.received(mails["a"], ["r1@sink.test"])
    ledger.received(b"Received: x\n" + mails["b"].replace(b"\r\n", b"\n"), ["r1@sink.test"])
    ledger.received(mails["c"].replace(b"body", b"bodY"), ["r1@sink.test", "r2@sink.test"])
    ledger.received(
        b"From: <>\r\n\r\nrefused1@sink.test: no such user\r\n" + mails["d"], ["sender@example.test"]
    )
    v = ledger.verdict()
    assert (v.accepted, v.recipients, v.duplicated) == (4, 7, 1)
    assert [line.split(" (")[0] for line in v.lost] == ["b r2@sink.test"]
    assert [line.split(" (")[0] for line in v.damaged] == ["c r1@sink.test", "c r2@sink.test"]


GOOD = [
    ("sync", "/s/bodies/B"), ("sync", "/s/bodies"), ("sync", "/s/facts.db-wal"), ("250", ""),
    ("sync", "/s/mail/tmp/M"), ("rename", "/s/mail/new/M"), ("sync", "/s/mail/new"), ("sync", "/s/facts.db-wal"),
    ("sync", "/s/facts.db-wal"), ("250", ""),
]  # fmt: skip


def test_the_judge_of_orders_finds_each_step_that_is_missing() -> None:
    assert judge(GOOD, Path("/s")) == []
    assert judge([GOOD[0], GOOD[2], *GOOD[1:]], Path("/s")) == []  # somebody else's commit
    for gone in (0, 1, 2, 4, 6):
        assert judge(GOOD[:gone] + GOOD[gone + 1 :], Path("/s")), GOOD[gone]


def test_the_judge_of_syncs_wants_no_second_try() -> None:
    failed = "7 1.0 fdatasync(12</s/facts.db-wal>) = -1 EIO (Input/output error) (INJECTED)\n"
    assert judge_syncs(failed, []) == []
    assert judge_syncs(failed + "7 2.0 fdatasync(12</s/facts.db-wal>) = 0\n", [])
    assert judge_syncs(failed + '7 2.0 write(3</x>, "a", 1) = 1\n', [1.5]) != []
    again = '7 1.0 fsync(9</s/tmp/M>) = -1 EIO (x) (INJECTED)\n7 1.1 unlink("/s/tmp/M") = 0\n7 2.0 fsync(9</s/tmp/M>) = 0\n'
    assert judge_syncs(again, []) == []


TRACES = {
    "file, then header, then folder": (
        """\
7  12:51:05.43 fsync(9</spool/before>) = 0
7  12:51:05.43 write(5<socket:[1]>, "354 Enter message, ending with ...", 56) = 56
7  12:51:05.43 fsync(3</spool/input/h/1-D>) = 0
7  12:51:05.43 fsync(4</spool/input/h/hdr.1>) = 0
7  12:51:05.43 rename("/spool/input/h/hdr.1", "/spool/input/h/1-H") = 0
7  12:51:05.43 fsync(4</spool/input/h>) = 0
7  12:51:05.43 write(5<socket:[1]>, "250 OK id=1\\r\\n", 28) = 28
9  12:51:05.44 fdatasync(10</spool/db/wait>) = 0
""",
        ["fsync /spool/input/h/1-D", "fsync /spool/input/h/hdr.1",
         "rename /spool/input/h/hdr.1 -> /spool/input/h/1-H", "fsync /spool/input/h"],
    ),
    "another process, interrupted": (
        """\
12  12:51:00.01 write(12<socket:[1]>, "354 End data", 37 <unfinished ...>
26  12:51:00.01 fsync(13</spool/incoming/F> <unfinished ...>
12  12:51:00.02 <... write resumed>) = 37
26  12:51:00.03 <... fsync resumed>) = 0
12  12:51:00.04 write(12<socket:[1]>, "250 2.0.0 Ok: queued as F", 37) = 37
""",
        ["fsync /spool/incoming/F"],
    ),
    "nothing but renames": (
        """\
8  12:50:50.11 writev(12<socket:[1]>, [{iov_base="354 Enter mail", iov_len=50}], 1) = 50
9  12:50:50.12 rename("/temporary/0c", "/incoming/0c/message") = 0
9  12:50:50.12 rename("/incoming/0c", "/queue/0c/0c") = -1 ENOENT (No such file or directory)
9  12:50:50.12 openat(AT_FDCWD</x>, "/q/1", O_WRONLY|O_CREAT, 0600) = 3</q/1>
8  12:50:50.13 writev(12<socket:[1]>, [{iov_base="250 2.0.0 0c Message accepted", iov_len=50}], 1) = 50
""",
        ["rename /temporary/0c -> /incoming/0c/message"],
    ),
    "opened for synced writing": (
        """\
8  12:50:50.11 write(12<socket:[1]>, "354 go", 6) = 6
8  12:50:50.12 openat(AT_FDCWD</x>, "/q/1", O_WRONLY|O_CREAT|O_DSYNC, 0600) = 3</q/1>
8  12:50:50.13 write(12<socket:[1]>, "250 ok", 6) = 6
""",
        ["openat with O_SYNC /q/1"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TRACES)
def test_what_another_engine_syncs_is_read_from_its_trace(name: str) -> None:
    trace, wanted = TRACES[name]
    assert peer_steps(trace) == [wanted]


def test_what_a_cut_emptied_does_not_wait(tmp_path: Path) -> None:
    engine = PeerEngine("opensmtpd", tmp_path, tmp_path, 25)
    folder = tmp_path / "spool/queue/0c/0ca5c074"
    folder.mkdir(parents=True)
    (folder / "message").write_bytes(b"")
    envelope = folder / "0ca5c07451ba2592"
    envelope.write_bytes(b"")
    assert engine.idle()
    envelope.write_bytes(b"version: 3\n")
    assert not engine.idle()
