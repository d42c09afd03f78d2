"""What can be set about suppression.  Times in seconds."""

from dataclasses import dataclass

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class SuppressionSettings:
    """What is proof enough, and for how long.

    Refusals of our own deliveries on `days` different days are proof, so that a mistaken 550 costs little.  An entry
    is `keep` long on the list.  A bounce counts for mail accepted at most `window` ago; so long a refusal counts, too.
    With `automatic` False only persons add entries.
    """

    automatic: bool = True
    days: int = 2
    keep: float = 30 * DAY
    window: float = 14 * DAY
