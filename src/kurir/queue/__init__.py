"""The queue: what was accepted, when it is tried, and what became of it.

A message comes in through `Brain.accept`, is committed together with whatever else is pending, and gets its
number.  Each recipient is an *errand*: it gets a plan (which roads lead there), stands in the queue of a
site, is leased to a hand, and comes back with an outcome; the outcome is its fate, or a date for the next
try.  Every change of state is one `Change` with its events and its duties to report.  The room knows
envelopes, times and outcomes, not how mail travels; it owns no socket, no clock and no dice.

From top to bottom; a part may use those below it:

====================  =================================================================================================
doors                 `asks` what is said, `ports` who keeps facts and who does the work, `settings`, `figures` for metrics
`brain`               who is called; with `milestones` (what happens by age alone) and `turning` (a road broke or is back)
`operating`           what people do, see and are foretold
`turns`               who is next: plans, sites and their health, work given to hands
`outcomes`            how it ended, and who has to be told
`pacing`              limits of others, and slowness after trouble
`taking`              mail comes in and is made durable; read back after a start
`roads`               which of several roads, and how they are
`waiting`             messages, recipients, and until when they wait
====================  =================================================================================================
"""

from .asks import (
    Accepted,
    Busy,
    Incoming,
    Lease,
    NoticeReason,
    NoticeWork,
    Obstacle,
    ObstacleKind,
    Plan,
    PlanRequest,
    Refused,
    Road,
    Settlement,
    Work,
)
from .brain import Brain
from .figures import Figures
from .operating.forecasts import Forecast, Passage, Share
from .operating.operate import Operated
from .operating.overview import LimitState, SiteState, Waiting
from .operating.roadview import RoadChoice, RoadState
from .pacing.shaping import PaceState, per_minute
from .ports import Hand, Store, StoreError, StoreFull
from .roads.breaker import Health
from .roads.roadbook import Turn
from .settings import QueueSettings

__all__ = [
    "Accepted",
    "Brain",
    "Busy",
    "Figures",
    "Forecast",
    "Hand",
    "Health",
    "Incoming",
    "Lease",
    "LimitState",
    "NoticeReason",
    "NoticeWork",
    "Obstacle",
    "ObstacleKind",
    "Operated",
    "PaceState",
    "Passage",
    "Plan",
    "PlanRequest",
    "QueueSettings",
    "Refused",
    "Road",
    "RoadChoice",
    "RoadState",
    "Settlement",
    "Share",
    "SiteState",
    "Store",
    "StoreError",
    "StoreFull",
    "Turn",
    "Waiting",
    "Work",
    "per_minute",
]
