"""Collects a body: in memory up to a threshold, then in a file, with its checksum on the way.

The beginning is held until the header is surely in it and is then *settled* once: the function passed in
looks at it and may return it changed (a Bcc field cut out).  Everything behind goes by as it came, past
`listener` too where one was set: that is how signatures are hashed without a second look at the body.
A 100 MB body holds its beginning, then at most one chunk, in memory.
"""

import hashlib
from collections.abc import Callable

from .ports import BodyFile, BodyFiles

FLUSH = 256 * 1024
"""Octets gathered before they are written to the file."""

HASH_PIECE = 2047
"""From 2,048 octets on hashlib lets go of the interpreter's lock; to win it back costs more than hashing a small mail."""

Settle = Callable[[bytes], bytes]


class BodyCollector:
    """One body.  `add`, `flush` where `flush_due`, then `finish`; or `discard` at any time.

    Up to `in_memory` octets the result is bytes, above a file.  `hold` octets are gathered before the
    beginning is settled.
    """

    __slots__ = (
        "_chunks",
        "_file",
        "_files",
        "_hash",
        "_hold",
        "_in_memory",
        "_pending",
        "_settle",
        "_settled",
        "listener",
        "size",
    )

    def __init__(self, files: BodyFiles, settle: Settle, *, in_memory: int, hold: int) -> None:
        self._files = files
        self._settle = settle
        self._in_memory = in_memory
        self._hold = max(in_memory, hold)
        self._hash = hashlib.sha256()
        self._chunks: list[bytes] = []
        self._pending = 0
        self._settled = False
        self._file: BodyFile | None = None
        self.listener: Callable[[bytes], None] | None = None
        self.size = 0

    def add(self, data: bytes) -> None:
        """Take a chunk.  Never waits."""
        self._chunks.append(data)
        self._pending += len(data)

    @property
    def flush_due(self) -> bool:
        """Whether `flush` should be awaited before more is read."""
        return self._pending > (FLUSH if self._settled else self._hold)

    async def flush(self) -> None:
        """Write what is gathered to the file.  Raises OSError; the collector is then only good for `discard`."""
        data = self._take()
        if self._file is None:
            self._file = self._files.create()
        await self._file.write(data)

    def _take(self) -> bytes:
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._pending = 0
        if not self._settled:
            self._settled = True
            data = self._settle(data)
        elif self.listener is not None:
            self.listener(data)
        if len(data) > HASH_PIECE * 8:
            self._hash.update(data)
        else:
            for start in range(0, len(data), HASH_PIECE):
                self._hash.update(data[start : start + HASH_PIECE])
        self.size += len(data)
        return data

    async def finish(self) -> tuple[bytes | None, str | None]:
        """Return ``(body, None)`` or ``(None, name of the synced file)``.  Raises OSError."""
        if self._file is None and self._pending <= self._in_memory:
            return self._take(), None
        if self._pending:
            await self.flush()
        assert self._file is not None
        return None, await self._file.finish()

    @property
    def sha256(self) -> bytes:
        """Checksum of the octets taken so far; of the whole body after `finish`."""
        return self._hash.digest()

    def discard(self) -> None:
        """Forget everything; the file is removed."""
        self._chunks.clear()
        self._pending = 0
        if self._file is not None:
            self._file.discard()
            self._file = None
