"""What every place for large bodies does."""

from pathlib import Path

import pytest

from kurir.delivery.ports import Bodies, BodyDamaged
from kurir.reception.ports import BodyFiles
from kurir.storage import BodySettings, FileBodies, Layout, MemoryBodies, StoredBodies
from tests.unit.storage.mail import lease

Pair = tuple[BodyFiles, Bodies]


@pytest.fixture(params=["memory", "files"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Pair:
    if request.param == "memory":
        both = MemoryBodies()
        return both, both
    layout = Layout(tmp_path)
    return FileBodies(layout, BodySettings(batch=1000)), StoredBodies(layout, BodySettings(piece=1024))


@pytest.mark.parametrize("sizes", [(), (1,), (999, 1, 1), (1000,), (5000, 3), (1,) * 50])
async def test_what_was_written_is_read(pair: Pair, sizes: tuple[int, ...]) -> None:
    files, bodies = pair
    data = [bytes([i % 256]) * size for i, size in enumerate(sizes)]
    body = files.create()
    for piece in data:
        await body.write(piece)
    name = await body.finish()
    whole = b"".join(data)
    work = lease(1, whole, body_file=name)
    assert await bodies.whole(work) == whole
    assert b"".join([c async for c in bodies.chunks(work)]) == whole
    assert await bodies.head(work, 5) == whole[:5]


async def test_a_body_in_the_lease_is_used_as_it_is(pair: Pair) -> None:
    _, bodies = pair
    work = lease(1, b"abc", body=b"abc")
    assert await bodies.whole(work) == b"abc"
    assert [c async for c in bodies.chunks(work)] == [b"abc"]
    assert await bodies.head(work, 2) == b"ab"


async def test_what_was_discarded_is_gone(pair: Pair) -> None:
    files, bodies = pair
    body = files.create()
    await body.write(b"x" * 3000)
    body.discard()
    body.discard()
    with pytest.raises(BodyDamaged):
        await bodies.whole(lease(1, b"x" * 3000, body_file="body1"))


async def test_another_body_than_was_accepted_is_damaged(pair: Pair) -> None:
    files, bodies = pair
    body = files.create()
    await body.write(b"abc")
    name = await body.finish()
    seen = []
    with pytest.raises(BodyDamaged):
        async for chunk in bodies.chunks(lease(1, b"abd", body_file=name)):
            seen.append(chunk)
    with pytest.raises(BodyDamaged):
        await bodies.whole(lease(1, b"abcd", body_file=name))
