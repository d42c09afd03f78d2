"""Is this sender genuine?  SPF, DMARC, the reverse name of the client, and the field that tells the result.

The flow calls `spf.check_mail_from` at MAIL, the signatures' rooms at the end of data, then `dmarc`, which puts
their results together into what the domain's owner wants; `results` writes the one Authentication-Results field
and removes those that pose as ours.  Everything gets facts and a resolver (`SenderDns`), returns frozen verdicts
with a reason and the key of its sentence, and never raises on what a peer wrote.
"""

from .ports import SenderDns
from .settings import DmarcSettings, SpfSettings

__all__ = ["DmarcSettings", "SenderDns", "SpfSettings"]
