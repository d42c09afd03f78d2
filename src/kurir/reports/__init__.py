"""Reports about mail, written as mail: the delivery status notifications that the queue owes.

The queue leaves an obligation (`kurir.queue.asks.NoticeWork`); a hand reads as much of the original as `wants_full`
says, calls `render`, and hands `Report.incoming` in like any mail, which closes the obligation.
"""

from .dsn import Report, render, wants_full
from .notice_text import Explain, Sentence
from .settings import Lang, ReportSettings
from .statuses import DETAILS, status_of

__all__ = [
    "DETAILS",
    "Explain",
    "Lang",
    "Report",
    "ReportSettings",
    "Sentence",
    "render",
    "status_of",
    "wants_full",
]
