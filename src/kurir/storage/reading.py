"""Reading bodies on the delivery side: from the lease, from the row, or from the file.

The reader has its own read-only connection, so that a hand needs nothing of the brain.  Length and SHA-256
are those of acceptance; a body that does not have them is never delivered silently (`BodyDamaged`).
"""

import asyncio
import hashlib
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import apsw

from kurir.delivery.ports import BodyDamaged
from kurir.model import encode_id
from kurir.queue.asks import Lease, NoticeWork

from .database import open_reader
from .layout import Layout
from .settings import BodySettings

Work = Lease | NoticeWork


class StoredBodies:
    """Bodies as they were accepted (implements `kurir.delivery.ports.Bodies`).  Blocking calls run in threads."""

    def __init__(self, layout: Layout, settings: BodySettings | None = None) -> None:
        self._layout = layout
        self._settings = settings or BodySettings()
        self._lock = threading.Lock()
        self._connection: apsw.Connection | None = None

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    async def whole(self, work: Work) -> bytes:
        """Return a small body; checks length and checksum.  Raises `BodyDamaged`."""
        if work.body is not None and isinstance(work, Lease):
            checked(work.number, work.body, work.size, work.sha256)
            return work.body
        return await asyncio.to_thread(self._whole, work)

    async def chunks(self, work: Work) -> AsyncIterator[bytes]:
        """Yield the body in pieces of at most 256 KiB, checking; raises `BodyDamaged` behind the last one."""
        piece = self._settings.piece
        if work.body_file is None or work.body is not None:
            body = await self.whole(work)
            for i in range(0, len(body), piece):
                yield body[i : i + piece]
            return
        file = await asyncio.to_thread(self._open, work)
        try:
            while data := await asyncio.to_thread(file.read, piece):
                yield data
            file.check()
        finally:
            file.close()

    async def head(self, work: Work, limit: int) -> bytes:
        """Return at most `limit` first octets, unchecked.  Raises `BodyDamaged` where there is nothing at all."""
        if work.body is not None:
            return work.body[:limit]
        return await asyncio.to_thread(self._head, work, limit)

    def _head(self, work: Work, limit: int) -> bytes:
        if work.body_file is None:
            return self._row(work.number)[:limit]
        file = self._open(work)
        try:
            return file.read(limit)
        finally:
            file.close()

    def _whole(self, work: Work) -> bytes:
        if work.body is not None:
            body = work.body
        elif work.body_file is None:
            body = self._row(work.number)
        else:
            file = self._open(work)
            try:
                body = file.read(work.size + 1)
            finally:
                file.close()
        checked(work.number, body, work.size, self._digest(work))
        return body

    def _open(self, work: Work) -> "_CheckedFile":
        assert work.body_file is not None
        return _CheckedFile(self._layout.bodies / work.body_file, work.number, work.size, self._digest(work))

    def _row(self, number: int) -> bytes:
        row = self._query("SELECT data FROM body WHERE number = ?", number)
        if row is None:
            raise BodyDamaged(f"the body of message {encode_id(number)} is gone from the store")
        return row

    def _digest(self, work: Work) -> bytes:
        if isinstance(work, Lease):
            return work.sha256
        digest = self._query("SELECT sha256 FROM message WHERE number = ?", work.number)
        if digest is None:
            raise BodyDamaged(f"message {encode_id(work.number)} is gone from the store")
        return digest

    def _query(self, sql: str, number: int) -> bytes | None:
        try:
            with self._lock:
                if self._connection is None:
                    self._connection = open_reader(self._layout.facts)
                row = self._connection.execute(sql, (number,)).fetchone()
        except apsw.Error as e:
            raise BodyDamaged(f"message {encode_id(number)} cannot be read: {e}") from e
        return None if row is None else bytes(row[0])


class _CheckedFile:
    """A body file that counts and digests what is read from it."""

    def __init__(self, path: Path, number: int, size: int, sha256: bytes) -> None:
        self._number, self._size, self._sha256 = number, size, sha256
        self._digest = hashlib.sha256()
        self._length = 0
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as e:
            raise BodyDamaged(f"the body of message {encode_id(number)} cannot be read: {e}") from e

    def read(self, limit: int) -> bytes:
        try:
            data = os.read(self._fd, limit)
            while data and len(data) < limit and (more := os.read(self._fd, limit - len(data))):
                data += more
        except OSError as e:
            raise BodyDamaged(f"the body of message {encode_id(self._number)} cannot be read: {e}") from e
        self._digest.update(data)
        self._length += len(data)
        return data

    def check(self) -> None:
        _compare(self._number, self._length, self._digest.digest(), self._size, self._sha256)

    def close(self) -> None:
        os.close(self._fd)


def checked(number: int, body: bytes, size: int, sha256: bytes) -> None:
    """Raise `BodyDamaged` unless `body` is what was accepted."""
    _compare(number, len(body), hashlib.sha256(body).digest(), size, sha256)


def _compare(number: int, length: int, digest: bytes, size: int, sha256: bytes) -> None:
    if length != size:
        raise BodyDamaged(
            f"the body of message {encode_id(number)} has {length} octets, but {size} were accepted"
        )
    if digest != sha256:
        raise BodyDamaged(f"the body of message {encode_id(number)} is not what was accepted (checksum)")
