"""Captured mail in a folder: for each message the octets as they came and a small JSON of its envelope.

A message exists from the moment its ``.json`` is there (written last, by rename).  One process adds; any process
may list, read and clear.  The folder is bounded by count and by octets, the oldest go first.  Nothing is synced to
the disk: the sandbox holds tests, and what it holds may go with a power cut.
"""

from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from kurir.message import facts_of
from kurir.model import TlsFacts

MAX_MESSAGES = 1_000
MAX_OCTETS = 256 * 1024 * 1024
_HEAD = 64 * 1024  # octets looked at for the header
_NEW = ".new-"


class Captured(msgspec.Struct, frozen=True, kw_only=True):
    """One captured message.  `at` is epoch seconds, `size` octets, `sender` ``""`` the null sender.

    `parts` are the parts its recipients played, ``""`` for plain capturing.
    """

    id: str
    at: float
    size: int
    sender: str
    recipients: tuple[str, ...]
    parts: tuple[str, ...] = ()
    subject: str = ""
    message_id: str = ""
    helo: str = ""
    peer: str = ""
    tls: TlsFacts | None = None


@dataclass(frozen=True, slots=True)
class Wrapping:
    """What the session knows of a message besides its octets; fields as in `Captured`."""

    sender: str
    recipients: tuple[str, ...]
    parts: tuple[str, ...] = ()
    helo: str = ""
    peer: str = ""
    tls: TlsFacts | None = None


class SandboxStore:
    """The folder.  Raises OSError where the disk does; a damaged file is left out of lists."""

    def __init__(
        self, folder: Path, *, max_messages: int = MAX_MESSAGES, max_octets: int = MAX_OCTETS
    ) -> None:
        self._folder = folder
        self._max_messages = max_messages
        self._max_octets = max_octets
        self._index: deque[tuple[str, int]] | None = None  # id and size, oldest first; only where we add
        self._octets = 0
        self._next = 1

    # -- reading ----------------------------------------------------------------------------------

    def list(self) -> list[Captured]:
        """Return what is captured, newest first."""
        found = (self.get(id_) for id_ in sorted(self._ids(), reverse=True))
        return [entry for entry in found if entry is not None]

    def get(self, id_: str) -> Captured | None:
        """Return the envelope of a message, None where there is none of that id (leading zeros may be left out)."""
        path = self._path(id_, ".json")
        if path is None:
            return None
        try:
            return msgspec.json.decode(path.read_bytes(), type=Captured)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def message(self, id_: str) -> bytes:
        """Return the octets of a message as they came.  Raises KeyError where there is none of that id."""
        path = self._path(id_, ".eml")
        try:
            if path is not None:
                return path.read_bytes()
        except FileNotFoundError:
            pass
        raise KeyError(id_)

    def clear(self) -> int:
        """Remove every message; return how many."""
        ids = self._ids()
        for id_ in ids:
            self._remove(id_)
        return len(ids)

    # -- adding -----------------------------------------------------------------------------------

    def open(self) -> "Capture":
        """Begin a message."""
        if self._index is None:
            self._index = self._load()
        id_ = f"{self._next:06d}"
        self._next += 1
        return Capture(self, id_, self._folder)

    def keep(self, entry: Captured) -> None:
        """Make a written message exist, and let the oldest go where there are too many (called by `Capture`)."""
        assert self._index is not None
        new = self._folder / f"{_NEW}{entry.id}.json"
        new.write_bytes(msgspec.json.encode(entry))
        new.replace(self._folder / f"{entry.id}.json")
        self._index.append((entry.id, entry.size))
        self._octets += entry.size
        while len(self._index) > 1 and (
            len(self._index) > self._max_messages or self._octets > self._max_octets
        ):
            oldest, size = self._index.popleft()
            self._octets -= size
            self._remove(oldest)

    def _load(self) -> deque[tuple[str, int]]:
        """Take stock at the first message: what is there, and away with what a crash left half."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        known = set(self._ids())
        for path in self._folder.iterdir():
            if path.name.startswith(_NEW) or (path.suffix == ".eml" and path.stem not in known):
                path.unlink(missing_ok=True)
        index: deque[tuple[str, int]] = deque()
        for id_ in sorted(known):
            with suppress(FileNotFoundError):
                index.append((id_, (self._folder / f"{id_}.eml").stat().st_size))
        self._octets = sum(size for _, size in index)
        self._next = max((int(id_) for id_ in known), default=0) + 1
        return index

    def _ids(self) -> tuple[str, ...]:
        try:
            return tuple(p.stem for p in self._folder.iterdir() if p.suffix == ".json" and p.stem.isdigit())
        except FileNotFoundError:
            return ()

    def _path(self, id_: str, suffix: str) -> Path | None:
        # Only digits become a path: an id comes from a command line.
        return self._folder / f"{int(id_):06d}{suffix}" if id_.isascii() and id_.isdigit() else None

    def _remove(self, id_: str) -> None:
        for suffix in (".json", ".eml"):  # in this order, so that what is listed can be read
            (self._folder / f"{id_}{suffix}").unlink(missing_ok=True)


class Capture:
    """A message being written: `write` its octets, then `finish` or `discard`."""

    def __init__(self, store: SandboxStore, id_: str, folder: Path) -> None:
        self._store = store
        self._id = id_
        self._folder = folder
        self._path = folder / f"{_NEW}{id_}.eml"
        self._file: BinaryIO = self._path.open("wb")
        self._size = 0
        self._head = b""

    @property
    def head(self) -> bytes:
        """The first octets: at least the header of any sane message."""
        return self._head

    @property
    def message_id(self) -> str:
        """The Message-ID as written, ``""`` where there is none."""
        return facts_of(self._head).message_id

    def write(self, data: bytes) -> None:
        """Append octets."""
        if len(self._head) < _HEAD:
            self._head += data[: _HEAD - len(self._head)]
        self._size += len(data)
        self._file.write(data)

    def finish(self, wrapping: Wrapping, at: float) -> Captured:
        """Keep the message."""
        self._file.close()
        facts = facts_of(self._head)
        entry = Captured(
            id=self._id,
            at=at,
            size=self._size,
            sender=wrapping.sender,
            recipients=wrapping.recipients,
            parts=wrapping.parts,
            subject=facts.subject,
            message_id=facts.message_id,
            helo=wrapping.helo,
            peer=wrapping.peer,
            tls=wrapping.tls,
        )
        self._path.replace(self._folder / f"{self._id}.eml")
        self._store.keep(entry)
        return entry

    def discard(self) -> None:
        """Forget it."""
        self._file.close()
        self._path.unlink(missing_ok=True)
