"""Our certificate from an authority: ordered, renewed in time, its key rolled over without a moment of a wrong TLSA record.

The desk looks every few minutes whether something is due and drives the conversation (`kurir.identity.acme`).  What it
installs is taken into use by the doors themselves, which look at the files: no session is touched.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from msgspec import structs

from kurir.app.process.logs import Log
from kurir.identity.acme import (
    AccountKey,
    AcmeClient,
    AcmeError,
    AcmeSettings,
    Ask,
    CertificateFacts,
    CertificateKey,
    Proof,
    Publish,
    Rest,
    Said,
    Talk,
    UnfitCertificate,
    Window,
    judge_chain,
    next_try,
    renew_at,
)
from kurir.model import Clock
from kurir.model.told import of_error, pack, told, unpack
from kurir.net import DnsStatus, Fetch, NetError, Resolver, WebRequest
from kurir.storage import CertificateFolder, RenewalState

from .proofs import Proofs

LOOK_EVERY = 300.0
ASK_WINDOW_EVERY = 6 * 3600.0  # RFC 9773 section 4.3
SEEN_TTLS = 2  # so many lifetimes of the old records the next key's record has to have been seen
_ACME_TYPE = (("Content-Type", "application/jose+json"),)

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskSettings:
    """`names` must be in the certificate, `perhaps` too where they lead to the first of those; `tlsa` is where our TLSA records stand."""

    acme: AcmeSettings
    names: tuple[str, ...]
    perhaps: tuple[str, ...] = ()
    tlsa: str = ""


class CertificateDesk:
    """One per server.  `fresh` makes a resolver without a memory; `roll` is a random number in [0, 1)."""

    def __init__(
        self, settings: DeskSettings, folder: CertificateFolder, fetch: Fetch, proofs: Proofs, *,
        fresh: Callable[[], Resolver], clock: Clock, roll: Callable[[], float], log: Log,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._folder = folder
        self._fetch = fetch
        self._proofs = proofs
        self._fresh = fresh
        self._clock = clock
        self._roll = roll
        self._log = log
        self._sleep = sleep
        self._client: AcmeClient | None = None
        self._window: Window | None = None
        self._window_at = float("-inf")
        self._working = asyncio.Lock()

    async def watch(self) -> None:
        """Have what is due, again and again, until cancelled."""
        while True:
            try:
                await self.renew()
            except (AcmeError, OSError, ValueError) as e:
                self._log.error("certificate_not_renewed", why=str(e), next="see kurir cert status")
            await self._sleep(LOOK_EVERY)

    # -- what can be wanted ---------------------------------------------------------------------

    async def renew(self, *, force: bool = False) -> str:
        """Have a new certificate where one is due (or `force`); return why it was ("" where none was).

        Raises `AcmeError`, OSError or ValueError; it is noted, and tried again later.
        """
        async with self._working:
            state, now = self._folder.state(), self._clock.now()
            if not force and now < state.retry_at:
                return ""
            switch = await self._next_is_seen(state)
            facts = self._folder.facts()
            names = await self._wanted(facts)
            why = "asked" if force else "key" if switch else await self._due(facts, names)
            if not why:
                return ""
            try:
                await self._order(names, facts, switch=switch)
            except (AcmeError, UnfitCertificate, OSError, ValueError) as e:
                self._failed(e)
                raise AcmeError(of_error(e)) from e
            return why

    def prepare_next(self) -> CertificateKey:
        """Make the key that is to take over, where there is none; return it."""
        key = self._folder.next_key()
        if key is None:
            key = CertificateKey.generate()
            self._folder.put_next(key)
            self._folder.save(structs.replace(self._folder.state(), seen_since=0.0, seen_ttl=0.0))
        return key

    # -- what is due ----------------------------------------------------------------------------

    async def _wanted(self, facts: CertificateFacts | None) -> tuple[str, ...]:
        """Return the names of the next certificate.

        Those that merely go without saying must lead to this server, or have been proven before: one that is missing in the DNS,
        or shows a web site of somebody else's, must not cost us the certificate for the others.
        """
        have = facts.names if facts is not None and not facts.self_made else ()
        dns = self._fresh()
        here = await _addresses(dns, self._settings.names[0])
        found = [n for n in self._settings.perhaps if n in have or here & await _addresses(dns, n)]
        return tuple(dict.fromkeys((*self._settings.names, *found)))

    async def _due(self, facts: CertificateFacts | None, names: Sequence[str]) -> str:
        if facts is None or facts.self_made:
            return "first"
        if not set(names) <= set(facts.names):
            return "names"
        window = await self._asked_window(facts)
        due = renew_at(facts.begins, facts.ends, facts.serial, window)
        return "age" if due <= self._clock.now() else ""

    async def _asked_window(self, facts: CertificateFacts) -> Window | None:
        """Ask the authority when it wants us to renew; what it does not say is decided by age."""
        now = self._clock.monotonic()
        if now - self._window_at >= ASK_WINDOW_EVERY:
            self._window_at = now
            try:
                self._window = await self._drive(self._with_account().window(facts.renewal_id))
            except AcmeError:
                self._window = None
        return self._window

    async def _next_is_seen(self, state: RenewalState) -> bool:
        """Whether the next key may take over: its record is in the DNS for long enough, or nobody pins any."""
        following = self._folder.next_key()
        if following is None:
            return False
        answer = await self._fresh().tlsa(self._settings.tlsa)
        if answer.status in (DnsStatus.NXDOMAIN, DnsStatus.NODATA):
            return True  # no record that it could contradict
        if answer.status is not DnsStatus.OK:
            return False
        seen = (3, 1, 1, following.association) in answer.records
        since = (state.seen_since or self._clock.now()) if seen else 0.0
        ttl = max(answer.ttl, state.seen_ttl) if seen else 0.0
        if (since, ttl) != (state.seen_since, state.seen_ttl):
            self._folder.save(structs.replace(self._folder.state(), seen_since=since, seen_ttl=ttl))
        return seen and self._clock.now() - since >= SEEN_TTLS * ttl

    # -- having it --------------------------------------------------------------------------------

    async def _order(self, names: Sequence[str], facts: CertificateFacts | None, *, switch: bool) -> None:
        key = self._folder.next_key() if switch else self._folder.key()
        if key is None:
            key = CertificateKey.generate()
            self._folder.put_key(key)
        replaces = facts.renewal_id if facts is not None and not facts.self_made else ""
        client = self._with_account()
        chain = await self._drive(client.order(names, key.request(names), replaces))
        self._folder.install(judge_chain(chain, key, names, self._clock.now()))
        self._folder.save(RenewalState(directory=self._settings.acme.directory, account=client.account))
        self._window_at = float("-inf")
        self._log.info("certificate_installed", names=list(names), key="new" if switch else "kept")

    def _with_account(self) -> AcmeClient:
        if self._client is None:
            key = self._folder.account()
            if key is None:
                key = AccountKey.generate()
                self._folder.put_account(key)
            state = self._folder.state()
            known = state.account if state.directory == self._settings.acme.directory else ""
            self._client = AcmeClient(self._settings.acme, key, known)
        return self._client

    def _failed(self, error: Exception) -> None:
        now, before = self._clock.now(), self._folder.state()
        failures = before.failures + 1
        wants = error.retry_after if isinstance(error, AcmeError) else 0.0
        state = structs.replace(
            before, directory=self._settings.acme.directory, failures=failures, failed_at=now,
            account=self._client.account if self._client else "",
            retry_at=next_try(failures, now, wants, self._roll()), why=pack(of_error(error)),
        )  # fmt: skip
        self._folder.save(state)

    async def _drive(self, talk: Talk[_Result]) -> _Result:
        """Do the steps of a conversation; take away what was published, however it ends."""
        published: list[Proof] = []
        answer: Said | None = None
        try:
            while True:
                try:
                    step = talk.send(answer)
                except StopIteration as end:
                    result: _Result = end.value
                    return result
                answer = None
                if isinstance(step, Ask):
                    answer = await self._ask(step)
                elif isinstance(step, Rest):
                    await self._sleep(step.seconds)
                else:
                    await self._publish(step, published)
        finally:
            talk.close()
            for proof in published:
                try:
                    await self._proofs.withdraw(proof)
                except AcmeError as e:
                    self._log.warning("proof_not_withdrawn", name=proof.name, why=str(e))

    async def _publish(self, step: Publish, published: list[Proof]) -> None:
        for proof in step.proofs:
            published.append(proof)
            await self._proofs.publish(proof)

    async def _ask(self, step: Ask) -> Said:
        try:
            answer = await self._fetch(
                WebRequest(step.url, step.body, _ACME_TYPE if step.body is not None else (), step.method)
            )
        except NetError as e:
            raise AcmeError(told("the authority cannot be asked: {why}", why=e)) from e
        return Said(answer.status, answer.body, answer.headers)


async def _addresses(dns: Resolver, name: str) -> set[object]:
    return {address for answer in await dns.addresses(name) for address in answer.records}


def shown(folder: CertificateFolder, now: float, *, managed: bool) -> dict[str, Any]:
    """Return what is known about our certificate as commands show it.  Raises OSError or ValueError."""
    facts, state, following = folder.facts(), folder.state(), folder.next_key()
    due = (
        renew_at(facts.begins, facts.ends, facts.serial)
        if facts is not None and not facts.self_made
        else None
    )
    return {
        "managed": managed,
        "names": list(facts.names) if facts else [],
        "issuer": facts.issuer if facts else None,
        "self_made": facts.self_made if facts else None,
        "from": facts.begins if facts else None,
        "until": facts.ends if facts else None,
        "days_left": round((facts.ends - now) / 86_400, 1) if facts else None,
        "renew_at": due if managed else None,
        "tlsa": f"3 1 1 {facts.association.hex()}" if facts else None,
        "next_tlsa": f"3 1 1 {following.association.hex()}" if following else None,
        "next_seen_since": state.seen_since or None,
        "directory": state.directory or None,
        "account": state.account or None,
        "failures": state.failures,
        "failed_at": state.failed_at or None,
        "retry_at": state.retry_at or None,
        "why": unpack(state.why) if state.why else None,
    }
