"""What a report says about the server that writes it."""

from dataclasses import dataclass
from typing import Literal

Lang = Literal["en", "id"]


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """Who reports, in which languages, and how much of the original comes back.

    `hostname` is the reporting MTA; `domain` that of the ``MAILER-DAEMON`` and ``postmaster`` addresses (A-labels).
    `languages` in the order in which they are written.  `max_headers` and `max_full` are octets of the
    returned header block and, for RET=FULL, of the returned message; above `max_full` headers alone are returned.
    `max_reply` is how many characters of the other server's words are quoted.
    """

    hostname: str
    domain: str
    languages: tuple[Lang, ...] = ("en", "id")
    max_headers: int = 64 * 1024
    max_full: int = 1024 * 1024
    max_reply: int = 1_000
    offset_minutes: int = 0
