"""HTTP: for operators on loopback, and for strangers on ports 80 and 443.

Operators: ``/metrics`` (Prometheus), ``/healthz`` (alive), ``/readyz`` (taking mail); the application knows only the two
callables it is given.  Strangers: `Site` decides what is answered, `PublicServer` carries it.
"""

from .application import Health, make_application
from .autoconfig import MailServers
from .metrics import Figures, render
from .publicserver import PublicServer, PublicSettings
from .site import Request, Response, Site

__all__ = [
    "Figures",
    "Health",
    "MailServers",
    "PublicServer",
    "PublicSettings",
    "Request",
    "Response",
    "Site",
    "make_application",
    "render",
]
