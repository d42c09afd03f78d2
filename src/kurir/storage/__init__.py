"""Where everything is kept: SQLite, body files, memory.  A backend behind the ports of the rooms above it.

The brain's `SqliteFacts` makes a batch of changes durable with one sync.  Large bodies stream into
`FileBodies` before the row that names them; `StoredBodies` reads bodies back for delivery and checks them.
When the last recipient of a message has ended and nothing is owed any more, `DayMover` moves it into the file
of that day, closes days with sealed books, and drops the oldest.  `audit` proves from all of that that nothing
disappeared.  `TraceReader` answers questions, `erase` forgets a person.  Observations, accounts, the suppression list
and what is known about TLS have files of their own, so that neither a flood nor a login touches the queue.

====================  =================================================================================================
how                   `database` (WAL, synced), `layout` (names of files), `lock` (one writer), `rows` (and values)
mail                  `facts`, `checkpoint`, `bodies`, `reading` (bodies), `days`, `totals` (their books), `memory` (for tests)
looking               `reader` (trace), `waiting` (queue), `observations`
proof                 `audit`, `checks`, `problems`
other files           `accounts`, `keys`, `certificates`, `suppressions`, `tls`, `learnt`, `reports`, `mornings`
forgetting            `erase`
====================  =================================================================================================
"""

from .accounts import SqliteAccounts
from .audit import audit
from .bodies import FileBodies
from .certificates import CertificateFolder, RenewalState
from .checkpoint import CheckpointReport
from .database import NoDatabase
from .days import DayMover
from .erase import EraseReport, erase
from .facts import SqliteFacts
from .keys import KeyFolder
from .layout import Layout
from .learnt import SqliteLearnt
from .lock import StateLock, StateLocked
from .memory import MemoryAccounts, MemoryBodies, MemoryFacts
from .mornings import MorningBook
from .observations import SqliteObservations
from .problems import AuditProblem, AuditReport
from .reader import StoredTrace, TraceQuery, TraceReader, TraceSummary
from .reading import StoredBodies
from .reports import SqliteReports
from .settings import BodySettings, DaySettings, FactsSettings, ObservationSettings
from .suppressions import SqliteSuppressions
from .tls import SqliteTls
from .waiting import WaitingPage, head, waiting

__all__ = [
    "AuditProblem",
    "AuditReport",
    "BodySettings",
    "CertificateFolder",
    "CheckpointReport",
    "DayMover",
    "DaySettings",
    "EraseReport",
    "FactsSettings",
    "FileBodies",
    "KeyFolder",
    "Layout",
    "MemoryAccounts",
    "MemoryBodies",
    "MemoryFacts",
    "MorningBook",
    "NoDatabase",
    "ObservationSettings",
    "RenewalState",
    "SqliteAccounts",
    "SqliteFacts",
    "SqliteLearnt",
    "SqliteObservations",
    "SqliteReports",
    "SqliteSuppressions",
    "SqliteTls",
    "StateLock",
    "StateLocked",
    "StoredBodies",
    "StoredTrace",
    "TraceQuery",
    "TraceReader",
    "TraceSummary",
    "WaitingPage",
    "audit",
    "erase",
    "head",
    "waiting",
]
