"""What suppression asks of storage."""

from collections.abc import Sequence
from typing import Protocol

from .entry import Entry, Report, Strike


class SuppressionStore(Protocol):
    """The list and its evidence; thread-safe.  Raises `StoreError`."""

    def version(self) -> int:
        """Return a number that changes when anybody has written to the list."""
        ...

    def entries(self) -> Sequence[Entry]:
        """Return the list, expired entries too."""
        ...

    def put(self, entry: Entry) -> None:
        """Add or replace an entry; durable when it returns."""
        ...

    def remove(self, address: str) -> bool:
        """Take an address off the list, and forget its strikes; False where it was not on it."""
        ...

    def strike(self, strike: Strike, since: str) -> int:
        """Note a strike (one a day counts); return how many days of strikes there are from the day `since` on."""
        ...

    def report(self, report: Report) -> bool:
        """Note what came back; False where it is known already."""
        ...

    def reports(self, number: int) -> Sequence[Report]:
        """Return what came back for a message, the oldest first."""
        ...

    def forget(self, before: float) -> None:
        """Remove what is older: expired entries, strikes, reports."""
        ...
