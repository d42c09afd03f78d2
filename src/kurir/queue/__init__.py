"""The queue: what was accepted, when it is tried, and what became of it.

A message comes in through `Brain.accept`, is committed together with whatever else is pending, and gets its
number.  Each recipient is an *errand*: it gets a plan (which roads lead there), stands in the queue of a
site, is leased to a hand, and comes back with an outcome; the outcome is its fate, or a date for the next
try.  Every change of state is one `Change` with its events and its duties to report.  The room knows
envelopes, times and outcomes, not how mail travels; it owns no socket, no clock and no dice.

====================  =================================================================================================
doors                 `asks` what is said, `ports` who keeps facts and who does the work, `brain` who is called
taking mail           `intake`, `commit` (one sync for all that is pending), `restore` after a start
what waits            `book` and its calendars (`wheel`, `milestones`), `state`, `steady` (time that does not jump)
who is next           `plans`, `schedule`, `sites` (each a `site`), `streak`
what is out           `leasing` gives work to hands, a `lease` each; `latecomers` come back when theirs is over
health of a site      `judge` (it rests after failures), `neighbours`, `stranded` (who waits for it)
how it ended          `settle`, `retry` (pure), `duties` (who is told) and `notices`
limits of others      `paced`, `debits`, `acquaintances`; `shaping` after trouble (`pacememory`); `outlook` foretells
several roads         `trouble` (what an outcome says of a road), `breaker`, `roadbook`, `choice`, `alternatives`, `turning`
people                `operate` what they do, `overview` and `roadview` what they see, `figures` for metrics
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
from .breaker import Health
from .figures import Figures
from .operate import Operated
from .outlook import Forecast, Passage, Share
from .overview import LimitState, SiteState, Waiting
from .ports import Hand, Store, StoreError, StoreFull
from .roadbook import Turn
from .roadview import RoadChoice, RoadState
from .settings import QueueSettings
from .shaping import PaceState, per_minute

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
