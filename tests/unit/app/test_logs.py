"""Log lines: made in the writer's thread where asked, in order, bounded, and never with a body in them."""

import io
import json
import os
import threading
from types import SimpleNamespace

import msgspec
import pytest

from kurir.app.process import logs
from kurir.app.process.eventlog import LoggedStore
from kurir.app.process.logs import MAX_BACKLOG, LineWriter
from kurir.model import Address, Event, EventKind, MailParams, Origin, Recipient
from kurir.queue.ports import Change, NewMessage


def accepted(number: int) -> Change:
    message = NewMessage(
        number=number, accepted_at=1.0, reverse_path=Address("a", "b.test"), params=MailParams(),
        origin=Origin("ESMTP", "mx", "192.0.2.1"), recipients=(Recipient(Address("c", "d.test")),), trace_block=b"",
        size=9, sha256=b"", body=b"body-text", body_file=None, header_end=0, message_id="<m@x>", subject="s",
        header_from="", proven_sender=True, notice_of=None,
    )  # fmt: skip
    return Change(events=(Event(number=number, kind=EventKind.ACCEPTED, at=1.0),), message=message)


class MemoryLog:
    def __init__(self):
        self.made = []

    def events(self, count, events):
        made = list(events())
        assert len(made) == count
        self.made += made


class NoStore:
    next_number = begin_epoch = notice_number = note_gap = None
    last_outcomes = lost_replies = gaps = debits = roads = paces = None

    def commit(self, changes):
        pass


def test_one_line_for_each_event_behind_the_commit():
    log = MemoryLog()
    LoggedStore(NoStore(), log).commit([accepted(1), accepted(2)])
    assert [name for name, _ in log.made] == ["accepted", "accepted"]
    first = log.made[0][1]
    assert (first["id"], first["from"], first["size"]) == ("k0000011", "a@b.test", 9)
    assert b"body-text" not in msgspec.json.encode(log.made)


def test_lines_keep_their_order_and_their_time(monkeypatch):
    reading, writing = os.pipe()
    monkeypatch.setattr(logs.sys, "stderr", open(os.devnull, "w"))  # noqa: SIM115
    writer = LineWriter(writing)
    monkeypatch.setattr(logs, "LineWriter", lambda _: writer)
    log = logs.make("json", "info", {}, "test")
    log.info("first", password="hush")
    log.events(2, lambda: [("second", {"time": "then", "n": 1}), ("third", {"n": 2})])
    log.debug("never")
    log.info("fourth")
    writer.close()
    lines = [json.loads(line) for line in os.read(reading, 65536).splitlines()]
    assert [line["event"] for line in lines] == ["first", "second", "third", "fourth"]
    assert lines[0]["password"] == "(hidden)"
    assert lines[1]["time"] == "then"
    assert {line["role"] for line in lines} == {"test"}
    os.close(reading)
    os.close(writing)


def test_a_level_above_info_makes_no_events(monkeypatch):
    log = logs.make("json", "error", {}, "test")
    log.events(1, lambda: 1 / 0)


def test_a_reader_that_is_gone_costs_lines_and_not_memory():
    reading, writing = os.pipe()
    os.close(reading)
    writer = LineWriter(writing)
    for _ in range(MAX_BACKLOG // 100 + 50):
        writer.later(100, lambda: [b"x"] * 100)
    assert writer._waiting <= MAX_BACKLOG + 100
    writer.close()
    os.close(writing)


def test_a_process_that_forks_has_no_thread_and_never_waits_for_its_reader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading, writing = os.pipe()
    monkeypatch.setattr(logs, "LineWriter", None)
    kept = os.dup(2)
    os.dup2(writing, 2)
    try:
        log = logs.make("json", "info", {}, "supervisor", forks=True)
        before = threading.active_count()
        for n in range(5000):  # far more than a pipe holds
            log.info("role_ended", n=n)
        assert threading.active_count() == before
        first = os.read(reading, 65536).split(b"\n")[0]
        os.close(reading)
        log.info("nobody reads")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(writing)
    assert b'"role_ended"' in first


LINES = {
    "json": b'{"time":"then","level":"warning","role":"test","n":1,"why":"two words","event":"odd"}',
    "journald": b'<4>{"time":"then","level":"warning","role":"test","n":1,"why":"two words","event":"odd"}',
    "console": b"then warning odd                      role=test n=1 why='two words'",
}


@pytest.mark.parametrize("forks", [False, True])
@pytest.mark.parametrize("kind", LINES)
def test_one_event_in_each_format_from_each_encoder(monkeypatch, kind, forks):
    lines = []
    for writer in ("LineWriter", "DirectWriter"):
        monkeypatch.setattr(logs, writer, lambda _: SimpleNamespace(line=lines.append))
    monkeypatch.setattr(logs.sys, "stderr", io.StringIO())
    log = logs.make(kind, "info", {}, "test", forks=forks)
    log.warning("odd", time="then", n=1, why="two words")
    assert lines == [LINES[kind]]


def test_an_exception_is_said_with_where_it_came_from(monkeypatch):
    lines = []
    monkeypatch.setattr(logs, "LineWriter", lambda _: SimpleNamespace(line=lines.append))
    log = logs.make("console", "info", {}, "test")
    try:
        raise ValueError("no such thing")
    except ValueError:
        log.exception("stop_failed", part="brain")
    first, *rest = lines[0].decode().splitlines()
    assert "stop_failed" in first
    assert rest[-1] == "ValueError: no such thing"
