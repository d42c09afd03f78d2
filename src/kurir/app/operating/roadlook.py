"""What the command line asks of roads: which one a mail would take, whether one works, and which services there are.

A plan is made as delivery makes it; what is known only while the server runs (closed roads, spent budgets) is asked of it.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from hashlib import sha256
from random import Random
from typing import Any

import msgspec

from kurir.app.learnt import lessons
from kurir.app.wiring import roads, settings
from kurir.config import Config
from kurir.delivery import DeliverySettings, NextHop, Route, RouteKind
from kurir.delivery.connecting.opening import Opener, Wish
from kurir.delivery.connecting.session import Session, Trouble
from kurir.delivery.mx import MailHost
from kurir.delivery.routing.allowed import included
from kurir.delivery.routing.authentic import authenticity
from kurir.delivery.routing.plan import Destination, Planner
from kurir.delivery.sending.attempt import Attempt
from kurir.message import compose_text
from kurir.model import Address, Cause, MailParams, Outcome, OutcomeKind, Recipient, Stage
from kurir.model.told import told
from kurir.queue import Lease, Plan, PlanRequest, Road, Work
from kurir.queue.asks import NoticeWork, Obstacle

from . import tlslook
from .control import ControlError
from .operate import operate

GREETING = 20.0
"""Seconds that a test waits for a server to say the next word in greeting (mail waits up to five minutes: RFC 5321 section 4.5.3.2)."""


async def planned(config: Config, sender: str, domain: str) -> Plan:
    """Return the roads from the domain `sender` to `domain`.  Raises `ControlError`."""
    with tlslook.outside(config) as o, lessons.looked_up(config, settings.layout(config), o.clock) as allowed:
        planner = Planner(o.routes, o.resolver, o.clock, Random(), allowed)  # noqa: S311
        return await planner.plan(PlanRequest(sender, domain))


def explained(config: Config, plan: Plan, size: int, *, urgent: bool) -> list[dict[str, Any]]:
    """Return for each road of `plan` whether a mail would take it now; asks the running server."""
    plain = msgspec.to_builtins(plan.roads)
    answer: list[dict[str, Any]] = operate(config, "route", roads=plain, size=size, urgent=urgent)
    return answer


def states(config: Config) -> dict[str, dict[str, Any]]:
    """Return what the running server says of roads in trouble, by name: the worst of each."""
    found: dict[str, dict[str, Any]] = {}
    for state in operate(config, "roads"):
        found.setdefault(state["road"], state)
    return found


def routes(config: Config) -> list[Route]:
    """Return the roads that lead away from this machine, in their order."""
    outward = (RouteKind.MX, RouteKind.SMARTHOST, RouteKind.SANDBOX)
    return [r for r in roads.delivery(config).routes if r.kind in outward]


def route(config: Config, name: str) -> Route:
    """Return the road called `name`, which goes by a server.  Raises `ControlError`."""
    known = {r.name: r for r in routes(config)}
    if name not in known:
        raise ControlError(
            told("there is no road {name!r}; roads: {known}", name=name, known=", ".join(known) or "-")
        )
    if known[name].kind is not RouteKind.SMARTHOST:
        raise ControlError(
            told(
                "the road {name!r} goes by no server of its own; look at a domain with: kurir tls DOMAIN",
                name=name,
            )
        )
    return known[name]


@dataclass(frozen=True, slots=True)
class RoadTest:
    """What came of a test: `host` that answered, its offer, and the trouble or the outcome of a mail that was sent.

    `tls` is the version and what proved the name ("unverified" where nothing did); `hint` what the trouble smells of.
    """

    host: str
    tls: str = ""
    logged_in: bool = False
    size: int = 0
    trouble: Trouble | None = None
    mail: Outcome | None = None
    hint: str = ""

    @property
    def good(self) -> bool:
        """Whether nothing went wrong."""
        return self.trouble is None and (self.mail is None or self.mail.kind is OutcomeKind.HANDED_OVER)


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail to try a road with."""

    sender: Address
    to: Address
    subject: str
    text: str


async def tested(config: Config, wanted: Route, letter: Letter | None) -> RoadTest:
    """Connect, do TLS, log in, read the limits, and send `letter` where there is one.  Raises `ControlError`."""
    assert wanted.next_hop is not None
    hop = wanted.next_hop
    with tlslook.outside(config) as o:
        planner = Planner(o.routes, o.resolver, o.clock, Random())  # noqa: S311
        opener = Opener(
            impatient(o.routes), planner, o.resolver, o.dialer, o.clock, desk=o.desk, tokens=o.tokens
        )
        destination = Destination(wanted, f"{hop.host}:{hop.port}", (MailHost(hop.host),))
        session = await opener.open(destination, Wish(domain=letter.to.domain if letter else hop.host))
        if isinstance(session, Trouble):
            return RoadTest(session.host or hop.host, trouble=session, hint=hint_of(session, hop))
        try:
            mail = await _sent(session, o, wanted, letter) if letter is not None else None
            tls = session.tls
            return RoadTest(
                session.host,
                f"{tls.version}, {tls.verified or 'unverified'}" if tls is not None else "",
                bool(hop.username),
                session.offer.size,
                mail=mail,
            )
        finally:
            await session.quit(o.routes.timeouts.quit)


async def forged(config: Config, wanted: Route) -> list[Obstacle]:
    """Return for which of our domains `wanted` cannot stand in, because their mail would look forged.  Raises `ControlError`."""
    with tlslook.outside(config) as o:
        names = included(o.routes.atlas, wanted)
        asked = [authenticity(o.resolver, o.routes, wanted, domain, names) for domain in config.domains]
        return [obstacle for obstacle in await asyncio.gather(*asked) if obstacle is not None]


def impatient(settings: DeliverySettings) -> DeliverySettings:
    """Return the settings for a person who waits: a server that works greets within seconds, whatever mail may wait for."""
    times = settings.timeouts
    banner, hello = min(times.banner, GREETING), min(times.hello, GREETING)
    return replace(settings, timeouts=replace(times, banner=banner, hello=hello))


def hint_of(trouble: Trouble, hop: NextHop) -> str:
    """Return what a trouble mostly comes from where the URL does not fit the server; "" where that cannot be told.

    ``implicit``: a server that says nothing waits for TLS from the first byte (RFC 8314).  ``starttls``: one that answers a
    handshake with anything else does not.  ``clear``: it offers no encryption at this port.  ``untrusted``: its certificate is
    good only for who trusts its issuer.
    """
    if trouble.reply is not None:
        return ""
    if trouble.cause is Cause.TLS_REQUIRED and trouble.stage is Stage.TLS:
        return "clear"
    if trouble.stage is Stage.BANNER and not hop.implicit_tls:
        return "implicit"
    if trouble.cause is Cause.TLS_FAILED and hop.implicit_tls:
        return "starttls"
    return "untrusted" if trouble.cause is Cause.TLS_UNTRUSTED else ""


async def _sent(session: Session, o: tlslook.Outside, wanted: Route, letter: Letter) -> Outcome:
    sender, to, subject, text = letter.sender, letter.to, letter.subject, letter.text
    body = compose_text(
        sender=str(sender), to=(str(to),), subject=subject, text=text, at=o.clock.now(), token=secrets.token_hex(8)
    )  # fmt: skip
    lease = Lease(
        epoch=0, id=0, number=0, road=Road(wanted.name, session.host), reverse_path=sender, params=MailParams(),
        work=(Work(0, Recipient(to), 0),), trace_block=b"", size=len(body), sha256=sha256(body).digest(), body=body,
    )  # fmt: skip
    attempt = Attempt(session, lease, _InLease(), o.routes, o.clock)
    await attempt.run()
    return attempt.results[0][1]


class _InLease:
    """Bodies that travel with their lease."""

    async def whole(self, work: Lease | NoticeWork) -> bytes:
        """Return the body."""
        return work.body or b""

    async def chunks(self, work: Lease | NoticeWork) -> AsyncIterator[bytes]:
        """Yield the body."""
        yield work.body or b""

    async def head(self, work: Lease | NoticeWork, limit: int) -> bytes:
        """Return the beginning of the body."""
        return (work.body or b"")[:limit]
