"""Can mail that must travel sealed do so?  Found out while its sender still waits for the answer to its submission.

What is remembered of a server decides where it is fresh; else a real conversation with the hosts of the domain
(`examine`), within a time limit.  One host that will do is enough, as when sending (RFC 8689 section 4.2.1); where none
does, the answer names the weakest link of the one that comes nearest.  Who cannot be asked in time is asked when the
mail is sent.  Answers are remembered for a short time, and equal questions at the same time are asked once.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from kurir.delivery.connecting.opening import Wish
from kurir.delivery.tlspolicy import Need, Reason, StsMode
from kurir.model import Clock, Prospect, Reply

from .examine import DomainExam, Examiner, HostExam

# Decisions against a host whatever it shows, in words
_RULED_OUT = {
    Reason.RULE: "the operator has switched TLS off for this road",
    Reason.DANE_MISSING: "{host} has no TLSA records in signed DNS, which the operator demands",
    Reason.DANE_BOGUS: "the TLSA records of {host} cannot be looked up securely",
    Reason.STS_MX: "the policy of {domain} (MTA-STS) does not name {host} as one of its mail hosts",
    Reason.MX_UNPROVEN: "nothing proves that {host} is the mail host of {domain}: its MX record is not signed (DNSSEC) "
    "and no MTA-STS policy names it",
}
# What may pass by itself is refused for now, the rest for good.
_PASSING = frozenset({Reason.DANE_BOGUS})
_TAKEN = Prospect()


@dataclass(frozen=True, slots=True)
class ForesightSettings:
    """Times in seconds: `limit` of one answer (0: nobody is asked), `keep` of a good one, `keep_bad` of others.

    `memory` is the number of answers that are kept, `at_once` that of conversations at the same time.
    """

    limit: float = 20.0
    keep: float = 600.0
    keep_bad: float = 60.0
    memory: int = 10_000
    at_once: int = 16


class Foresight:
    """Implements `kurir.reception.ports.Foresight`."""

    def __init__(self, settings: ForesightSettings, examiner: Examiner, clock: Clock) -> None:
        self._settings = settings
        self._examiner = examiner
        self._clock = clock
        self._known: OrderedDict[tuple[str, Wish], tuple[float, Prospect]] = OrderedDict()
        self._asking: dict[tuple[str, Wish], asyncio.Task[Prospect]] = {}
        self._turns = asyncio.Semaphore(settings.at_once)

    async def prospect(self, sender: str, domain: str, *, strict: bool) -> Prospect:
        """Return what becomes of sealed mail from the domain `sender` ("" for ``<>``) to `domain`.  Never raises.

        `strict` is REQUIRETLS (RFC 8689): the next server has to promise the same for the way after it.
        """
        if not self._settings.limit:
            return _TAKEN
        key = (sender, Wish(domain=domain, require_tls=strict, sealed=not strict))
        known = self._known.get(key)
        if known is not None and known[0] > self._clock.monotonic():
            return known[1]
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.get_running_loop().create_task(self._ask(*key))
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(task)

    async def _ask(self, sender: str, wish: Wish) -> Prospect:
        limit = self._settings.limit
        try:
            async with asyncio.timeout(limit), self._turns:
                if await self._examiner.expected(wish, sender=sender):
                    found = _TAKEN
                else:
                    found = foresee(await self._examiner.domain(wish.domain, sender=sender, wish=wish))
        except TimeoutError:
            found = Prospect(unsure=f"the servers of {wish.domain} gave no answer within {limit:.0f} seconds")
        self._remember((sender, wish), found)
        return found

    def _remember(self, key: tuple[str, Wish], found: Prospect) -> None:
        ttl = self._settings.keep if found == _TAKEN else self._settings.keep_bad
        self._known[key] = (self._clock.monotonic() + ttl, found)
        self._known.move_to_end(key)
        while len(self._known) > self._settings.memory:
            self._known.popitem(last=False)


def foresee(exam: DomainExam) -> Prospect:
    """Return what an exam for sealed mail means for its sender."""
    if exam.failure:
        return Prospect(
            unsure=exam.failure
        )  # no such domain, no road: the ordinary answers come when it is sent
    if not exam.hosts or any(host.sent for host in exam.hosts):
        return _TAKEN
    asked = [host for host in exam.hosts if host.reached or host.demand.refuse]
    silent = next((host for host in exam.hosts if host not in asked), None)
    if silent is not None:
        return Prospect(unsure=f"{silent.host} could not be asked: {silent.trouble}")
    best = max(asked, key=lambda host: (not host.demand.refuse, host.strength))
    code, enhanced = (450, "4.7.0") if best.demand.reason in _PASSING else (550, _enhanced(best))
    return Prospect(
        Reply.of(code, enhanced, f"Mail to {exam.domain} cannot travel sealed: {weakest_link(best)}")
    )


def _enhanced(host: HostExam) -> str:
    """RFC 8689 section 4.2.1: without protection "encryption needed", else "REQUIRETLS needed"."""
    return "5.7.10" if host.reached and host.tls is None else "5.7.30"


def weakest_link(host: HostExam) -> str:
    """Return in words what keeps a host from taking sealed mail."""
    name, tls = host.host or "the next server", host.tls
    if host.demand.refuse:
        return _RULED_OUT[host.demand.reason].format(host=name, domain=host.facts.domain)
    if tls is None:
        return f"{name} does not encrypt: {host.trouble}" if host.trouble else f"{name} offers no TLS at all"
    if host.demand.need is Need.DANE and tls.verified != "dane":
        return f"the certificate of {name} is not the one that signed DNS (DANE) names: {host.dane_why}"
    if tls.verified is None:
        why = tls.why_not or "nobody vouches for it"
        if host.facts.sts.mode is StsMode.ENFORCE:
            return f"the certificate of {name} does not prove its name, as its own policy (MTA-STS) demands: {why}"
        return f"the certificate of {name} does not prove its name ({why}), and neither DANE nor MTA-STS is published"
    return f"{name} does not announce REQUIRETLS, so nobody promises protection on the way after it"
