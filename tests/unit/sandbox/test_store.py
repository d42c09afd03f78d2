"""The folder of captured mail: order, bounds, what a crash leaves, what a stranger's id may do."""

import pytest

from kurir.sandbox import SandboxStore
from kurir.sandbox.store import Wrapping

WRAPPING = Wrapping(sender="a@example.org", recipients=("b@example.net",), parts=("",), helo="h", peer="p")


def put(store, text=b"Subject: hi\r\nMessage-ID: <1@x>\r\n\r\nbody\r\n", at=100.0):
    capture = store.open()
    for i in range(0, len(text), 7):
        capture.write(text[i : i + 7])
    return capture.finish(WRAPPING, at)


def test_what_comes_in_is_read_back(tmp_path):
    store = SandboxStore(tmp_path / "s")
    assert store.list() == []
    assert store.clear() == 0
    first, second = put(store), put(store, b"Subject: =?utf-8?q?h=C3=A9?=\r\n\r\n\xff\x00\r\n", 200.0)
    other = SandboxStore(tmp_path / "s")  # another process
    assert other.list() == [second, first]
    assert other.get(first.id) == other.get(first.id.lstrip("0")) == first
    assert (first.subject, first.message_id, first.size) == ("hi", "<1@x>", 40)
    assert (second.subject, second.at) == ("h\u00e9", 200.0)
    assert other.message(second.id) == b"Subject: =?utf-8?q?h=C3=A9?=\r\n\r\n\xff\x00\r\n"
    assert other.clear() == 2
    assert other.list() == []
    assert list((tmp_path / "s").iterdir()) == []
    assert put(store).id > second.id  # numbers are not used twice while the server runs


def test_unknown_and_hostile_ids(tmp_path):
    store = SandboxStore(tmp_path / "s")
    put(store)
    (tmp_path / "secret.eml").write_text("x")
    (tmp_path / "secret.json").write_text("{}")
    for id_ in ("9", "", "../secret", "1/../1", "-1", "\u0661", "1\0"):
        assert store.get(id_) is None
        with pytest.raises(KeyError):
            store.message(id_)


def test_the_oldest_go_when_there_are_too_many(tmp_path):
    store = SandboxStore(tmp_path, max_messages=3)
    made = [put(store) for _ in range(5)]
    assert [e.id for e in store.list()] == [e.id for e in reversed(made[2:])]
    assert len(list(tmp_path.iterdir())) == 6


def test_the_oldest_go_when_they_are_too_large(tmp_path):
    store = SandboxStore(tmp_path, max_octets=100)
    made = [put(store, b"x" * size) for size in (40, 40, 40, 500)]
    assert [e.id for e in store.list()] == [made[3].id]  # the newest stays, whatever its size


def test_bounds_count_what_an_earlier_run_left(tmp_path):
    first = SandboxStore(tmp_path, max_messages=3)
    made = [put(first) for _ in range(3)]
    second = SandboxStore(tmp_path, max_messages=3)
    made.append(put(second))
    assert [e.id for e in second.list()] == [e.id for e in reversed(made[1:])]


def test_another_process_may_clear_while_the_server_adds(tmp_path):
    store = SandboxStore(tmp_path, max_messages=2)
    put(store), put(store)
    SandboxStore(tmp_path).clear()
    kept = [put(store), put(store)]
    assert [e.id for e in store.list()] == [e.id for e in reversed(kept)]


def test_discarded_and_half_written_messages_leave_nothing(tmp_path):
    store = SandboxStore(tmp_path)
    capture = store.open()
    capture.write(b"half")
    capture.discard()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".new-000009.eml").write_text("a crash in the middle")
    (tmp_path / "000009.eml").write_text("a crash before the envelope")
    (tmp_path / "000008.json").write_text("{damaged")
    (tmp_path / "000008.eml").write_text("x")
    assert store.list() == []
    entry = put(SandboxStore(tmp_path))
    assert entry.id == "000009"
    assert SandboxStore(tmp_path).message(entry.id).startswith(b"Subject")
    assert not list(tmp_path.glob(".new-*"))
