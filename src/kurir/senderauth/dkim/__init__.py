"""DKIM (RFC 6376, RFC 8301, RFC 8463): signatures checked and made while a message passes by.

Coming in: `DkimCheck` reads the signatures from the scanned header and orders hashes of the body from `BodyDigests`
(which ARC shares); behind the body, `DkimCheck.verdicts` fetches the keys and judges.  Going out: a `Signer` holds the
keys of a domain, `Signer.begin` starts a message, `Signing.fields` are put in front of it.  `selectors` decides when
keys come into use and go out of it; `record_text` and its siblings write what is published.
"""

from .body import BodyDigest, BodyDigests
from .canon import Canon
from .keylookup import TxtLookup
from .keyrecord import KeyRecord, parse_key_record, record_text, same_key, txt_strings, zone_line
from .results import of_dkim
from .selectors import (
    Decision,
    Plan,
    Selector,
    SelectorState,
    Sighting,
    Step,
    new_name,
    plan_selectors,
    sighting_of,
)
from .settings import DkimSettings, SelectorSettings, SigningSettings
from .signature import Algorithm
from .signing import KeyFileError, Signer, Signing, SigningKey
from .verdict import DkimReason, DkimResult, DkimVerdict
from .verify import DkimCheck, check_message

__all__ = [
    "Algorithm",
    "BodyDigest",
    "BodyDigests",
    "Canon",
    "Decision",
    "DkimCheck",
    "DkimReason",
    "DkimResult",
    "DkimSettings",
    "DkimVerdict",
    "KeyFileError",
    "KeyRecord",
    "Plan",
    "Selector",
    "SelectorSettings",
    "SelectorState",
    "Sighting",
    "Signer",
    "Signing",
    "SigningKey",
    "SigningSettings",
    "Step",
    "TxtLookup",
    "check_message",
    "new_name",
    "of_dkim",
    "parse_key_record",
    "plan_selectors",
    "record_text",
    "same_key",
    "sighting_of",
    "txt_strings",
    "zone_line",
]
