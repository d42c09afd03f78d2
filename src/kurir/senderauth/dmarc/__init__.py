"""DMARC (RFC 9989): does the name in From belong to whoever sent this, and what if not?

`author_of` reads From; `check` finds the owner's record (`discovery`: the tree walk), compares the author with the
domains that SPF and DKIM proved (`Proven`), and returns a `DmarcVerdict` with what the owner wants and what is done.
`record` reads records; they are also what the reports room needs to know who wants reports.
"""

from .author import Author, AuthorProblem, author_in, author_of
from .destinations import destinations
from .discovery import Discovery, DnsFailed, Organization, walk_names
from .evaluate import Proven, aligned_strictly, check
from .record import DmarcRecord, Policy, ReportUri, dmarc_texts, parse_record
from .verdict import DmarcReason, DmarcResult, DmarcVerdict, Override, OverrideType

__all__ = [
    "Author",
    "AuthorProblem",
    "Discovery",
    "DmarcReason",
    "DmarcRecord",
    "DmarcResult",
    "DmarcVerdict",
    "DnsFailed",
    "Organization",
    "Override",
    "OverrideType",
    "Policy",
    "Proven",
    "ReportUri",
    "aligned_strictly",
    "author_in",
    "author_of",
    "check",
    "destinations",
    "dmarc_texts",
    "parse_record",
    "walk_names",
]
