"""SASL (RFC 4422) without I/O: small objects that are told what the client said and say what is next.

`begin(mechanism, context)` makes one; ``start(initial)`` and ``answer(response)`` return a step:
`Challenge` (send it), `NeedsPassword`, `NeedsToken`, `NeedsCertificate` (the driver checks it), `Success`, or `Failure`.
The object never learns whether a password was right; SCRAM proves it by itself.  The client side, for
smarthosts, is in `client`.
"""

from .bearer import Bearer
from .server import MECHANISMS, SaslContext, ServerMechanism, begin
from .steps import Challenge, Failure, NeedsCertificate, NeedsPassword, NeedsToken, Step, Success

__all__ = [
    "MECHANISMS",
    "Bearer",
    "Challenge",
    "Failure",
    "NeedsCertificate",
    "NeedsPassword",
    "NeedsToken",
    "SaslContext",
    "ServerMechanism",
    "Step",
    "Success",
    "begin",
]
