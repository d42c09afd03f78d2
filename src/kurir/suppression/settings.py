"""What can be set about suppression.  Times in seconds."""

from dataclasses import dataclass

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class SuppressionSettings:
    """`days` different days with a refusal of our own deliveries are proof, so that a mistaken 550 costs little; an
    entry is `keep` long on the list; a bounce counts for mail accepted at most `window` ago, and so does a refusal.
    With `automatic` False only persons add entries.
    """

    automatic: bool = True
    days: int = 2
    keep: float = 30 * DAY
    window: float = 14 * DAY
