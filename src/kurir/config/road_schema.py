"""The way out: roads, the TLS that is demanded on them, and what is known of their limits."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr

from .oauth_schema import RoadOAuthSection
from .section import Section
from .units import Seconds
from .values import DomainPattern, RoadUrl, TlsRule


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
    reports: bool = Field(True, description="Send daily TLS reports to domains that ask for them (TLS-RPT).")


class RoadSection(Section):
    """One way out.  The first road whose senders and recipients fit is taken."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")] = Field(
        description="What the trace calls it."
    )
    url: RoadUrl = Field(
        description='"mx:" (direct), "smtp://host:port?tls=require", "smtps://", "lmtp://", "sandbox:".'
    )
    senders: list[DomainPattern] = Field(["*"], description="Domains of senders it is for.")
    recipients: list[DomainPattern] = Field(["*"], description="Domains of recipients it is for.")
    username: str = Field("", description="Login at that server (or in the URL).")
    password_file: Path | None = Field(
        None, description="File with the password, so that it is not in this file."
    )
    provider: str = Field(
        "", description="The provider in the atlas, where its host name does not tell (kurir limits --known)."
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
    def password(self) -> str:
        """What stands in `password_file`; "" until somebody has read it (`with_password`)."""
        return self._password

    def with_password(self, password: str) -> "RoadSection":
        """Return the road with the password that was read; it shows up in no representation."""
        road = self.model_copy()
        road._password = password  # noqa: SLF001 - a copy of our own
        return road


class AtlasSection(Section):
    """What is known of the limits of providers and receivers."""

    files: list[Path] = Field(
        [], description="Own files, read after the shipped ones; each field there overrides what is known."
    )
