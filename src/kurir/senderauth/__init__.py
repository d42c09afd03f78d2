"""Is this sender genuine?  SPF, DMARC, the reverse name of the client, and the field that tells the result.

The flow calls `spf.check_mail_from` at MAIL, the signatures' rooms at the end of data, then `dmarc`, which puts
their results together into what the domain's owner wants; `results` writes the one Authentication-Results field
and removes those that pose as ours.  Everything gets facts and a resolver (`SenderDns`), returns frozen verdicts
with a reason and the key of its sentence, and never raises on what a peer wrote.
"""

from .iprev import ReverseReason, ReverseVerdict, check_reverse
from .ports import SenderDns
from .publicsuffix import PublicSuffixes, SuffixList
from .results import (
    AuthResults,
    MethodResult,
    of_dmarc,
    of_reverse,
    of_spf,
    parse_results,
    posing_spans,
    results_field,
)
from .settings import DmarcSettings, ReverseSettings, SpfSettings

__all__ = [
    "AuthResults",
    "DmarcSettings",
    "MethodResult",
    "PublicSuffixes",
    "ReverseReason",
    "ReverseSettings",
    "ReverseVerdict",
    "SenderDns",
    "SpfSettings",
    "SuffixList",
    "check_reverse",
    "of_dmarc",
    "of_reverse",
    "of_spf",
    "parse_results",
    "posing_spans",
    "results_field",
]
