"""The other side: smarthosts and receivers that count, and say what real ones say when it is too much.

What a provider took stands in the week's ledger before it says so.  Each time its own count goes over its terms by
what Kurir sent alone, the week is broken: being refused is not the test, never being too much is.
"""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kurir.limits import Beyond, Per, Unit
from tests.simulation.lines import Lines
from tests.simulation.net import SimStream

from .terms import Account, Change, Term

if TYPE_CHECKING:
    from .world import Week

# What real ones say beyond a limit.
REFUSALS = (
    "550 5.4.5 Daily user sending limit exceeded.",
    "452 4.2.2 The account has exceeded its sending limit.",
    "554 5.2.0 Submission quota exceeded for this sender.",
)
CLOSING = "421 4.7.0 Too many connections or messages, closing."
# What they say in an outage, by its kind: the step at which, and the words.
OUTAGES = {
    "busy": ("banner", "421 4.3.2 Service not available, try again later"),
    "blocklisted": ("banner", "554 5.7.1 Service unavailable; client host is blocked using a blocklist"),
    "suspended": ("login", "535 5.7.8 Authentication failed: account suspended"),
}
GREYLISTED = "451 4.7.1 Greylisted, please try again in 5 minutes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How a provider behaves apart from its terms.  `counts_at` is ``mail`` or ``dot``; times in seconds."""

    refusal: str = REFUSALS[0]
    counts_at: str = "dot"
    login: bool = True
    tls: bool = False
    greylist: float = 0.0
    thinks: float = 0.0  # before the reply to the final dot


class Provider:
    """One of them, at one address or several."""

    def __init__(
        self, week: "Week", name: str, hosts: tuple[str, ...], terms: tuple[Term, ...], habits: Habits
    ) -> None:
        self.week, self.name, self.hosts = week, name, hosts
        self.addresses: list[str] = []
        self.terms, self.habits = terms, habits
        self.account = Account(terms)
        self.outage = ""
        self.known_limits = True
        self.open = 0
        self.changed: Term | None = None
        self.surprised = 0  # how often Kurir asked too much of a term that had changed
        self.took: list[tuple[float, int]] = []  # (when, message)
        self._seen: dict[tuple[str, str], float] = {}
        self.at_once = self._term(Unit.CONNECTIONS, Per.ONCE)
        self.each = self._term(Unit.MESSAGES, Per.CONNECTION)
        self.together = self._term(Unit.RECIPIENTS, Per.MESSAGE)

    def _term(self, unit: Unit, per: Per) -> Term | None:
        return next((t for t in self.terms if t.unit is unit and t.per is per), None)

    def too_much(self, term: Term, by_us: bool) -> None:
        """Note that a term was broken."""
        self.week.trace("provider", self.name, "over", term.name, by_us)
        self.week.figures["refused"] += 1
        if term is self.changed:
            self.surprised += 1
        elif by_us and self.known_limits:
            self.week.wrong(f"{self.name}: more than {term.value} {term.unit.value} per {term.per.value}")

    def change(self, change: Change) -> None:
        """One of its terms is another one from now on."""
        self.week.trace("contract", self.name, change.after.name, change.before.value, change.after.value)
        self.account.change(change)
        self.changed = change.after

    def refusal(self, term: Term) -> str:
        """Return what it says beyond a term: a new one it names."""
        if term is self.changed:
            return f"550 5.4.5 You may send only {term.value} {term.unit.value} per {term.per.value}."
        return self.habits.refusal

    def known(self, sender: str, recipient: str, now: float) -> bool:
        """Whether a greylist lets this pair through: it was seen long enough ago."""
        first = self._seen.setdefault((sender, recipient), now)
        return not self.habits.greylist or now - first >= self.habits.greylist

    async def serve(self, stream: SimStream) -> None:
        """Have one session."""
        self.open += 1
        try:
            if self.at_once is not None and self.open > self.at_once.value:
                self.too_much(self.at_once, by_us=True)
                stream.write(f"{CLOSING}\r\n".encode())
                await stream.close()
                return
            await _Session(self, stream).run()
        finally:
            self.open -= 1


class _Session:
    """One connection."""

    def __init__(self, host: Provider, stream: SimStream) -> None:
        self.host, self.stream = host, stream
        self.lines = Lines(stream)
        self.messages = 0
        self.mailing = False
        self.sender = ""
        self.recipients: list[str] = []
        self.refused = ""
        self.refusal = ""

    def say(self, *lines: str) -> None:
        self.stream.write("".join(f"{line}\r\n" for line in lines).encode())

    async def run(self) -> None:
        step, words = OUTAGES.get(self.host.outage, ("", ""))
        if step == "banner":
            self.say(words)
            await self.stream.close()
            return
        self.say(f"220 {self.host.name} ESMTP")
        while True:
            line = await self.lines.line()
            verb, _, rest = line.partition(" ")
            if verb.upper() == "QUIT":
                self.say("221 bye")
                await self.stream.close()
                return
            answer = getattr(self, f"_{verb.lower()}", None)
            if answer is None:
                self.say("250 ok")
            elif await answer(rest):
                await self.stream.close()
                return

    async def _ehlo(self, _: str) -> None:
        words = ["PIPELINING", "8BITMIME"]
        words += ["STARTTLS"] if self.host.habits.tls and self.stream.tls is None else []
        words += ["AUTH PLAIN"] if self.host.habits.login else []
        self.say(*[f"250-{w}" for w in (self.host.name, *words)], "250 HELP")

    async def _starttls(self, _: str) -> None:
        self.say("220 go on")

    async def _auth(self, _: str) -> None:
        step, words = OUTAGES.get(self.host.outage, ("", ""))
        self.say(words if step == "login" else "235 2.7.0 welcome")

    async def _mail(self, rest: str) -> bool:
        self.sender, self.recipients, self.refused = _path(rest), [], ""
        self.messages += 1
        each = self.host.each
        if each is not None and self.messages > each.value:
            self.host.too_much(each, by_us=True)
            self.say(CLOSING)
            return True
        self.mailing = self.host.habits.counts_at != "mail" or not self._over(Unit.MESSAGES, 1)
        if not self.mailing:
            return self._beyond()
        self.say("250 2.1.0 ok")
        return False

    async def _rcpt(self, rest: str) -> bool:
        recipient, together = _path(rest), self.host.together
        if not self.mailing:
            self.say("503 5.5.1 MAIL first")
        elif together is not None and len(self.recipients) >= together.value:
            self.host.too_much(together, by_us=True)
            self.say("452 4.5.3 Too many recipients")
        elif not self.host.known(self.sender, recipient, self.host.week.loop.time()):
            self.say(GREYLISTED)
        else:
            self.recipients.append(recipient)
            self.say("250 2.1.5 ok")
        return False

    async def _data(self, _: str) -> bool:
        if not self.recipients:
            self.say("503 5.5.1 no recipients")
            return False
        self.say("354 go on")
        body = await self.lines.body()
        if self.host.habits.thinks:
            await asyncio.sleep(self.host.habits.thinks)
        at_dot = self.host.habits.counts_at == "dot"
        if (at_dot and self._over(Unit.MESSAGES, 1)) or self._over(Unit.RECIPIENTS, len(self.recipients)):
            return self._beyond(body)
        return self._take(body)

    def _take(self, body: bytes) -> bool:
        lost = self.host.week.taken(self.host, self.sender, tuple(self.recipients), body)
        self.say(*([] if lost else ["250 2.0.0 taken"]))
        return lost

    def _over(self, unit: Unit, units: int) -> bool:
        """Count, or note which term is broken."""
        account, now = self.host.account, self.host.week.clock.now()
        over = account.over(unit, units, now)
        for term, by_us in over:
            self.host.too_much(term, by_us)
        if over:
            self.refused = over[0][0].beyond.value
            self.refusal = self.host.refusal(over[0][0])
            return True
        account.count(unit, units, now)
        return False

    def _beyond(self, body: bytes | None = None) -> bool:
        """Do what the provider does with too much."""
        if self.refused == Beyond.DISCARD.value and body is not None:
            self.say("250 2.0.0 taken")  # and thrown away
        elif self.refused == Beyond.DELAY.value and body is not None:
            return self._take(body)
        elif self.refused == Beyond.CLOSE.value:
            self.say(CLOSING)
            return True
        else:
            self.say(self.refusal)
        return False


def _path(rest: str) -> str:
    return rest[rest.find("<") + 1 : rest.find(">")]
