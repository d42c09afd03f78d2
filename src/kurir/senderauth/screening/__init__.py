"""One message from a stranger, put to all checks at once: what is proven, and what is done with it.

`Screener.begin` reads the header and orders the hashes of the body; the body passes by `Screening.feed`; behind it,
`Screening.findings` asks the DNS (SPF, DKIM, ARC and the reverse name at the same time, then DMARC).  `treat` is the
policy: a pure function from `Findings` and the operator's `TreatmentSettings` to a `Treatment`.  A name service that
does not answer is never a reason to refuse: it is a finding (temperror), and the message is taken.
"""

from .check import Screener, Screening
from .findings import Findings
from .settings import ScreeningSettings, SenderRule, TreatmentSettings
from .treatment import Action, Treatment, TreatmentReason, treat

__all__ = [
    "Action",
    "Findings",
    "Screener",
    "Screening",
    "ScreeningSettings",
    "SenderRule",
    "Treatment",
    "TreatmentReason",
    "TreatmentSettings",
    "treat",
]
