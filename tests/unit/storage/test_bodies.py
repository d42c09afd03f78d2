"""Body files: written in pieces, swept, read back and checked."""

import asyncio
import hashlib
import os
import threading
from pathlib import Path

import msgspec
import pytest

from kurir.delivery.ports import BodyDamaged
from kurir.storage.bodies import FileBodies
from kurir.storage.layout import Layout
from kurir.storage.reading import StoredBodies
from kurir.storage.settings import BodySettings
from tests.harness import PATIENCE

from .mail import State, accept, lease, notice_work


async def test_sweeping_spares_what_rows_name_and_what_is_young(tmp_path: Path) -> None:
    bodies = FileBodies(Layout(tmp_path))
    names = []
    for _ in range(3):
        body = bodies.create()
        await body.write(b"x")
        names.append(await body.finish())
    assert bodies.sweep(list, now=100) == 0
    assert bodies.sweep(list, now=3600) == 0
    assert bodies.sweep(lambda: names[:1], now=3701) == 2
    assert [p.name for p in (tmp_path / "bodies").iterdir()] == names[:1]


async def test_the_date_of_a_file_proves_nothing(tmp_path: Path) -> None:
    """The wall clock jumped ahead by 400 days while a body was coming in: it is not garbage."""
    bodies = FileBodies(Layout(tmp_path), BodySettings(batch=1))
    body = bodies.create()
    await body.write(b"x")
    os.utime(next(bodies.folder.iterdir()), (1.0, 1.0))
    assert bodies.sweep(list, now=1_000.0) == 0
    await body.write(b"y" * 10)  # slow, but alive
    assert bodies.sweep(list, now=10_000.0) == 0
    assert bodies.sweep(list, now=13_000.0) == 0
    assert bodies.sweep(list, now=14_000.0) == 1


async def test_names_do_not_repeat(tmp_path: Path) -> None:
    names = iter(["a", "a"])
    bodies = FileBodies(Layout(tmp_path), token=lambda: next(names))
    bodies.create()
    with pytest.raises(FileExistsError):
        bodies.create()


async def test_discarding_while_a_thread_writes_removes_the_file_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = FileBodies(Layout(tmp_path), BodySettings(batch=10))
    body = bodies.create()
    inside, go_on = threading.Event(), threading.Event()
    real = os.writev

    def slow(fd: int, data: list[bytes]) -> int:
        inside.set()
        go_on.wait(PATIENCE)
        return real(fd, data)

    monkeypatch.setattr(os, "writev", slow)
    writing = asyncio.create_task(body.write(b"x" * 100))
    await asyncio.to_thread(inside.wait, PATIENCE)
    body.discard()
    assert len(list(bodies.folder.iterdir())) == 1
    go_on.set()
    await writing
    assert list(bodies.folder.iterdir()) == []
    with pytest.raises(OSError, match="discarded"):
        await body.write(b"x" * 100)


async def test_a_short_write_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.writev
    monkeypatch.setattr(os, "writev", lambda fd, data: real(fd, [b"".join(data)[:7]]))
    bodies = FileBodies(Layout(tmp_path), BodySettings(batch=10))
    body = bodies.create()
    await body.write(b"0123456789")
    await body.write(b"abcdefghij")
    name = await body.finish()
    assert (bodies.folder / name).read_bytes() == b"0123456789abcdefghij"


async def test_a_full_disk_is_an_oserror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, data: list[bytes]) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "writev", full)
    body = FileBodies(Layout(tmp_path), BodySettings(batch=10)).create()
    with pytest.raises(OSError, match="No space"):
        await body.write(b"0123456789")
    body.discard()
    assert list((tmp_path / "bodies").iterdir()) == []


async def test_a_large_body_needs_little_memory(tmp_path: Path) -> None:
    """What is held at once is one batch, whatever the size of the body."""
    bodies = FileBodies(Layout(tmp_path))
    body = bodies.create()
    digest = hashlib.sha256()
    for i in range(400):
        data = bytes([i % 256]) * 10_000
        digest.update(data)
        await body.write(data)
        assert body._size <= 256 * 1024
    name = await body.finish()
    reader = StoredBodies(Layout(tmp_path))
    work = msgspec.structs.replace(lease(1, b"", body_file=name), size=4_000_000, sha256=digest.digest())
    sizes = [len(chunk) async for chunk in reader.chunks(work)]
    assert sum(sizes) == 4_000_000
    assert max(sizes) <= 256 * 1024
    reader.close()


async def test_bodies_are_read_from_row_and_file_and_checked(tmp_path: Path) -> None:
    state = State.at(tmp_path)
    small, large = b"small" * 10, b"large" * 1000
    body = state.bodies.create()
    await body.write(large)
    name = await body.finish()
    state.facts.commit([accept(1, body=small), accept(2, body=large, body_file=name)])
    reader = StoredBodies(state.layout)
    for work, data in (
        (lease(1, small), small),
        (lease(2, large, body_file=name), large),
        (notice_work(1, small), small),
        (notice_work(2, large, body_file=name), large),
    ):
        assert await reader.whole(work) == data
        assert b"".join([chunk async for chunk in reader.chunks(work)]) == data
        assert await reader.head(work, 7) == data[:7]
    reader.close()
    state.close()


async def test_damaged_bodies_are_never_whole(tmp_path: Path) -> None:
    state = State.at(tmp_path)
    body = state.bodies.create()
    await body.write(b"L" * 5000)
    name = await body.finish()
    state.facts.commit([accept(1, body=b"abc"), accept(2, body=b"L" * 5000, body_file=name)])
    (state.bodies.folder / name).write_bytes(b"L" * 4999 + b"M")
    reader = StoredBodies(state.layout)
    for work, why in (
        (lease(1, b"abd"), "checksum"),
        (lease(1, b"ab"), "3 octets, but 2"),
        (lease(9, b"ab"), "gone"),
        (lease(2, b"L" * 5000, body_file=name), "checksum"),
        (lease(2, b"L" * 5000, body_file="nowhere"), "No such file"),
        (notice_work(2, b"L" * 5000, body_file=name), "checksum"),
        (notice_work(9, b"L"), "gone"),
        (lease(1, b"abc", body=b"abx"), "checksum"),
    ):
        with pytest.raises(BodyDamaged, match=why):
            await reader.whole(work)
        with pytest.raises(BodyDamaged, match=why):
            [chunk async for chunk in reader.chunks(work)]
    reader.close()
    state.close()
