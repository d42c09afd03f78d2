"""The list in memory: one look-up per recipient, none where it is empty."""

from collections.abc import Callable

from kurir.model import Address

from .entry import Entry, key_of
from .ports import SuppressionStore


class Barred:
    """Addresses that mail is not sent to.  `look` takes in what others have written; call it now and then."""

    def __init__(self, store: SuppressionStore, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._version = -1
        self._entries: dict[str, Entry] = {}

    def look(self) -> None:
        """Read the list anew where it has changed.  Raises `StoreError`."""
        version = self._store.version()
        if version != self._version:
            self._entries = {entry.address: entry for entry in self._store.entries()}
            self._version = version

    def find(self, address: Address) -> Entry | None:
        """Return why mail to `address` is not sent, or None."""
        if not self._entries:
            return None
        entry = self._entries.get(key_of(address))
        return entry if entry is not None and entry.holds(self._now()) else None

    def __len__(self) -> int:
        return len(self._entries)
