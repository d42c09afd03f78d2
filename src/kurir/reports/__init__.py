"""Reports about mail: the delivery status notifications that the queue owes, and what servers tell each other.

The queue leaves an obligation (`kurir.queue.asks.NoticeWork`); a hand reads as much of the original as `wants_full`
says, calls `render`, and hands `Report.incoming` in like any mail, which closes the obligation.

DMARC (RFC 9990) and TLS (RFC 8460) go both ways.  Out: what mail proved is counted (`seen`, `Tally`), a day becomes
`aggregates`, each a mail (`mail_aggregate`); TLS alike (`write_tls_report`).  In: `read_report_mail` recognises what
others report, complaints (RFC 5965) too, bounded by `ReportLimits`; `digest` makes of many DMARC reports who sends as us.
"""

from .arf import Feedback, read_feedback
from .arriving import read_any, read_report, read_report_mail, returned_ids
from .dmarc_aggregate import AggregateReport, AuthResult, PublishedPolicy, Row
from .dmarc_digest import Advice, Digest, Source, Standing, advice, digest, judge
from .dmarc_mail import AggregateMail, aggregates, mail_aggregate
from .dmarc_read import read_aggregate
from .dmarc_seen import Tally, seen
from .dmarc_write import pack_aggregate, write_aggregate
from .dsn import Report, render, wants_full
from .morning import Held, Morning, held_mail, owner_mail, summary_mail
from .notice_text import Explain, Sentence
from .ports import (
    Complaint,
    DmarcSeen,
    KeptAggregate,
    KeptTls,
    ReceivedReports,
    ResultKey,
    SeenStore,
    SentReport,
)
from .settings import Lang, ReportSettings
from .statuses import DETAILS, status_of
from .tlsrpt import TlsReport, read_tls_report
from .tlsrpt_write import Reporter, mail_tls_report, pack_tls_report, read_rua, write_tls_report
from .unpacking import ReportError, ReportLimits

__all__ = [
    "DETAILS",
    "Advice",
    "AggregateMail",
    "AggregateReport",
    "AuthResult",
    "Complaint",
    "Digest",
    "DmarcSeen",
    "Explain",
    "Feedback",
    "Held",
    "KeptAggregate",
    "KeptTls",
    "Lang",
    "Morning",
    "PublishedPolicy",
    "ReceivedReports",
    "Report",
    "ReportError",
    "ReportLimits",
    "ReportSettings",
    "Reporter",
    "ResultKey",
    "Row",
    "SeenStore",
    "SentReport",
    "Sentence",
    "Source",
    "Standing",
    "Tally",
    "TlsReport",
    "advice",
    "aggregates",
    "digest",
    "held_mail",
    "judge",
    "mail_aggregate",
    "mail_tls_report",
    "owner_mail",
    "pack_aggregate",
    "pack_tls_report",
    "read_aggregate",
    "read_any",
    "read_feedback",
    "read_report",
    "read_report_mail",
    "read_rua",
    "read_tls_report",
    "render",
    "returned_ids",
    "seen",
    "status_of",
    "summary_mail",
    "wants_full",
    "write_aggregate",
    "write_tls_report",
]
