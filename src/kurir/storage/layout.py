"""Where everything lies under the state folder: the one place that knows the names.

::

    DIR/lock                  held by the one writer, its process id inside
    DIR/facts.db              accepted messages that wait, and the totals of all days
    DIR/days/2026-11-23.db    settled mail of one day
    DIR/bodies/NAME           bodies too large for a row
    DIR/observations.db       what was seen at the door
    DIR/accounts.db           who may log in
    DIR/tls.db                what is known about the encryption of other servers
    DIR/reports.db            counts for reports of ours, and what others report
    DIR/suppressions.db       addresses that mail is not sent to, and what bounces said
    DIR/learnt.db             what other servers have told us of their limits
    DIR/keys/                 what is signed with: private keys, their states, the secret of rewritten addresses
"""

import re
from dataclasses import dataclass
from pathlib import Path

_DAY_FILE = re.compile(r"\d{4}-\d{2}-\d{2}\.db")


@dataclass(frozen=True, slots=True)
class Layout:
    """File names under one state folder."""

    folder: Path

    @property
    def lock(self) -> Path:
        """The lock of the one writer."""
        return self.folder / "lock"

    @property
    def facts(self) -> Path:
        """The database of facts."""
        return self.folder / "facts.db"

    @property
    def days(self) -> Path:
        """The folder of day files."""
        return self.folder / "days"

    @property
    def bodies(self) -> Path:
        """The folder of large bodies."""
        return self.folder / "bodies"

    @property
    def observations(self) -> Path:
        """The database of observations."""
        return self.folder / "observations.db"

    @property
    def accounts(self) -> Path:
        """The database of accounts."""
        return self.folder / "accounts.db"

    @property
    def tls(self) -> Path:
        """The database of what is known about the encryption of other servers."""
        return self.folder / "tls.db"

    @property
    def reports(self) -> Path:
        """The database of reports: what ours will say, and what others said."""
        return self.folder / "reports.db"

    @property
    def suppressions(self) -> Path:
        """The database of addresses that mail is not sent to."""
        return self.folder / "suppressions.db"

    @property
    def learnt(self) -> Path:
        """The database of what other servers have told us of their limits."""
        return self.folder / "learnt.db"

    @property
    def keys(self) -> Path:
        """The folder of keys."""
        return self.folder / "keys"

    def day(self, day: str) -> Path:
        """Return the file of one day, ``"YYYY-MM-DD"``."""
        return self.days / f"{day}.db"

    def day_files(self) -> dict[str, Path]:
        """Return the day files that exist, by day, oldest first."""
        if not self.days.is_dir():
            return {}
        found = sorted(p for p in self.days.iterdir() if _DAY_FILE.fullmatch(p.name))
        return {p.stem: p for p in found}
