"""Addresses that mail is not sent to any more, because they proved to be dead.

The flow: a bounce that comes in (`Desk.returned`) is read by the classifier of `trace` and tied to a message that we
really handed over; our own refused deliveries (`Desk.refused`) are counted by day.  `rules` decide, purely, what is
proof enough; then an `Entry` with reason, source and expiry stands on the list.  `Barred` is the list in memory, one
look-up per recipient: reception refuses to take mail for such an address from our own senders, delivery gives up
what was taken before, with a report that says so.  Nothing is dropped in silence, and a person can lift each entry.
"""

from .barred import Barred
from .desk import Desk, History, SentMail, SentTo
from .entry import Entry, Report, Strike, key_of
from .ports import SuppressionStore
from .settings import SuppressionSettings

__all__ = [
    "Barred",
    "Desk",
    "Entry",
    "History",
    "Report",
    "SentMail",
    "SentTo",
    "Strike",
    "SuppressionSettings",
    "SuppressionStore",
    "key_of",
]
