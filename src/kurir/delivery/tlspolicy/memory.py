"""The ratchet: what was proven once is expected ever after, until DNS or the operator says otherwise.  Pure.

Each function returns the new memory and the alarm that is due, if any.  The same loss is said once a day.
"""

from dataclasses import dataclass, replace

from .facts import Remembered, Strength

ALARM_EVERY = 86_400.0
SEEN_EVERY = 86_400.0  # how exact `seen` is kept: a write to disk a day and host


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that was better before.  `kind`: "encryption_lost", "validity_lost", "sent_clear" or "recovered"."""

    kind: str
    host: str
    domain: str
    at: float
    best: Strength
    since: float
    detail: str = ""


def proved(
    old: Remembered | None,
    host: str,
    domain: str,
    strength: Strength,
    now: float,
    *,
    dane: bool,
    why: str = "",
) -> tuple[Remembered | None, Alarm | None]:
    """An encrypted connection was made.  `dane` says that DNS (still) has usable records for the host.

    Returns None for a memory that need not be written again.
    """
    if old is None:
        return Remembered(host, strength, now, now), None
    best = old.best
    if best is Strength.DANE and not dane:
        best = min(best, max(strength, Strength.ENCRYPTED))  # the records went by their owner's will
    if strength >= best:
        if strength == old.best and not old.lost and now - old.seen < SEEN_EVERY:
            return None, None
        since = old.since if strength == old.best else now
        new = Remembered(host, strength, since, now)
        came_back = (
            Alarm("recovered", host, domain, now, strength, old.lost_since or now) if old.lost else None
        )
        return new, came_back
    if old.lost == "validity" and now - old.alarmed < ALARM_EVERY:
        return None, None
    since = old.lost_since if old.lost == "validity" and old.lost_since is not None else now
    new = replace(old, best=best, lost="validity", lost_since=since, alarmed=now)
    return new, Alarm("validity_lost", host, domain, now, best, since, why)


def missed(
    old: Remembered | None, host: str, domain: str, now: float, *, sent: bool, why: str = ""
) -> tuple[Remembered | None, Alarm | None]:
    """No encryption was to be had.  `sent` says that the mail went in the clear nevertheless, by the rule."""
    if old is None or old.best is Strength.CLEAR:
        return None, None
    since = old.lost_since if old.lost == "encryption" and old.lost_since is not None else now
    if (
        old.lost == "encryption"
        and now - old.alarmed < ALARM_EVERY
        and not (sent and old.alarmed < since + 1)
    ):
        return None, None
    new = replace(old, lost="encryption", lost_since=since, alarmed=now)
    return new, Alarm("sent_clear" if sent else "encryption_lost", host, domain, now, old.best, since, why)
