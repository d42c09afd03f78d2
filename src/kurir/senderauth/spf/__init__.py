"""SPF (RFC 7208): may this client send for this domain?

`check_mail_from` and `check_helo` take the facts of a connection and a resolver and return an `SpfVerdict`.  `record`
reads a record, strictly and whole; `macro` its macros; `evaluate` walks through it within the limits of `SpfSettings`.
"""

from .evaluate import SpfQuery, check_helo, check_mail_from
from .record import Mechanism, RecordError, SpfRecord, parse_record, spf_texts
from .verdict import SpfIdentity, SpfReason, SpfResult, SpfVerdict

__all__ = [
    "Mechanism",
    "RecordError",
    "SpfIdentity",
    "SpfQuery",
    "SpfReason",
    "SpfRecord",
    "SpfResult",
    "SpfVerdict",
    "check_helo",
    "check_mail_from",
    "parse_record",
    "spf_texts",
]
