"""HTTP for operators, on loopback: ``/metrics`` (Prometheus), ``/healthz`` (alive), ``/readyz`` (taking mail).

The application knows only the two callables it is given: one gathers figures, one says whether mail can be
accepted and delivered now.
"""

from .application import Health, make_application
from .metrics import Figures, render

__all__ = ["Figures", "Health", "make_application", "render"]
