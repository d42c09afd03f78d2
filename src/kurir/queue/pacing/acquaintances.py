"""Whom an account has written to lately: a provider that limits *new* recipients does not count those again.

Rules
1. Only mail that was taken makes somebody known; until then, and where nobody can tell, a recipient is new.  So there may be
   too many new ones in our count, never too few.
2. Known is who was written to within `KNOWN_DAYS`.  Kept is a hash of the address and the day, beside the debits of the same budget, which are forgotten by their age alike.
3. Memory is bounded: at `MOST`, those who were met first are new again.
"""

from collections.abc import Iterable
from hashlib import blake2b

from kurir.limits import Unit
from kurir.model import Recipient
from kurir.queue.asks import Road
from kurir.queue.ports import Debit

KNOWN = "known/"
"""How the keys begin under which acquaintances are stored: ``known/<budget>#<hash>``."""
KNOWN_DAYS = 30
MOST = 200_000
_DAY = 86_400_000  # milliseconds


def person_of(recipient: Recipient) -> int:
    """Return the hash of an address, as it is spelt: another spelling is somebody new."""
    digest = blake2b(str(recipient.address).encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big")


class Acquaintances:
    """Who is known, by budget."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._met: dict[tuple[str, int], int] = {}  # the day, counted from 1970; those met first come first

    def load(self, debits: Iterable[Debit]) -> list[Debit]:
        """Take what is stored of acquaintances; return the other debits."""
        others = []
        for debit in sorted(debits, key=lambda d: d.at):
            if not debit.key.startswith(KNOWN):
                others.append(debit)
                continue
            budget, _, person = debit.key.removeprefix(KNOWN).rpartition("#")
            self._note((budget, int(person, 16)), debit.at // _DAY)
        return others

    def knows(self, budget: str, person: int, now: float) -> bool:
        """Whether somebody was written to lately."""
        day = self._met.get((budget, person))
        return day is not None and day > int(now * 1000) // _DAY - KNOWN_DAYS

    def met(self, budget: str, person: int, now: float) -> Debit | None:
        """Somebody took mail; return what to store of that, once a day."""
        at = int(now * 1000)
        day = at // _DAY
        if self._met.get((budget, person)) == day:
            return None
        self._note((budget, person), day)
        return Debit(f"{KNOWN}{budget}#{person:016x}", day * _DAY, 1)

    def _note(self, key: tuple[str, int], day: int) -> None:
        self._met.pop(key, None)
        self._met[key] = day
        if len(self._met) > self._most:
            del self._met[next(iter(self._met))]


def meets(road: Road) -> tuple[str, ...]:
    """Return the keys of the budgets of `road` that count new recipients."""
    return tuple(q.key for q in road.quotas if q.unit is Unit.NEW_RECIPIENTS)


def those_known(site: str) -> str:
    """Return the key of the queue of those who are not new at `site`."""
    return f"{site} known"
