"""What integration and interop tests share: a real Kurir in a folder, a recording sink, scripted peers."""

from .kurir import Kurir, free_offset
from .load import Load, arrivals
from .mail import Report, hand_in, login, report, reports, text
from .patience import PATIENCE, TRIES
from .sink import Received, Sink

__all__ = [
    "PATIENCE",
    "TRIES",
    "Kurir",
    "Load",
    "Received",
    "Report",
    "Sink",
    "arrivals",
    "free_offset",
    "hand_in",
    "login",
    "report",
    "reports",
    "text",
]
