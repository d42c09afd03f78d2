"""The desk where lanes ask what to demand, and say what they got.

It gathers the facts (DANE, MTA-STS, memory, operator), asks `decide`, keeps the memory, raises alarms and counts
for TLS-RPT.  Everything is remembered for its TTL, so that only the first session with a host waits for DNS.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kurir.delivery.mx import is_address
from kurir.model import Clock, TlsFacts
from kurir.net.ports import DnsStatus, Resolver
from kurir.net.web import Fetch

from .dane import DaneLookup
from .decide import decide
from .facts import (
    DaneFacts,
    DaneState,
    Demand,
    PolicyFacts,
    Remembered,
    Rule,
    StsFacts,
    StsMode,
    strength_of,
)
from .memory import Alarm, missed, proved
from .ports import Acceptance, KeptPolicy, Shelf, TlsStore
from .settings import TlsSettings
from .sts import names_host
from .stscache import StsCache
from .tally import SessionEnd, Tally

Post = Callable[[Callable[[], Any], Callable[[Any], None] | None], None]
"""``post(call, then)`` runs `call` in the thread of the store, in order, and `then` with its result in the loop.

What `call` raises is logged there, and `then` is not run.
"""


def at_once(call: Callable[[], Any], then: Callable[[Any], None] | None) -> None:
    """Run both here: for tests and for the command line."""
    result = call()
    if then is not None:
        then(result)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Mail to `domain` by `host`.  `published` says that DANE and MTA-STS of the host count (a road by MX).

    `chosen` says that the operator named the host.  `remembers` is False for hosts of this machine.
    """

    domain: str
    host: str
    port: int
    rule: Rule = Rule.OPPORTUNISTIC
    published: bool = True
    chosen: bool = False
    remembers: bool = True
    require_tls: bool = False
    sealed: bool = False
    tls_optional: bool = False


class TlsDesk:
    """One per process.  `alarm` is called with what was better before; `post` runs calls of the store."""

    def __init__(
        self,
        settings: TlsSettings,
        resolver: Resolver,
        fetch: Fetch | None,
        clock: Clock,
        *,
        store: TlsStore | None = None,
        post: Post = at_once,
        alarm: Callable[[Alarm], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._resolver = resolver
        self._clock = clock
        self._store = store
        self._post = post
        self._alarm = alarm
        self.dane = DaneLookup(resolver, settings.dane, clock.monotonic, trusted=settings.trusted_resolver)
        self.sts = StsCache(resolver, fetch, settings.sts, clock, self._keep)
        self.tally = Tally()
        self.alarms: dict[str, int] = {}
        self._memories: dict[str, Remembered] = {}
        self._acceptances: dict[str, Acceptance] = {}
        self._mark = 0
        self._looked = float("-inf")
        self._counted = clock.monotonic()

    # -- asked before a connection ------------------------------------------------------------

    async def facts(self, q: Question) -> PolicyFacts:
        """Return everything that is known about a host and a domain.  Never raises."""
        self._look_around()
        dane, sts, mx_proven = DaneFacts(), StsFacts(), q.chosen
        rule = self._settings.rule_for(q.domain, q.rule)
        if rule is not Rule.NONE:
            if q.remembers and not is_address(q.host):  # this machine and bare addresses have no place in DNS
                dane = await self.dane.facts(q.host, q.port)
            if q.published:
                sts = await self.sts.facts(q.domain)
                signed = dane.state is not DaneState.OFF
                mx_proven = (signed or q.require_tls) and await self._mx_proven(q.domain, signed=signed)
        return PolicyFacts(
            host=q.host,
            domain=q.domain,
            now=self._clock.now(),
            rule=rule,
            require_tls=q.require_tls,
            sealed=q.sealed,
            tls_optional=q.tls_optional,
            mx_proven=mx_proven,
            dane=dane,
            sts=sts,
            memory=self._memories.get(q.host) if q.remembers else None,
            accepted=self._is_accepted(q),
            loss_delay=self._settings.loss_delay,
            after_loss=self._settings.after_loss,
        )

    async def _mx_proven(self, domain: str, *, signed: bool) -> bool:
        """Whether it is certain which hosts take the domain's mail (an answer that the resolver still has).

        `signed`: signatures of DNS count.  A domain without MX records takes its mail itself, and its certificate has to
        prove just that name (RFC 8689 section 4.2.1 steps 2 and 4).
        """
        answer = await self._resolver.mx(domain)
        if answer.status is DnsStatus.OK:
            return signed and answer.authentic
        return answer.status is DnsStatus.NODATA

    def _is_accepted(self, q: Question) -> bool:
        if not self._acceptances:
            return False
        now = self._clock.now()
        found = (self._acceptances.get(q.domain), self._acceptances.get(q.host))
        return any(a is not None and a.until > now for a in found)

    # -- told after it ------------------------------------------------------------------------

    def connected(
        self, q: Question, facts: PolicyFacts, tls: TlsFacts | None, demand: Demand, end: SessionEnd
    ) -> None:
        """A session was made; `tls` None is one in the clear."""
        now = self._clock.now()
        self._count(q, facts, tls, end, now)
        if not (self._settings.memory and q.remembers) or demand.refuse or facts.rule is Rule.NONE:
            return
        old = self._memories.get(q.host)
        if tls is None:
            if not facts.accepted:
                self._learn(*missed(old, q.host, q.domain, now, sent=True, why=end.reason))
            return
        strength = strength_of(True, tls.verified)
        published = facts.dane.state is DaneState.USABLE
        if facts.accepted and old is not None and strength < old.best:
            old = None  # what the operator accepted is the new beginning
        self._learn(*proved(old, q.host, q.domain, strength, now, dane=published, why=tls.why_not or ""))

    def failed(self, q: Question, facts: PolicyFacts, end: SessionEnd, *, lost: bool) -> None:
        """No session was made because of TLS.  `lost` says that encryption itself was not to be had."""
        now = self._clock.now()
        self._count(q, facts, None, end, now)
        if lost and self._settings.memory and q.remembers and not facts.accepted:
            self._learn(
                *missed(self._memories.get(q.host), q.host, q.domain, now, sent=False, why=end.reason)
            )

    def _count(
        self, q: Question, facts: PolicyFacts, tls: TlsFacts | None, end: SessionEnd, now: float
    ) -> None:
        if not q.published:
            return
        end = self._would_have_failed(q, facts, tls, end)
        self.tally.add(q.domain, q.host, facts.dane, facts.sts, end, now)
        if self._store is not None and self._clock.monotonic() - self._counted > self._settings.count_every:
            self.give_counts()

    @staticmethod
    def _would_have_failed(
        q: Question, facts: PolicyFacts, tls: TlsFacts | None, end: SessionEnd
    ) -> SessionEnd:
        """A policy in mode testing is judged as if it were enforced, and a policy that was not had is reported."""
        if end.result or facts.dane.state is DaneState.USABLE:
            return end
        if facts.sts.error:
            return SessionEnd(facts.sts.error, facts.sts.why, end.sending_ip, end.receiving_ip)
        if facts.sts.mode is not StsMode.TESTING:
            return end
        if not names_host(facts.sts.mx, q.host):
            why = f"{q.host} is not named by the policy"
            return SessionEnd("validation-failure", why, end.sending_ip, end.receiving_ip)
        if tls is not None and tls.verified is None:
            why = tls.why_not or ""
            return SessionEnd(result_of(why), why, end.sending_ip, end.receiving_ip)
        return end

    def give_counts(self) -> None:
        """Give what was counted to the store."""
        self._counted = self._clock.monotonic()
        counts, store = self.tally.take(), self._store
        if counts and store is not None:
            self._post(lambda: store.count(counts), None)

    # -- the memory ---------------------------------------------------------------------------

    def _learn(self, memory: Remembered | None, alarm: Alarm | None) -> None:
        if memory is not None:
            self._memories[memory.host] = memory
            store = self._store
            if store is not None:
                self._post(lambda: store.remember([memory]), None)
        if alarm is not None:
            self.alarms[alarm.kind] = self.alarms.get(alarm.kind, 0) + 1
            self._alarm(alarm)

    def _keep(self, policy: KeptPolicy) -> None:
        store = self._store
        if store is not None:
            self._post(lambda: store.keep(policy), None)

    def load(self) -> None:
        """Take over what was kept; blocks.  Raises what the store raises."""
        if self._store is not None:
            self._take(self._store.changes(self._mark))

    def _look_around(self) -> None:
        """Now and then take over what other processes have learnt, behind the mail."""
        now, store = self._clock.monotonic(), self._store
        if store is None or now - self._looked < self._settings.look_again:
            return
        self._looked = now
        mark = self._mark
        self._post(lambda: store.changes(mark), self._take)

    def _take(self, shelf: Shelf) -> None:
        for memory in shelf.memories:
            have = self._memories.get(memory.host)
            if have is None or (memory.seen, memory.alarmed) >= (have.seen, have.alarmed):
                self._memories[memory.host] = memory
        for policy in shelf.policies:
            self.sts.put(policy)
        self._acceptances.update({a.name: a for a in shelf.acceptances})
        self._mark = shelf.mark

    def decide(self, facts: PolicyFacts) -> Demand:
        """Return the decision for facts of this desk."""
        return decide(facts)


# The beginnings of `kurir.net.trust`'s sentences -> result types of RFC 8460 section 4.3
_RESULTS = (
    ("it expired", "certificate-expired"),
    ("it is valid only", "certificate-expired"),
    ("it is not for", "certificate-host-mismatch"),
)


def result_of(why_not: str) -> str:
    """Return the result type for a certificate that proves nothing."""
    return next(
        (result for start, result in _RESULTS if why_not.startswith(start)), "certificate-not-trusted"
    )
