"""What was mailed on a morning, so that it is mailed once: a small file beside the state.

``DIR/mornings.json`` holds the day that is told of and who was told; it begins anew with each day.
"""

import os

import msgspec

from .layout import Layout


class _Book(msgspec.Struct, frozen=True):
    day: str = ""
    told: tuple[str, ...] = ()


class MorningBook:
    """One reader and writer.  Methods block; they raise OSError.  A damaged file counts as none: a mail may come twice."""

    def __init__(self, layout: Layout) -> None:
        self._path = layout.folder / "mornings.json"

    def told(self, day: str) -> frozenset[str]:
        """Return who was told of `day`."""
        book = self._read()
        return frozenset(book.told) if book.day == day else frozenset()

    def note(self, day: str, name: str) -> None:
        """Note that `name` was told of `day`."""
        told = self.told(day)
        book = _Book(day, tuple(sorted(told | {name})))
        temporary = self._path.with_name(f".mornings.{os.getpid()}")
        with temporary.open("wb") as f:
            os.fchmod(f.fileno(), 0o600)
            f.write(msgspec.json.encode(book))
            f.flush()
            os.fsync(f.fileno())
        temporary.replace(self._path)

    def _read(self) -> _Book:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Book)
        except (FileNotFoundError, msgspec.DecodeError):
            return _Book()
