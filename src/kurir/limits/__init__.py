"""Limits: what others allow us, and how much of it is used.  Pure arithmetic; no clock, no disk.

The atlas knows providers and receivers and says which `Limit`s hold on a road.  Those that can be counted become
`Quota`s, which travel with the plan to the brain; there a `Budget` for each says before a lease whether one
more message fits into its rolling window, and when the next one will.
"""

from .atlas import (
    Access,
    Atlas,
    Contradiction,
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
from .forecast import Step, forecast
from .limit import Beyond, Confidence, Limit, Margins, Per, Quota, Scope, Unit
from .shaping import USUAL_SHAPE, Pace, ShapeSettings, Shift, Signal, Valve
from .size import RoadSize, encoded, unencoded
from .window import RollingWindow

__all__ = [
    "AIR",
    "LONGEST",
    "NEVER",
    "USUAL_SHAPE",
    "Access",
    "Atlas",
    "Beyond",
    "Budget",
    "Budgets",
    "Confidence",
    "Contradiction",
    "Known",
    "Limit",
    "Margins",
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
    "contradictions",
    "encoded",
    "forecast",
    "in_order",
    "is_counted",
    "quota_key",
    "road_size",
    "unencoded",
]
