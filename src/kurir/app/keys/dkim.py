"""The keys of our domains: made, put into use when the DNS shows them, taken out of it, without a broken message.

`KeyDesk` is the one writer's: it decides by `plan_selectors` and keeps the outcome.  `FolderRing` is what a hand signs
with: it looks now and then whether the states have changed.  A playground's keys are in use at once: nobody
outside will look for them.
"""

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kurir.delivery import DomainKeys
from kurir.delivery.sending.sealing import nearest
from kurir.model import AddressError, Clock, normalise_domain
from kurir.model.told import told
from kurir.senderauth.arc import Sealer
from kurir.senderauth.dkim import (
    Algorithm,
    Decision,
    KeyFileError,
    Selector,
    SelectorSettings,
    SelectorState,
    Sighting,
    Signer,
    SigningKey,
    Step,
    new_name,
    plan_selectors,
    record_text,
)
from kurir.senderauth.srs import Srs
from kurir.storage import KeyFolder

KINDS = {"rsa": Algorithm.RSA, "ed25519": Algorithm.ED25519}
NAMES = {algorithm: name for name, algorithm in KINDS.items()}
_PUBLISHED = (SelectorState.PENDING, SelectorState.ACTIVE, SelectorState.RETIRING)
_RETIRED_KEPT = 365 * 86_400.0  # so long a name is remembered, so that it is not used again


class KeyDeskError(Exception):
    """It cannot be done; the text says why and what to do instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySettings:
    """`domains` have keys.  `at_once`: new keys need not be seen in the DNS (a playground)."""

    domains: tuple[str, ...]
    selectors: SelectorSettings
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that happened to a key, or is to be done about one."""

    domain: str
    decision: Decision


class KeyDesk:
    """Keeps the keys.  Methods block; one at a time."""

    def __init__(self, folder: KeyFolder, settings: KeySettings, clock: Clock) -> None:
        self._folder = folder
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()

    def prepare(self) -> list[Told]:
        """Make what is missing: keys of each kind for each domain, the secret of rewritten addresses."""
        with self._lock:
            self._folder.ensure_srs_secret()
            return self._plan({}, self._settings.domains)

    def seen(self, sightings: Mapping[str, Mapping[str, Sighting]]) -> list[Told]:
        """Take what the DNS says of the selectors of some domains, and decide."""
        with self._lock:
            return self._plan(sightings, [d for d in sightings if d in self._settings.domains])

    def new(self, domain: str, kinds: Collection[str] = ()) -> list[Selector]:
        """Make a key of each kind beside those in use; each takes over when its record has been seen.

        A kind with a key that still waits for its record gets no second one.  Raises `KeyDeskError`.
        """
        with self._lock:
            domain, table = self._known(domain)
            made = []
            for algorithm in [KINDS[k] for k in (kinds or KINDS)]:
                waiting = any(
                    s.algorithm is algorithm and s.state is SelectorState.PENDING for s in table[domain]
                )
                if waiting:
                    continue
                now, known = self._clock.now(), [s.name for s in table[domain]]
                name = new_name(known, algorithm, now, self._settings.selectors)
                made.append(Selector(name, algorithm, SelectorState.PENDING, now))
                self._make(domain, made[-1])
                table[domain] += (made[-1],)
            if not made:
                raise KeyDeskError(
                    told(
                        "{domain} has new keys already that wait for their records; print them with: kurir dns {domain}",
                        domain=domain,
                    )
                )
            self._save(table)
            if self._settings.at_once:
                self._plan({}, [domain])
            names = {s.name for s in made}
            return [s for s in self._table()[domain] if s.name in names]

    def retire(self, domain: str, name: str) -> Selector:
        """Take a key out of use; its record stays.  One that never signed goes at once.  Raises `KeyDeskError`."""
        with self._lock:
            domain, table = self._known(domain)
            found = next((s for s in table[domain] if s.name == name), None)
            if found is None:
                raise KeyDeskError(
                    told("{domain} has no key {name}; see: kurir dkim list", domain=domain, name=name)
                )
            others = [
                s
                for s in table[domain]
                if s.state is SelectorState.ACTIVE and s.algorithm is Algorithm.RSA and s is not found
            ]
            if found.state is SelectorState.PENDING:
                changed = replace(found, state=SelectorState.RETIRED, since=self._clock.now())
            elif found.state is not SelectorState.ACTIVE:
                raise KeyDeskError(told("{name} is not in use any more; see: kurir dkim list", name=name))
            elif not others:
                raise KeyDeskError(
                    told(
                        "without {name} no RSA key of {domain} is left, and most receivers check no other kind; first make another one: kurir dkim rotate {domain}",
                        name=name,
                        domain=domain,
                    )
                )
            else:
                changed = replace(found, state=SelectorState.RETIRING, since=self._clock.now())
            table[domain] = tuple(changed if s is found else s for s in table[domain])
            self._save(table)
            if changed.state is SelectorState.RETIRED:
                self._folder.destroy(domain, name)
            return changed

    # -- inside -------------------------------------------------------------------------------

    def _known(self, domain: str) -> tuple[str, dict[str, tuple[Selector, ...]]]:
        try:
            domain = normalise_domain(domain)
        except AddressError as e:
            raise KeyDeskError(str(e)) from None
        if domain not in self._settings.domains:
            raise KeyDeskError(
                told(
                    "{domain} is no domain of this server ({known})",
                    domain=domain,
                    known=", ".join(self._settings.domains),
                )
            )
        table = self._table()
        table.setdefault(domain, ())
        return domain, table

    def _table(self) -> dict[str, tuple[Selector, ...]]:
        return dict(self._folder.selectors())

    def _plan(self, sightings: Mapping[str, Mapping[str, Sighting]], domains: Collection[str]) -> list[Told]:
        before = self._table()
        table, happened = dict(before), []
        for domain in domains:
            told_of = self._plan_domain(domain, table, sightings.get(domain, {}))
            happened += [Told(domain, decision) for decision in told_of]
        if table != before:
            self._save(table)
        for t in happened:
            if t.decision.step is Step.WITHDRAW:
                self._folder.destroy(t.domain, t.decision.selector)
        return happened

    def _plan_domain(
        self, domain: str, table: dict[str, tuple[Selector, ...]], sightings: Mapping[str, Sighting]
    ) -> list[Decision]:
        now, rules = self._clock.now(), self._settings.selectors
        known = table.get(domain, ())
        plan = plan_selectors(known, sightings, now, rules)
        decisions = list(plan.decisions)
        for decision in decisions:
            if decision.step is Step.CREATE:
                self._make(domain, next(s for s in plan.selectors if s.name == decision.selector))
        if self._settings.at_once:
            everything = {s.name: Sighting.SEEN for s in plan.selectors if s.state in _PUBLISHED}
            plan = plan_selectors(plan.selectors, everything, now, replace(rules, settle=0.0))
            decisions += plan.decisions
        table[domain] = tuple(
            s for s in plan.selectors
            if s.state is not SelectorState.RETIRED or now - s.since < _RETIRED_KEPT
        )  # fmt: skip
        return decisions

    def _make(self, domain: str, selector: Selector) -> None:
        self._folder.put(SigningKey.generate(domain, selector.name, selector.algorithm))

    def _save(self, table: Mapping[str, tuple[Selector, ...]]) -> None:
        self._folder.save(table)


class FolderRing:
    """`kurir.delivery.KeyRing` over the folder.  `look` reads the states anew where they have changed."""

    def __init__(self, folder: KeyFolder, *, dkim: bool, arc: bool) -> None:
        self._folder = folder
        self._dkim = dkim
        self._arc = arc
        self._stamp = -1
        self._states: Mapping[str, tuple[Selector, ...]] = {}
        self._loaded: dict[str, DomainKeys | None] = {}
        self.version = 0
        self.problems: dict[str, str] = {}

    def look(self) -> bool:
        """Return whether anything has changed.  Raises OSError or ValueError, and then all stays as it was."""
        stamp = self._folder.stamp()
        if stamp == self._stamp:
            return False
        self._states = self._folder.selectors()
        self._stamp = stamp
        self._loaded = {}
        self.version += 1
        return True

    def keys(self, domain: str) -> DomainKeys | None:
        """Return what `domain` signs with now; a key that cannot be read is left out (see `problems`)."""
        if domain not in self._loaded:
            self._loaded[domain] = self._load(domain)
        return self._loaded[domain]

    def _load(self, domain: str) -> DomainKeys | None:
        keys = []
        for selector in self._states.get(domain, ()):
            if selector.state is not SelectorState.ACTIVE:
                continue
            try:
                keys.append(self._folder.key(domain, selector.name))
            except (OSError, KeyFileError) as e:
                self.problems[f"{selector.name}._domainkey.{domain}"] = str(e)
        keys.sort(
            key=lambda k: k.algorithm is not Algorithm.RSA
        )  # RSA uppermost: every receiver can check it
        if not keys:
            return None
        sealer = Sealer(keys[0]) if self._arc and keys[0].algorithm is Algorithm.RSA else None
        return DomainKeys(Signer(keys) if self._dkim else None, sealer)


def awaits_key(folder: KeyFolder, domain: str) -> bool:
    """Whether mail of `domain` goes unsigned for now: keys are made, but none has been seen in the DNS yet."""
    table = folder.selectors()
    found = table.get(nearest(domain, table), ())
    return bool(found) and not any(s.state is SelectorState.ACTIVE for s in found)


def rewriting(folder: KeyFolder, *, wanted: bool) -> Srs | None:
    """Return what rewrites the senders of forwarded mail; None where it is not wanted, or there is no secret yet."""
    secret = folder.srs_secret() if wanted else b""
    return Srs((secret,)) if secret else None


def published(folder: KeyFolder, domain: str) -> dict[str, str]:
    """Return the records that belong into the DNS for `domain`: the text by selector."""
    return {
        s.name: record_text(folder.key(domain, s.name).public)
        for s in folder.selectors().get(domain, ())
        if s.state in _PUBLISHED
    }


def shown(domain: str, selector: Selector, rules: SelectorSettings) -> dict[str, Any]:
    """Return a selector as the commands show it; `until` is when a retiring one may leave the DNS."""
    retiring = selector.state is SelectorState.RETIRING
    return {
        "domain": domain,
        "selector": selector.name,
        "algorithm": NAMES[selector.algorithm],
        "state": selector.state.value,
        "since": selector.since,
        "seen_since": selector.seen_since,
        "until": selector.since + rules.retire_after if retiring else None,
        "name": f"{selector.name}._domainkey.{domain}",
    }
