"""What a message that is handed in is told: when its recipients go, and by which roads.

Rules
1. Of the roads that are open to it each recipient goes by the one that has room first; before the first plan of a sender only its
   main road is promised.
2. Behind a short line all of it is played forward; behind a long one the turn is reckoned from the windows, at a cost that does not
   grow with the line.  It is exact for one limit, and about right for several.
"""

from collections.abc import Sequence

import msgspec

from kurir.limits import NEVER, Budget, Quota, Step, departures, merged
from kurir.queue.pacing.paced import Bundle, FairQueue
from kurir.queue.turns.schedule import Schedule
from kurir.queue.turns.site import Site
from kurir.queue.waiting.state import Mail, State

from .outlook import merged_lines

LINE = 100
"""Recipients in line up to which that is done for each message that is accepted; behind more its turn is reckoned."""
PARTS = 20
"""Of so many parts of a message it is reckoned at most."""


class Passage(msgspec.Struct, frozen=True, array_like=True):
    """A road as one says it, and its limits: at most `together` recipients in one message, of `size` octets (0: any).

    `road` is its name; `hop` tells one to a smarthost, which is broken as soon as that is.
    """

    label: str
    quotas: tuple[Quota, ...]
    together: int
    road: str = ""
    hop: bool = False
    size: int = 0


class Share(msgspec.Struct, frozen=True, array_like=True):
    """So many recipients of a message go by the first of `passages`, or by the others where that lets them wait.

    Mail that is not `signed` may look forged on the others, which only its plan can tell.
    """

    recipients: int
    passages: tuple[Passage, ...]
    signed: bool = True


class Forecast(msgspec.Struct, frozen=True, array_like=True):
    """When so many recipients go by `label`; `at` is None where it cannot be foreseen.  `limit` is what they wait for.

    `closed`: no limit, but the road is out of service, and tried again at that time.
    """

    label: str
    recipients: int
    at: float | None
    limit: str = ""
    closed: bool = False


def foresee(schedule: Schedule, mail: Mail, shares: Sequence[Share], now: float) -> list[Forecast]:
    """Return when the recipients of `mail` go, whether or not they stand in a queue already."""
    found: list[Forecast] = []
    for share in shares:
        found += _of_share(schedule, mail, share, now)
    return found


def _of_share(schedule: Schedule, mail: Mail, share: Share, now: float) -> list[Forecast]:
    """Return what goes soonest by any of the passages that are open to `mail`; of those that open at the same time the first is taken.

    Where none is open it goes by any that it may ever take: the first one is its main road, which is never barred, and
    all that is promised before anybody knows.
    """
    barred = schedule.plans.barred(mail.sender, share.passages[0].road)
    if barred is None:
        barred = frozenset() if share.signed else frozenset(p.road for p in share.passages[1:])
    able = [p for p in share.passages if p.road not in barred]
    fit = [p for p in able if not 0 < p.size < mail.size] or able
    open_ = [p for p in fit if schedule.roads.closed_until(p.road, hop=p.hop) is None] or fit
    ways = [_by(schedule, mail, share.recipients, passage, now) for passage in open_]
    found: list[Forecast] = []
    left = share.recipients
    for step in sorted((step for way in ways for step in way), key=_moment):
        if count := min(left, step.recipients):
            found.append(msgspec.structs.replace(step, recipients=count))
            left -= count
    return found


def _rests_until(schedule: Schedule, passage: Passage, now: float) -> float:
    """Return when the first mail may try it: its next probe, where it is closed or its server fails."""
    closed = schedule.roads.closed_until(passage.road, hop=passage.hop)
    resting = (
        site.paused_until
        for site in schedule.sites
        if passage.hop and site.failures and site.road.name == passage.road
    )
    return max(now, closed or now, *resting)


def _moment(step: Forecast) -> float:
    return NEVER if step.at is None else step.at


def _by(schedule: Schedule, mail: Mail, recipients: int, passage: Passage, now: float) -> list[Forecast]:
    """Return when the recipients went if all of them took this passage."""
    first = _rests_until(schedule, passage, now)
    if not passage.quotas:
        return [Forecast(passage.label, recipients, first, closed=first > now)]
    budgets = [schedule.budgets.of(quota) for quota in passage.quotas]
    chunks = [
        list(mail.errands[i : min(i + passage.together, recipients)])
        for i in range(0, recipients, passage.together)
    ]
    sites = [s for s in schedule.sites if s.paced is not None and s.road.quotas == passage.quotas]
    if sum(site.waiting for site in sites) > LINE:
        steps, limit = _reckoned(sites, mail, chunks, budgets, now)
    else:
        steps, limit = _played(sites, mail, chunks, budgets, now)
    return [_not_before(first, step) for step in _told(passage.label, recipients, steps, now, limit)]


def _not_before(first: float, step: Forecast) -> Forecast:
    """Return `step`, or what becomes of it where its road is tried again only at `first`."""
    if step.at is None or step.at >= first:
        return step
    return Forecast(step.label, step.recipients, first, closed=True)


def _binding(budgets: Sequence[Budget], recipients: int, messages: int, now: float) -> str:
    """Return the key of the limit that so much mail waits for longest; "" where all of it fits."""

    def needs(quota: Quota) -> int:
        return recipients if quota.unit.by_recipient else messages

    short = [b.quota for b in budgets if b.quota.window and b.room(now) < needs(b.quota)]
    return max(short, key=lambda q: q.window).key if short else ""


def _told(label: str, recipients: int, steps: Sequence[Step], now: float, limit: str) -> list[Forecast]:
    told = [Forecast(label, s.recipients, s.at, limit if s.at > now else "") for s in steps]
    left = recipients - sum(step.recipients for step in steps)
    return [*told, Forecast(label, left, None, limit)] if left else told


def _played(
    sites: Sequence[Site], mail: Mail, chunks: Sequence[Bundle], budgets: Sequence[Budget], now: float
) -> tuple[list[Step], str]:
    """Return when `mail` goes, each of `sites` played forward, and the limit that it waits for."""
    queue = merged_lines(sites, without=mail)
    for chunk in chunks:
        queue.append(chunk)
    line = list(queue.in_turn())
    parcels = ((len(bundle), bundle[0].mail.urgent) for bundle in line)
    played = zip(line, departures(budgets, parcels, now), strict=False)
    steps = merged(step for bundle, found in played if bundle[0].mail is mail for step in found)
    return steps, _binding(budgets, sum(map(len, line)), len(line), now)


def _reckoned(
    sites: Sequence[Site], mail: Mail, chunks: Sequence[Bundle], budgets: Sequence[Budget], now: float
) -> tuple[list[Step], str]:
    """Return about when `mail` goes, and the limit that it waits for, however long the line is."""
    recipients = messages = 0
    for site in sites:
        if isinstance(site.queue, FairQueue):
            before, turns = site.queue.ahead(mail, site.waiting)
            here = sum(e.site is site and e.state is State.READY for e in mail.errands)
            recipients += max(0, before - here)
            messages += max(0, turns - -(-here // site.most))
    steps = []
    at_once = -(-len(chunks) // PARTS)
    for i in range(0, len(chunks), at_once):
        part = chunks[i : i + at_once]
        count = sum(map(len, part))
        recipients, messages = recipients + count, messages + len(part)
        at = max(
            b.turn((recipients if b.quota.unit.by_recipient else messages) - 1, now, urgent=mail.urgent)
            for b in budgets
        )
        steps.append(Step(at, count))
    return merged(steps), _binding(budgets, recipients, messages, now)
