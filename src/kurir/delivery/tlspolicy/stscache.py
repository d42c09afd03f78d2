"""MTA-STS policies: looked up, fetched, kept, refreshed (RFC 8461 sections 3.3, 5.1, 10.2).

A policy that was fetched counts until its max_age has passed, whatever becomes of its record or its web server
meanwhile: that is its protection.  What cannot be fetched the first time is as if there were none, and reported.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from kurir.model import Clock
from kurir.net.ports import DnsStatus, Resolver
from kurir.net.web import Fetch, WebError, WebRequest

from .facts import StsFacts, StsMode
from .ports import KeptPolicy
from .sts import StsError, read_policy, read_record

PATH = "/.well-known/mta-sts.txt"
MAX_DOMAINS = 50_000


@dataclass(frozen=True, slots=True)
class StsSettings:
    """Times in seconds.  `look` is how long an answer about the record is used, within its TTL.

    `patience` is how long a message waits for the first fetch of a policy; `again` how long a fetch that failed is
    not repeated; `refresh` how old a policy may become before it is fetched anew although its id is the same.
    """

    on: bool = True
    look_min: float = 60.0
    look_max: float = 3600.0
    patience: float = 20.0
    again: float = 300.0
    refresh: float = 86_400.0


class StsCache:
    """Policies by domain.  `keep` is called with what is to be kept over restarts."""

    def __init__(
        self,
        resolver: Resolver,
        fetch: Fetch | None,
        settings: StsSettings,
        clock: Clock,
        keep: Callable[[KeptPolicy], None],
    ) -> None:
        self._resolver = resolver
        self._web = fetch
        self._settings = settings
        self._clock = clock
        self._keep = keep
        self._policies: dict[str, KeptPolicy] = {}
        self._known: OrderedDict[str, tuple[float, StsFacts]] = OrderedDict()
        self._fetching: dict[str, asyncio.Task[StsFacts]] = {}

    def put(self, policy: KeptPolicy) -> None:
        """Take a policy that was kept, by an earlier run or another process."""
        have = self._policies.get(policy.domain)
        if have is None or have.at < policy.at:
            self._policies[policy.domain] = policy
            self._known.pop(policy.domain, None)

    async def facts(self, domain: str) -> StsFacts:
        """Return the policy that counts for mail to `domain` now.  Never raises."""
        if not self._settings.on or self._web is None or domain.startswith("["):
            return StsFacts()
        known = self._known.get(domain)
        now = self._clock.monotonic()
        if known is not None and known[0] > now:
            return known[1]
        ttl, facts = await self._look(domain)
        self._known[domain] = now + min(max(ttl, self._settings.look_min), self._settings.look_max), facts
        self._known.move_to_end(domain)
        while len(self._known) > MAX_DOMAINS:
            self._known.popitem(last=False)
        return facts

    async def _look(self, domain: str) -> tuple[float, StsFacts]:
        s, now = self._settings, self._clock.now()
        have = self._policies.get(domain)
        if have is not None and have.until <= now:
            del self._policies[domain]
            have = None
        answer = await self._resolver.txt(f"_mta-sts.{domain}")
        texts = [t for t in answer.records if isinstance(t, bytes)] if answer.status is DnsStatus.OK else []
        id = read_record(texts)
        if have is not None:
            if id is not None and (id != have.facts.id or now - have.at > s.refresh):
                self._fetch(domain, id)  # behind the mail: what we have counts until the new one is here
            return answer.ttl, have.facts
        if id is None:
            return answer.ttl, StsFacts()
        try:
            async with asyncio.timeout(s.patience):
                facts = await asyncio.shield(self._fetch(domain, id))
        except TimeoutError:
            facts = StsFacts(
                id=id, error="sts-policy-fetch-error", why="the policy could not be fetched in time"
            )
        return (s.again if facts.error else answer.ttl), facts

    def _fetch(self, domain: str, id: str) -> "asyncio.Task[StsFacts]":
        task = self._fetching.get(domain)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._fetch_now(domain, id))
            self._fetching[domain] = task
            task.add_done_callback(lambda _: self._fetching.pop(domain, None))
        return task

    async def _fetch_now(self, domain: str, id: str) -> StsFacts:
        assert self._web is not None
        facts = await fetch_policy(self._web, domain, id)
        if facts.error:
            return facts
        now = self._clock.now()
        kept = KeptPolicy(domain, facts, now, now + facts.max_age)
        have = self._policies.get(domain)
        if facts.mode is not StsMode.NONE or have is not None:
            self._policies[domain] = kept
            self._known.pop(domain, None)
            self._keep(kept)
        return facts


async def fetch_policy(fetch: Fetch, domain: str, id: str) -> StsFacts:
    """Fetch and read the policy of `domain`.  Never raises: `error` is a result type of RFC 8460."""
    none = StsFacts(id=id)
    try:
        answer = await fetch(WebRequest(f"https://mta-sts.{domain}{PATH}"))
    except WebError as e:
        error = "sts-webpki-invalid" if e.kind == "certificate" else "sts-policy-fetch-error"
        return replace(none, error=error, why=str(e))
    if answer.status != 200:
        moved = " (redirects are not followed)" if 300 <= answer.status < 400 else ""
        return replace(
            none, error="sts-policy-fetch-error", why=f"the web server answers {answer.status}{moved}"
        )
    if answer.content_type != "text/plain":
        why = f"the policy is {answer.content_type or 'of no type'}, not text/plain"
        return replace(none, error="sts-policy-invalid", why=why)
    try:
        return read_policy(answer.body, id)
    except StsError as e:
        return replace(none, error="sts-policy-invalid", why=str(e))
