"""Maildir: bytes as they came, names that cannot climb, and repeats that make no second copy."""

import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.delivery import Maildir, MaildirStore, Route, RouteKind
from kurir.delivery.local.maildir import Letter, front, safe_name, token
from kurir.delivery.settings import DeliverySettings
from kurir.model import Address, Cause, OutcomeKind, Stage, parse_address
from kurir.queue.asks import PlanRequest

from .doubles import FakeClock, FakeResolver, Harness, MemoryBodies, lease_for

SETTINGS = DeliverySettings(
    hello_name="me.example", routes=(Route(name="local", kind=RouteKind.MAILDIR),), maildir_batch=8
)
WHO = parse_address("Ani@here.example")


@pytest.fixture
def maildir(tmp_path):
    return Maildir(tmp_path / "mail", FakeClock(), "me.example")


def files(maildir, address=WHO, folder="new"):
    return sorted((maildir.box(address) / folder).iterdir())


def letter(number=1, body=b"x\r\n", who=WHO):
    return Letter(token(number, 0, 1.5, b"\1" * 32), who, (body,))


@given(st.text(max_size=80))
def test_names_are_one_harmless_component(text):
    name = safe_name(text)
    assert 0 < len(name) <= 200 and "/" not in name and "\0" not in name
    assert name not in (".", "..") and not name.startswith(".") and name.isascii()


@given(st.text(max_size=300), st.text(max_size=300))
def test_different_people_have_different_folders(a, b):
    assert (safe_name(a) == safe_name(b)) == (a.lower() == b.lower())


@pytest.mark.parametrize("local", ["../../x", "a/b", ".", "..", "a\0b", "x" * 64, "A.B", "\u00fc"])
def test_hostile_local_parts_stay_inside(maildir, local):
    box = maildir.box(Address(local, "here.example"))
    assert box.resolve().is_relative_to(maildir.root.resolve()) and box.parent.name == "here.example"


def test_a_letter_is_stored_byte_for_byte(maildir):
    body = bytes(range(256)) * 100 + b"\r\n.\r\nend without line break"
    (outcome,) = maildir.deliver([letter(body=body)])
    assert (outcome.kind, outcome.stage, outcome.cause) == (OutcomeKind.DELIVERED, Stage.STORE, Cause.OK)
    (path,) = files(maildir)
    assert path.read_bytes() == body and path.stat().st_mode & 0o777 == 0o600
    assert files(maildir, folder="tmp") == []


@pytest.mark.parametrize("flags", [None, ":2,", ":2,S"])
def test_a_repeat_after_a_crash_makes_no_second_copy(maildir, flags):
    maildir.deliver([letter()])
    if flags is not None:
        (path,) = files(maildir)
        path.rename(path.parent.parent / "cur" / (path.name + flags))
    again = Maildir(maildir.root, FakeClock(), "me.example").deliver([letter()])
    assert again[0].kind is OutcomeKind.DELIVERED
    assert len(files(maildir)) + len(files(maildir, folder="cur")) == 1


def test_other_messages_are_not_taken_for_repeats(maildir):
    same_number_another_life = Letter(token(1, 0, 2.5, b"\1" * 32), WHO, (b"y",))
    other_recipient = Letter(token(1, 1, 1.5, b"\1" * 32), WHO, (b"z",))
    maildir.deliver([letter(), same_number_another_life, other_recipient])
    assert len(files(maildir)) == 3


def test_a_half_written_letter_of_a_crash_is_replaced(maildir):
    maildir.deliver([letter(2)])
    name = f"{letter().token}.me.example"
    (maildir.box(WHO) / "tmp" / name).write_bytes(b"half a lett")
    maildir.deliver([letter(body=b"whole")])
    assert {p.read_bytes() for p in files(maildir)} == {b"x\r\n", b"whole"}


def test_file_and_folder_are_synced_before_it_counts(maildir, monkeypatch):
    events = []
    real_fsync = os.fsync

    def fsync(fd):
        events.append(os.readlink(f"/proc/self/fd/{fd}").removeprefix(str(maildir.root)))
        real_fsync(fd)

    maildir.deliver([letter(9)])
    monkeypatch.setattr(os, "fsync", fsync)
    maildir.deliver([letter(n) for n in range(3)])
    box = "/here.example/ani"
    assert [e.rsplit("/", 1)[0] for e in events[:3]] == [f"{box}/tmp"] * 3
    assert events[3:] == [f"{box}/new"]


def test_new_folders_are_synced_into_their_parents(maildir, monkeypatch):
    synced = []
    real_fsync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), real_fsync(fd))
    )
    maildir.deliver([letter()])
    root = str(maildir.root)
    assert {root, os.path.dirname(root), f"{root}/here.example", f"{root}/here.example/ani"} <= set(synced)


@pytest.mark.parametrize(
    ("code", "cause"),
    [(errno.ENOSPC, Cause.DISK_FULL), (errno.EDQUOT, Cause.DISK_FULL), (errno.EIO, Cause.STORAGE_FAILED)],
)
@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_sick_disk_defers_and_leaves_nothing(maildir, monkeypatch, call, code, cause):
    maildir.deliver([letter(9)])

    def fail(*_):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as m:
        m.setattr(os, call, fail)
        (outcome,) = maildir.deliver([letter()])
    assert (outcome.kind, outcome.cause) == (OutcomeKind.DEFERRED, cause)
    assert os.strerror(code) in outcome.detail
    assert files(maildir, folder="tmp") == [] and len(files(maildir)) == 1
    assert maildir.deliver([letter()])[0].kind is OutcomeKind.DELIVERED


@pytest.mark.parametrize("large", [False, True])
def test_a_folder_that_could_not_be_synced_is_not_trusted_the_second_time(maildir, monkeypatch, large):
    """After a failed fsync nobody knows what the disk holds: the copy goes, and the next try writes a new one."""

    def deliver():
        if not large:
            return maildir.deliver([letter()])
        writing = maildir.begin([letter()])
        outcomes = writing.finish()
        writing.discard()
        return outcomes

    maildir.deliver([letter(2)])  # the folders are there
    real_fsync = os.fsync

    def fsync(fd):
        if os.readlink(f"/proc/self/fd/{fd}").endswith("/new"):
            raise OSError(errno.EIO, "input/output error")
        real_fsync(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    assert [o.kind for o in deliver()] == [OutcomeKind.DEFERRED]
    assert len(files(maildir)) == 1
    monkeypatch.setattr(os, "fsync", real_fsync)
    assert [o.kind for o in deliver()] == [OutcomeKind.DELIVERED]
    assert len(files(maildir)) == 2


def test_a_removed_mailbox_is_made_again(maildir):
    import shutil

    maildir.deliver([letter(1)])
    shutil.rmtree(maildir.box(WHO))
    assert maildir.deliver([letter(2)])[0].kind is OutcomeKind.DELIVERED
    shutil.rmtree(maildir.box(WHO) / "tmp")
    maildir.deliver([letter(3)])
    assert maildir.deliver([letter(3)])[0].kind is OutcomeKind.DELIVERED


async def deliver(tmp_path, leases, bodies=None):
    bodies = bodies or MemoryBodies()
    maildir = Maildir(tmp_path, FakeClock(), "me.example")
    store = MaildirStore(maildir, bodies, FakeClock())
    harness = Harness(SETTINGS, FakeResolver(), bodies=bodies, stores={RouteKind.MAILDIR: store})
    harness.hand.plan([PlanRequest("", "here.example")])
    await harness.brain.done.wait()
    results = await harness.deliver(leases)
    await harness.drain()
    return maildir, results


async def test_through_the_hand(tmp_path):
    body = b"Subject: x\r\n\r\n8-bit \xff\r\n.\r\n"
    leases = [
        lease_for(SETTINGS, n, ["Ani@here.example", "budi@here.example"], body=body, site="maildir")
        for n in range(20)
    ]
    maildir, results = await deliver(tmp_path, leases)
    assert len(results) == 40 and {o.kind for o in results.values()} == {OutcomeKind.DELIVERED}
    assert len(files(maildir)) == 20
    assert files(maildir)[0].read_bytes() == (
        b"Return-Path: <me@client.example>\r\nDelivered-To: Ani@here.example\r\n"
        b"Received: by client.example\r\n" + body
    )


@pytest.mark.parametrize("damaged", [False, True])
async def test_a_large_body_through_the_hand(tmp_path, damaged):
    body = b"Subject: x\r\n\r\n" + os.urandom(700_000)
    bodies = MemoryBodies({1: body}, damaged=[1] if damaged else [])
    lease = lease_for(
        SETTINGS, 1, ["ani@here.example", "budi@here.example"], body=body, file=True, site="maildir"
    )
    maildir, results = await deliver(tmp_path, [lease], bodies)
    if damaged:
        assert {o.cause for o in results.values()} == {Cause.BODY_DAMAGED}
        assert files(maildir) == [] and files(maildir, folder="tmp") == []
    else:
        for name in ("ani", "budi"):
            who = parse_address(f"{name}@here.example")
            (path,) = files(maildir, who)
            assert path.read_bytes() == front(lease.reverse_path, who) + lease.trace_block + body


def test_null_sender_in_front():
    assert front(None, WHO) == b"Return-Path: <>\r\nDelivered-To: Ani@here.example\r\n"
