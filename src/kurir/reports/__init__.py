"""Reports about mail, written as mail: the delivery status notifications that the queue owes.

The queue leaves an obligation (`kurir.queue.asks.NoticeWork`); a hand reads as much of the original as `wants_full`
says, calls `render`, and hands `Report.incoming` in like any mail, which closes the obligation.

What others report is read by `read_aggregate` (DMARC) and `read_tls_report` (TLS-RPT), bounded by `ReportLimits`;
`write_aggregate` and `write_tls_report` write ours.
"""

from .dmarc_aggregate import AggregateReport
from .dmarc_read import read_aggregate
from .dmarc_write import pack_aggregate, write_aggregate
from .dsn import Report, render, wants_full
from .morning import Held, Morning, held_mail, owner_mail, summary_mail
from .notice_text import Explain, Sentence
from .settings import Lang, ReportSettings
from .statuses import DETAILS, status_of
from .tlsrpt import TlsReport, read_tls_report
from .tlsrpt_write import Reporter, TlsCount, mail_tls_report, pack_tls_report, read_rua, write_tls_report
from .unpacking import ReportError, ReportLimits

__all__ = [
    "DETAILS",
    "AggregateReport",
    "Explain",
    "Held",
    "Lang",
    "Morning",
    "Report",
    "ReportError",
    "ReportLimits",
    "ReportSettings",
    "Reporter",
    "Sentence",
    "TlsCount",
    "TlsReport",
    "held_mail",
    "mail_tls_report",
    "owner_mail",
    "pack_aggregate",
    "pack_tls_report",
    "read_aggregate",
    "read_rua",
    "read_tls_report",
    "render",
    "status_of",
    "summary_mail",
    "wants_full",
    "write_aggregate",
    "write_tls_report",
]
