"""What is known of roads outlives a restart: which are broken, since when, and from when on they may be probed.

Rules
1. It is written when a road breaks, when a probe failed (its rest is longer then), and when it is back: never per message.
2. After a crash a broken road rests on as before, so that mail which failed there does not try it a second time.
3. After an orderly end it may be probed at once: whoever stopped us may have mended it.
4. Words of a peer are not kept: they may name a person.
5. A road that leads to another server now is another road: nothing is kept of the one before.  Where that was broken, it counts as back.
6. Troubles that had not broken anything yet, and proofs of a road that is coming back, are forgotten.
"""

from msgspec import structs

from kurir.model import Cause, Outcome, OutcomeKind, Stage
from kurir.queue.ports import Change, RoadRecord, Store
from kurir.queue.settings import QueueSettings
from kurir.queue.waiting.steady import Steady

from .breaker import Breaker, Health
from .roadbook import REMEMBERED, Roadbook


def news(roads: Roadbook, steady: Steady) -> Change:
    """Return what has to be kept of roads since this was last asked."""
    keys, roads.unkept = sorted(roads.unkept), set()
    return Change(events=(), roads=tuple([_record(roads, key, steady) for key in keys]))


def testament(roads: Roadbook, steady: Steady) -> Change | None:
    """Return what the brain after an orderly end shall find: broken roads may be probed at once.  None where all are sound."""
    broken = [(road, site) for road, site, breaker, _ in roads if breaker.health is not Health.SOUND]
    records = [_record(roads, key, steady) for key in broken]
    return (
        Change(events=(), roads=tuple([structs.replace(r, next_at=r.at) for r in records]))
        if records
        else None
    )


def recall(store: Store, roads: Roadbook, steady: Steady, settings: QueueSettings) -> None:
    """Read back what an earlier brain knew; no rest is longer than the longest wait of mail, whatever the clock says."""
    now, wall = steady.now(), steady.wall()
    for record in store.roads(wall - REMEMBERED):
        heard = now - max(0.0, wall - record.at)
        breaker = Breaker(
            Health.BROKEN if record.broken else Health.SOUND,
            failed_at=heard,
            breaks=record.breaks,
            since=now - max(0.0, wall - record.since),
            next_at=now + min(max(0.0, record.next_at - wall), max(settings.retry)),
        )
        if settings.leads(record.road, record.site):
            roads.recall((record.road, record.site), breaker, _why(record))
        elif record.broken:
            roads.replaced((record.road, record.site), _why(record), now - breaker.since)


def _record(roads: Roadbook, key: tuple[str, str], steady: Steady) -> RoadRecord:
    breaker, why = roads.of(key)
    now, wall = steady.now(), steady.wall()
    return RoadRecord(
        *key,
        at=wall,
        broken=breaker.health is not Health.SOUND,
        breaks=breaker.breaks,
        since=wall + breaker.since - now,
        next_at=wall + max(0.0, breaker.next_at - now),
        cause=why.cause.value if why is not None else "",
    )


def _why(record: RoadRecord) -> Outcome | None:
    """Return an outcome that stands for what broke the road."""
    if not record.cause:
        return None
    return Outcome(kind=OutcomeKind.DEFERRED, cause=Cause(record.cause), at=record.at, stage=Stage.CONNECT)
