"""Being built."""

from .accounts import SqliteAccounts
from .bodies import FileBodies
from .days import DayMover
from .facts import SqliteFacts
from .layout import Layout
from .lock import StateLock, StateLocked
from .observations import SqliteObservations
from .reading import StoredBodies
from .settings import BodySettings, DaySettings, FactsSettings, ObservationSettings
