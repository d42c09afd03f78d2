"""ARC (RFC 8617): chains of seals validated, and extended when a message is forwarded.

Coming in: `ArcCheck` reads the sets and shares the body hashes with DKIM; `ArcCheck.verdict` says whether the chain is
whole, who sealed it and what they found: a trusted forwarder's word counts where it broke DKIM.  Going out: a
`Sealer` adds a set from what this server itself wrote about the message (`own_results`).
"""

from .results import OwnResults, of_arc, own_results
from .seal import Sealer, Sealing
from .settings import ArcSettings
from .verdict import ArcHop, ArcReason, ArcResult, ArcVerdict
from .verify import ArcCheck, check_message

__all__ = [
    "ArcCheck",
    "ArcHop",
    "ArcReason",
    "ArcResult",
    "ArcSettings",
    "ArcVerdict",
    "OwnResults",
    "Sealer",
    "Sealing",
    "check_message",
    "of_arc",
    "own_results",
]
