"""What checking a chain may cost."""

from dataclasses import dataclass, field

from kurir.senderauth.dkim.settings import DkimSettings


@dataclass(frozen=True, slots=True)
class ArcSettings:
    """Bounds of one chain (RFC 8617 section 4.2.1: at most 50 sets).

    `older` message signatures below the newest are checked to learn how far back the message is unchanged; 0 for
    none.  `keys` bounds each signature and key as for DKIM.
    """

    sets: int = 50
    older: int = 8
    keys: DkimSettings = field(default_factory=DkimSettings)
