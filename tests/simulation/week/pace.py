"""How soon many weeks ended beside their best plans, in a few lines: what `scripts/simulate --week` says of the time.

Two measures, both of weeks in which all that is allowed was known beforehand.  That of a *week* is its whole time, from the first
mail to the last.  Mail comes on all days, so it says little more than that nothing stays behind.  The other one is that
of each *campaign*, from when it was handed in; it is what the rules judge, with allowances for those that take seconds, for a
second road and for kills.
"""

from collections import Counter

from tests.simulation.world import Result

from .rules import WITHIN


class Pace:
    """The sums over all weeks so far."""

    def __init__(self) -> None:
        self.weeks = 0
        self.late: list[int] = []
        """Seeds of the weeks that took longer as a whole than `WITHIN` of the best time."""
        self._worst, self._seed = 0.0, 0
        self._campaigns = Counter[str]()

    def add(self, result: Result) -> None:
        """Count one more."""
        figures = result.figures
        self._campaigns.update({k: v for k, v in figures.items() if k.startswith("campaigns")})
        if not figures["week best"]:
            return
        self.weeks += 1
        part = figures["week took"] / figures["week best"]
        if part > WITHIN:
            self.late.append(result.seed)
        if part > self._worst:
            self._worst, self._seed = part, result.seed

    def lines(self) -> list[str]:
        """Say it."""
        sums = self._campaigns
        if not self.weeks:
            return ["time: no week in which all that is allowed was known beforehand"]
        late, minutes = sums["campaigns late"], sums["campaigns minutes late"]
        return [
            (
                f"time of the whole week: {self.weeks} judged, {len(self.late)} took more than {WITHIN - 1:.0%} longer than"
                f" the best plan; the longest {self._worst - 1:+.2%}, seed {self._seed}"
            ),
            (
                f"time of a campaign: {sums['campaigns']} judged, {late} took more than {WITHIN - 1:.0%} longer"
                f" ({minutes} by three minutes more than that); beyond what is allowed {sums['campaigns broken']}"
            ),
        ]
