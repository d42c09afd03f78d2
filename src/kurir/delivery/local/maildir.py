"""Delivery into Maildir folders: ``<root>/<domain>/<local part>/{tmp,new,cur}``.

Rule: a message is complete and synced in ``tmp`` before it appears in ``new``, and the folder itself is
synced before the delivery counts (<https://cr.yp.to/proto/maildir.html>).  A batch shares its folder
syncs.  The file name is made from the delivery itself (when, number, recipient, checksum), so that a repeat
after a crash finds its own file and makes no second copy.  Everything here blocks: it runs in a thread.
"""

import errno
import hashlib
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from kurir.model import Address, Cause, Clock, Outcome, OutcomeKind, Stage

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_-")
_MAX_NAME = 200  # a file name has at most 255 octets
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# What mail programs make of a message that was looked at; listing a large ``cur`` would cost too much.
_USUAL_FLAGS = ("", ":2,", ":2,S", ":2,RS", ":2,FS", ":2,ST", ":2,T")
_FOLDER_MODE = 0o700
_FILE_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Letter:
    """One copy to be stored: for whom, and the octets in order (fields in front, then the message)."""

    token: str
    recipient: Address
    pieces: Sequence[bytes]


@dataclass(slots=True)
class _Open:
    """A large letter that is still being written."""

    letter: Letter
    box: Path
    path: Path
    fd: int


def safe_name(text: str) -> str:
    """Return `text` as one path component: lower case, all but ``[a-z0-9_-]`` and inner dots percent-encoded."""
    octets = text.lower().encode("utf-8", "surrogatepass")
    out = "".join(
        chr(c)
        if c in _PLAIN or (c == 0x2E and 0 < i < len(octets) - 1 and octets[i - 1] != 0x2E)
        else f"%{c:02X}"
        for i, c in enumerate(octets)
    )
    if len(out) > _MAX_NAME:
        out = out[: _MAX_NAME - 33] + "%" + hashlib.sha256(octets).hexdigest()[:32]
    return out or "%"


def token(number: int, index: int, accepted_at: float, sha256: bytes) -> str:
    """Name one delivery: the same message and recipient give the same token, nothing else ever does."""
    seconds, fraction = divmod(accepted_at, 1)
    return f"{int(seconds)}.M{int(fraction * 1e6)}K{number}I{index}H{sha256[:6].hex()}"


def front(reverse_path: Address | None, recipient: Address) -> bytes:
    """Return the fields that final delivery puts in front (RFC 5321 section 4.4, RFC 9228)."""
    return_path = str(reverse_path) if reverse_path else ""
    return f"Return-Path: <{return_path}>\r\nDelivered-To: {recipient}\r\n".encode()


@dataclass(slots=True)
class Maildir:
    """A tree of Maildirs.  `kind` is what a stored copy counts as (delivered, or captured by a sandbox)."""

    root: Path
    clock: Clock
    host: str
    kind: OutcomeKind = OutcomeKind.DELIVERED
    road: str = "local"
    _made: set[Path] = field(default_factory=set)

    def box(self, recipient: Address) -> Path:
        """Return the folder of an address; it is always two levels below the root."""
        domain = safe_name(recipient.domain or "postmaster")
        return self.root / domain / safe_name(recipient.local)

    def deliver(self, letters: Iterable[Letter]) -> list[Outcome]:
        """Store letters; return one outcome each, in order.  Nothing counts before its folder is synced."""
        outcomes: list[Outcome | None] = []
        moved: dict[Path, dict[int, str]] = {}
        for place, letter in enumerate(letters):
            outcomes.append(None)
            try:
                box = self._prepared(letter.recipient)
                if not self._stored(box, letter):
                    path, fd = self._create(box, letter)
                    try:
                        try:
                            for piece in letter.pieces:
                                _write_all(fd, piece)
                            os.fsync(fd)
                        finally:
                            os.close(fd)
                        path.rename(box / "new" / path.name)
                    except OSError:
                        path.unlink(missing_ok=True)
                        raise
                moved.setdefault(box / "new", {})[place] = self._name(letter)
            except OSError as error:
                self._made.discard(self.box(letter.recipient))
                outcomes[place] = self._deferred(error)
        for folder, places in moved.items():
            outcome = self._synced(folder, places.values())
            for place in places:
                outcomes[place] = outcome
        return [outcome for outcome in outcomes if outcome is not None]

    def begin(self, letters: Sequence[Letter]) -> "LargeDelivery":
        """Start storing copies whose body comes in pieces."""
        return LargeDelivery(self, letters)

    def _prepared(self, recipient: Address) -> Path:
        box = self.box(recipient)
        if box not in self._made or not (box / "new").is_dir():
            for folder in (box / "tmp", box / "cur", box / "new"):
                _make(folder, self.root)
            self._made.add(box)
        return box

    def _stored(self, box: Path, letter: Letter) -> bool:
        """Whether an earlier, interrupted attempt has stored this very letter already."""
        name = self._name(letter)
        cur = box / "cur"
        return (box / "new" / name).exists() or any((cur / (name + flags)).exists() for flags in _USUAL_FLAGS)

    def _name(self, letter: Letter) -> str:
        host = self.host.replace("/", "\\057").replace(":", "\\072")
        return f"{letter.token}.{host}"

    def _create(self, box: Path, letter: Letter) -> tuple[Path, int]:
        path = box / "tmp" / self._name(letter)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        return path, os.open(path, flags, _FILE_MODE)

    def _synced(self, folder: Path, names: Iterable[str]) -> Outcome:
        try:
            _sync_folder(folder)
        except OSError as error:
            # A second fsync may succeed without having written anything: the copies go, and are written anew.
            for name in names:
                with suppress(OSError):
                    (folder / name).unlink()
            return self._deferred(error)
        return Outcome(
            kind=self.kind, cause=self._cause(), at=self.clock.now(), stage=Stage.STORE, road=self.road
        )

    def _cause(self) -> Cause:
        return Cause.SANDBOX if self.kind is OutcomeKind.CAPTURED else Cause.OK

    def _deferred(self, error: OSError) -> Outcome:
        full = error.errno in _FULL
        where = f" ({error.filename})" if error.filename else ""
        return Outcome(
            kind=OutcomeKind.DEFERRED,
            cause=Cause.DISK_FULL if full else Cause.STORAGE_FAILED,
            at=self.clock.now(),
            stage=Stage.STORE,
            road=self.road,
            detail=f"the mailbox could not be written: {error.strerror or error}{where} (4.2.0)",
        )


class LargeDelivery:
    """Copies of one large message being written side by side: `write` pieces, then `finish` or `discard`."""

    def __init__(self, maildir: Maildir, letters: Sequence[Letter]) -> None:
        self._maildir = maildir
        self._letters = letters
        self._open: dict[int, _Open] = {}
        self._done: dict[int, Outcome] = {}
        self._already: dict[int, Path] = {}
        for place, letter in enumerate(letters):
            try:
                box = maildir._prepared(letter.recipient)  # noqa: SLF001  # two halves of one delivery
                if maildir._stored(box, letter):  # noqa: SLF001
                    self._already[place] = box / "new"
                    continue
                path, fd = maildir._create(box, letter)  # noqa: SLF001
                self._open[place] = _Open(letter, box, path, fd)
                for piece in letter.pieces:
                    _write_all(fd, piece)
            except OSError as error:
                self._fail(place, error)

    def write(self, data: bytes) -> None:
        """Append to every copy."""
        for place, copy in list(self._open.items()):
            try:
                _write_all(copy.fd, data)
            except OSError as error:
                self._fail(place, error)

    def finish(self) -> list[Outcome]:
        """Sync, move into place, sync the folders; return one outcome for each letter, in order."""
        folders = dict(self._already)
        for place, copy in list(self._open.items()):
            try:
                os.fsync(copy.fd)
                copy.path.rename(copy.box / "new" / copy.path.name)
            except OSError as error:
                self._fail(place, error)
            else:
                os.close(copy.fd)
                del self._open[place]
                folders[place] = copy.box / "new"
        names: dict[Path, list[str]] = {}
        for place, folder in folders.items():
            names.setdefault(folder, []).append(self._maildir._name(self._letters[place]))  # noqa: SLF001
        synced = {folder: self._maildir._synced(folder, its) for folder, its in names.items()}  # noqa: SLF001
        self._done |= {place: synced[folder] for place, folder in folders.items()}
        return [self._done[place] for place in range(len(self._letters))]

    def discard(self) -> None:
        """Remove what was written."""
        for copy in self._open.values():
            os.close(copy.fd)
            copy.path.unlink(missing_ok=True)
        self._open.clear()

    def _fail(self, place: int, error: OSError) -> None:
        copy = self._open.pop(place, None)
        if copy is not None:
            os.close(copy.fd)
            copy.path.unlink(missing_ok=True)
        self._done[place] = self._maildir._deferred(error)  # noqa: SLF001


def _make(folder: Path, root: Path) -> None:
    """Make a folder and its parents below `root`, and sync each parent that got a new entry."""
    if folder.is_dir():
        return
    parent = folder.parent
    if parent != folder and (folder != root):
        _make(parent, root)
    try:
        folder.mkdir(_FOLDER_MODE)
    except FileExistsError:
        return
    _sync_folder(parent)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
