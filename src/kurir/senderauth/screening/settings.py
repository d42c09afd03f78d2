"""How long all checks of one message may take together, and what the operator wants done with what they find."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from kurir.senderauth.arc.settings import ArcSettings
from kurir.senderauth.dkim.settings import DkimSettings
from kurir.senderauth.settings import DmarcSettings, ReverseSettings, SpfSettings


@dataclass(frozen=True, slots=True)
class ScreeningSettings:
    """`authserv_id` is our name in Authentication-Results; `ids` (lower case) all names that nobody else may use there.

    `limits_of` makes the bounds of each check from one deadline.
    """

    authserv_id: str
    ids: frozenset[str]
    spf: SpfSettings = field(default_factory=SpfSettings)
    reverse: ReverseSettings = field(default_factory=ReverseSettings)
    dkim: DkimSettings = field(default_factory=DkimSettings)
    arc: ArcSettings = field(default_factory=ArcSettings)
    dmarc: DmarcSettings = field(default_factory=DmarcSettings)

    @staticmethod
    def limits_of(authserv_id: str, deadline: float, *others: str) -> "ScreeningSettings":
        """Return settings under which all checks together end within `deadline` seconds.

        SPF, the reverse name, DKIM and ARC run at the same time and have one half (ARC asks twice, one after the
        other); DMARC, which needs what they proved, has the other half.
        """
        half = deadline / 2
        dkim = DkimSettings(deadline=half)
        return ScreeningSettings(
            authserv_id,
            frozenset(name.lower().rstrip(".") for name in (authserv_id, *others)),
            spf=SpfSettings(deadline=half),
            reverse=ReverseSettings(deadline=half),
            dkim=dkim,
            arc=ArcSettings(keys=replace(dkim, deadline=half / 2)),
            dmarc=DmarcSettings(deadline=half),
        )


Unproven = Literal["accept", "mark", "hold", "refuse"]


@dataclass(frozen=True, slots=True)
class SenderRule:
    """The operator's own rule for mail that names a domain as author and fails DMARC, with the reason in words."""

    unproven: Unproven
    reason: str


@dataclass(frozen=True, slots=True)
class TreatmentSettings:
    """What is done with mail that is not proven.

    `reject` and `quarantine`: where the owner of the author's domain asks for that (DMARC).  `spf_fail`: where SPF
    says "fail", no signature is valid and the owner has made no DMARC rule; ``note`` leaves it at the finding.
    `rules` (by domain, lower-case A-labels; a rule holds for subdomains too) come before the owner's wish.
    `trusted_sealers` are the domains of forwarders whose ARC seals are believed.
    """

    reject: Unproven = "refuse"
    quarantine: Unproven = "mark"
    spf_fail: Literal["note", "mark", "hold", "refuse"] = "mark"
    rules: Mapping[str, SenderRule] = field(default_factory=dict)
    trusted_sealers: frozenset[str] = frozenset()
