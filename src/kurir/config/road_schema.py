"""The way out: roads, the TLS that is demanded on them, and what is known of their limits."""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr

from kurir.model.told import told

from .oauth_schema import RoadOAuthSection
from .section import Section
from .units import Seconds
from .values import DomainName, DomainPattern, IpAddress, RoadUrl, TlsRule


class TlsOutSection(Section):
    """TLS towards other servers: what is demanded, and what happens when protection that was there is gone."""

    rule: TlsRule = Field(
        "opportunistic",
        description="For mail straight to MX hosts: none, opportunistic (what the other side publishes, else what it offers), "
        "required (any certificate), verified (the right name), dane-only.",
    )
    domains: dict[DomainPattern, TlsRule] = Field(
        {}, description="Rules for domains of recipients (example.org, *.example.org); they win over roads."
    )
    dane: bool = Field(
        True, description="Keep to TLSA records in signed DNS; needs a validating resolver on loopback."
    )
    mta_sts: bool = Field(True, description="Keep to the MTA-STS policies of recipients' domains.")
    memory: bool = Field(
        True,
        description="Remember the best protection ever proven with a server, and notice when it is gone.",
    )
    loss_delay: Seconds = Field(
        4 * 3600, description="How long mail waits for encryption that was there before.", ge=0
    )
    after_loss: Literal["send", "wait"] = Field(
        "send", description="What happens then: send without encryption, marked and alarmed; or wait on."
    )
    foresee: Seconds = Field(
        20,
        description="How long the sender of sealed mail waits while Kurir finds out whether it can travel so; "
        "0: take it, and tell when it is sent.",
        ge=0,
        le=120,
    )
    reports: bool = Field(True, description="Send daily TLS reports to domains that ask for them (TLS-RPT).")


class RoadSection(Section):
    """One way out.  The first road whose senders and recipients fit is taken, and while it is closed its fallbacks in order.

    A road that is somebody's fallback and says neither senders nor recipients takes no other mail.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")] = Field(
        description="What the trace calls it."
    )
    url: RoadUrl = Field(
        description='"mx:" (direct), "smtp://host:port?tls=require", "smtps://", "lmtp://", "sandbox:".'
    )
    senders: list[DomainPattern] = Field(["*"], description="Domains of senders it is for.")
    recipients: list[DomainPattern] = Field(["*"], description="Domains of recipients it is for.")
    fallback: list[str] = Field(
        [], description='Names of the roads that stand in for it, in order ("mx": straight to the MX).'
    )
    source: IpAddress | list[IpAddress] = Field(
        [],
        description="Own addresses that its connections leave from: one, or a pool: each message has its own of them, and one that a site refuses is left there.",
    )
    spf: list[DomainName] = Field(
        [], description="Names that SPF records include for it, where the atlas does not know."
    )
    username: str = Field("", description="Login at that server (or in the URL).")
    password_file: Path | None = Field(
        None, description="File with the password, so that it is not in this file."
    )
    provider: str = Field(
        "",
        description="The provider in the atlas, where its host name does not tell (docs/reference/atlas.md).",
    )
    plan: str = Field("", description="What was booked there: decides which of its limits hold.")
    tls: TlsRule | None = Field(
        None,
        description="What its connections must prove, as in [tls_out]; default that rule, or what the URL says.",
    )
    oauth: RoadOAuthSection | None = Field(
        None, description="Log in with OAuth tokens instead of a password; username is needed."
    )
    warm_up: date | bool = Field(
        False,
        description="Send little at first, twice as much each day: the date on which it began (2026-11-20), or true to find that out.",
    )
    concurrency: int = Field(20, description="Connections at once.", ge=1, le=1000)
    rate: float = Field(0.0, description="Messages a second, 0 for no limit.", ge=0)
    _password: str = PrivateAttr("")

    @property
    def sources(self) -> tuple[str, ...]:
        """The addresses in `source`."""
        return (self.source,) if isinstance(self.source, str) else tuple(self.source)

    @property
    def for_everybody(self) -> bool:
        """Whether its mail was never described, so that as a fallback it has none of its own."""
        return not self.model_fields_set & {"senders", "recipients"}

    @property
    def password(self) -> str:
        """What stands in `password_file`; "" until somebody has read it (`with_password`)."""
        return self._password

    def with_password(self, password: str) -> "RoadSection":
        """Return the road with the password that was read; it shows up in no representation."""
        road = self.model_copy()
        road._password = password  # noqa: SLF001 - a copy of our own
        return road


DIRECT = "mx"
"""The road straight to the MX, which is there without being written."""


def contradictions(roads: Sequence[RoadSection]) -> Iterator[str]:
    """Yield what is wrong with roads beside each other."""
    yield from wrong_names(roads)
    yield from _never_taken(roads)


def wrong_names(roads: Sequence[RoadSection]) -> Iterator[str]:
    """Yield which names of roads stand twice or for nothing; right even where other keys of the roads are not known."""
    names = [r.name for r in roads]
    for name in sorted({n for n in names if names.count(n) > 1}):
        yield told("roads: the name {twice!r} is used twice", twice=name)
    for road in roads:
        yield from _wrong_fallbacks(road, names)


def _never_taken(roads: Sequence[RoadSection]) -> Iterator[str]:
    stand_ins = {name for r in roads for name in r.fallback}
    mains: list[RoadSection] = []
    for road in roads:
        if road.name in stand_ins and road.for_everybody:
            continue
        wider = next((m for m in mains if _covers(m, road)), None)
        if wider is not None and road.name not in stand_ins:
            if "*" in wider.senders and "*" in wider.recipients:
                yield told(
                    "roads: {name!r} can never be taken, because {name2!r} before it fits everything",
                    name=road.name,
                    name2=wider.name,
                )
            else:
                yield told(
                    "roads: {name!r} can never be taken, because {name2!r} before it fits all of its mail",
                    name=road.name,
                    name2=wider.name,
                )
        mains.append(road)


def _wrong_fallbacks(road: RoadSection, names: Sequence[str]) -> Iterator[str]:
    for name in road.fallback:
        if name == road.name:
            yield told("roads: {name!r} cannot be its own fallback", name=road.name)
        elif name not in names and name != DIRECT:
            yield told(
                "roads: {name!r} names the fallback {other!r}, but there is no such road ({known})",
                name=road.name,
                other=name,
                known=", ".join(n for n in [*names, DIRECT] if n != road.name),
            )
        elif road.fallback.count(name) > 1:
            yield told("roads: {name!r} names the fallback {other!r} twice", name=road.name, other=name)
            return


def _covers(wide: RoadSection, narrow: RoadSection) -> bool:
    return _all_fit(wide.senders, narrow.senders) and _all_fit(wide.recipients, narrow.recipients)


def _all_fit(wide: Sequence[str], narrow: Sequence[str]) -> bool:
    """Whether each pattern of `narrow` lies within one of `wide`."""
    return all(any(w in ("*", n) or (w[0] == "*" and n.endswith(w[1:])) for w in wide) for n in narrow)


class AtlasSection(Section):
    """What is known of the limits of providers and receivers."""

    files: list[Path] = Field(
        [], description="Own files, read after the shipped ones; each field there overrides what is known."
    )
