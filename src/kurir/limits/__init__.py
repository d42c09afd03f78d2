"""Limits: what others allow us, and how much of it is used.  Pure arithmetic; no clock, no disk.

The atlas knows providers and receivers and says which `Limit`s hold on a road.  Those that can be counted become
`Quota`s, which travel with the plan to the brain; there a `Budget` for each says before a lease whether one
more message fits into its rolling window, and when the next one will.  What the other side tells of its limits is `Learnt`, what its
answers show of its strength is a `Pace`.
"""

from .atlas import (
    AT,
    Access,
    Atlas,
    Contradiction,
    Includes,
    Known,
    Receiver,
    Smarthost,
    contradictions,
    in_order,
    is_counted,
    quota_key,
    road_size,
)
from .budget import AIR, LONGEST, NEVER, Budget, Budgets
from .forecast import Lane, Step, departures, forecast, merged, soonest
from .learnt import HELLO, Learnt, Lesson, LessonStore, overlay
from .limit import Beyond, Confidence, Limit, Margins, Per, Quota, Scope, Unit, Wait
from .naming import LimitNames, Named
from .said import limits_said
from .shaping import USUAL_SHAPE, Mark, Pace, ShapeSettings, Shift, Signal, Valve
from .size import RoadSize, encoded, unencoded
from .warmup import WARM_UP, midnight, warm_up, warmed
from .window import RollingWindow

__all__ = [
    "AIR",
    "AT",
    "HELLO",
    "LONGEST",
    "NEVER",
    "USUAL_SHAPE",
    "WARM_UP",
    "Access",
    "Atlas",
    "Beyond",
    "Budget",
    "Budgets",
    "Confidence",
    "Contradiction",
    "Includes",
    "Known",
    "Lane",
    "Learnt",
    "Lesson",
    "LessonStore",
    "Limit",
    "LimitNames",
    "Margins",
    "Mark",
    "Named",
    "Pace",
    "Per",
    "Quota",
    "Receiver",
    "RoadSize",
    "RollingWindow",
    "Scope",
    "ShapeSettings",
    "Shift",
    "Signal",
    "Smarthost",
    "Step",
    "Unit",
    "Valve",
    "Wait",
    "contradictions",
    "departures",
    "encoded",
    "forecast",
    "in_order",
    "is_counted",
    "limits_said",
    "merged",
    "midnight",
    "overlay",
    "quota_key",
    "road_size",
    "soonest",
    "unencoded",
    "warm_up",
    "warmed",
]
