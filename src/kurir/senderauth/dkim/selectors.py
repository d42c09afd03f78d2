"""When a signing key comes into use and goes out of it: pending, active, retiring, retired (RFC 6376 section 3.1).

A pure decision over what is known of each selector and what was just seen of it in the DNS.  The rule that matters:
nothing is signed with a key that receivers cannot see, and no key leaves the DNS while mail signed with it may
still be waiting somewhere.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from types import MappingProxyType

from kurir.net.ports import DnsAnswer, DnsStatus

from .keyrecord import same_key
from .settings import SelectorSettings
from .signature import Algorithm


class SelectorState(str, Enum):
    """PENDING published or to be published, ACTIVE signs, RETIRING still published, RETIRED may be withdrawn."""

    PENDING = "pending"
    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"


class Sighting(str, Enum):
    """What the DNS says of a selector now.  UNKNOWN (no answer) proves nothing and changes nothing."""

    SEEN = "seen"
    ABSENT = "absent"
    DIFFERENT = "different"
    UNKNOWN = "unknown"


class Step(str, Enum):
    """What is to be done or told; each has a sentence ``dkim.step.<value>`` in the catalogue of texts."""

    CREATE = "create"  # make a key with this name, print its record
    PUBLISH = "publish"  # the record is still not there
    USE = "use"  # sign with it from now on
    RETIRE = "retire"  # stop signing with it, leave it published
    WITHDRAW = "withdraw"  # take its record out of the DNS, destroy the private key
    MISSING = "missing"  # alarm: the key in use is not published
    DIFFERENT = "different"  # alarm: another key is published under its name


@dataclass(frozen=True, slots=True)
class Selector:
    """One selector of a domain.  `since` is when its state began, `seen_since` when an unbroken row of sightings did.

    Times in seconds since the epoch; `seen_since` None where it was not seen.
    """

    name: str
    algorithm: Algorithm
    state: SelectorState
    since: float
    seen_since: float | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """One thing to do or to tell."""

    step: Step
    selector: str
    algorithm: Algorithm

    @property
    def key(self) -> str:
        """The key of the sentence in the catalogue of texts."""
        return f"dkim.step.{self.step.value}"


@dataclass(frozen=True, slots=True)
class Plan:
    """The selectors as they are from now on (created ones included), and what follows from it."""

    selectors: tuple[Selector, ...]
    decisions: tuple[Decision, ...]

    @property
    def signing(self) -> tuple[Selector, ...]:
        """The selectors to sign with."""
        return tuple(s for s in self.selectors if s.state is SelectorState.ACTIVE)


_ALARM: Mapping[Sighting, Step] = MappingProxyType(
    {Sighting.ABSENT: Step.MISSING, Sighting.DIFFERENT: Step.DIFFERENT}
)


def sighting_of(answer: DnsAnswer, expected: str) -> Sighting:
    """Return what a TXT answer says of the record that `expected` is the text of."""
    if answer.status in (DnsStatus.NXDOMAIN, DnsStatus.NODATA):
        return Sighting.ABSENT
    if answer.status is not DnsStatus.OK:
        return Sighting.UNKNOWN
    texts = [record for record in answer.records if isinstance(record, bytes)]
    if any(same_key(text, expected) for text in texts):
        return Sighting.SEEN
    return Sighting.DIFFERENT if texts else Sighting.ABSENT


def plan_selectors(
    selectors: Iterable[Selector],
    sightings: Mapping[str, Sighting],
    now: float,
    settings: SelectorSettings,
    wanted: Iterable[Algorithm] = (Algorithm.RSA, Algorithm.ED25519),
) -> Plan:
    """Return the next states and what to do; call it as often as you like, the same facts give the same plan."""
    known = {s.name: s for s in selectors}
    decisions: list[Decision] = []
    for name, selector in known.items():
        known[name] = _aged(selector, sightings.get(name, Sighting.UNKNOWN), now, settings, decisions)
    for algorithm in wanted:
        _promote(known, algorithm, now, settings, decisions)
        _renew(known, algorithm, now, settings, decisions)
    return Plan(tuple(known.values()), tuple(decisions))


def _aged(
    selector: Selector, sighting: Sighting, now: float, settings: SelectorSettings, decisions: list[Decision]
) -> Selector:
    state = selector.state
    if sighting is Sighting.SEEN and selector.seen_since is None:
        selector = replace(selector, seen_since=now)
    elif sighting in _ALARM:
        selector = replace(selector, seen_since=None)
        if state is SelectorState.ACTIVE:
            decisions.append(Decision(_ALARM[sighting], selector.name, selector.algorithm))
        elif state is SelectorState.PENDING:
            step = Step.PUBLISH if sighting is Sighting.ABSENT else Step.DIFFERENT
            decisions.append(Decision(step, selector.name, selector.algorithm))
    if state is SelectorState.RETIRING and now - selector.since >= settings.retire_after:
        decisions.append(Decision(Step.WITHDRAW, selector.name, selector.algorithm))
        selector = replace(selector, state=SelectorState.RETIRED, since=now)
    return selector


def _promote(
    known: dict[str, Selector],
    algorithm: Algorithm,
    now: float,
    settings: SelectorSettings,
    decisions: list[Decision],
) -> None:
    active = _in_state(known, algorithm, SelectorState.ACTIVE)
    # Where nothing signs yet there is nothing to wait for: a signature whose key is not seen yet counts as none.
    settle = settings.settle if active else 0.0
    ready = [
        s
        for s in _in_state(known, algorithm, SelectorState.PENDING)
        if s.seen_since is not None and now - s.seen_since >= settle
    ]
    if not ready:
        return
    newest = max(ready, key=lambda s: (s.since, s.name))
    for old in active:
        known[old.name] = replace(old, state=SelectorState.RETIRING, since=now)
        decisions.append(Decision(Step.RETIRE, old.name, algorithm))
    known[newest.name] = replace(newest, state=SelectorState.ACTIVE, since=now)
    decisions.append(Decision(Step.USE, newest.name, algorithm))


def _renew(
    known: dict[str, Selector],
    algorithm: Algorithm,
    now: float,
    settings: SelectorSettings,
    decisions: list[Decision],
) -> None:
    if _in_state(known, algorithm, SelectorState.PENDING):
        return
    active = _in_state(known, algorithm, SelectorState.ACTIVE)
    age = settings.rotate_after
    if active and (age is None or now - active[0].since < age):
        return
    name = new_name(known, algorithm, now, settings)
    known[name] = Selector(name, algorithm, SelectorState.PENDING, now)
    decisions.append(Decision(Step.CREATE, name, algorithm))


def _in_state(known: Mapping[str, Selector], algorithm: Algorithm, state: SelectorState) -> list[Selector]:
    return [s for s in known.values() if s.algorithm is algorithm and s.state is state]


def new_name(known: Collection[str], algorithm: Algorithm, now: float, settings: SelectorSettings) -> str:
    """Return a selector that is not in `known`: prefix, month, and a letter for the algorithm (``k202611r``)."""
    month = datetime.fromtimestamp(now, UTC).strftime("%Y%m")
    base = f"{settings.prefix}{month}{algorithm.value[0]}"
    name, count = base, 1
    while name in known:
        count += 1
        name = f"{base}{count}"
    return name
