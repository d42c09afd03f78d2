"""The shape of ``kurir.toml``: every section, key, default and check, in one place (kinds of values: `values`).

Descriptions here are what ``docs/reference/configuration.md`` and ``kurir check`` show.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from kurir.model.told import told

from .oauth_schema import OAuthSection
from .road_schema import AtlasSection, RoadSection, TlsOutSection, contradictions
from .section import Section
from .sender_schema import ReportsSection, SenderAuthSection, SigningSection
from .tls_schema import TlsSection, WebSection
from .units import Octets, Seconds
from .values import (
    AddressText,
    DomainName,
    HostPort,
    IpAddress,
    Listen,
    Network,
    NextHopUrl,
    Port,
)


class ServerSection(Section):
    """Who this server is."""

    hostname: DomainName = Field(description="Our name in the banner, in EHLO and in Received fields.")
    state: Path = Field(
        description="The folder that everything kept lives in; relative to this file.", default=Path()
    )
    user: str = Field("", description="The user to become after binding the ports when started as root.")
    drain: Seconds = Field(
        10,
        description="When the server stops or reloads: how long open deliveries and sessions may take to end.",
        ge=0,
    )
    language: Literal["en", "id"] = Field("en", description="Which language comes first in notices.")
    postmaster: AddressText | None = Field(
        None,
        description="Who is told about the server's own troubles; default postmaster@ the first local domain.",
    )
    addresses: list[IpAddress] = Field(
        [],
        description="Public addresses of this server that it does not listen at itself (behind NAT): mail for postmaster@[address] is ours.",
    )
    playground: bool = Field(
        False, description="Keep mail for foreign domains in the sandbox; never send it."
    )


class ListenSection(Section):
    """Where to listen.  An empty list closes that door."""

    smtp: list[Listen] = Field([], description="Mail from other servers (port 25).")
    submission: list[Listen] = Field([], description="Mail from accounts, STARTTLS (port 587).")
    submissions: list[Listen] = Field(
        [], description="Mail from accounts, TLS from the first byte (port 465)."
    )
    urgent: list[Listen] = Field(
        [],
        description="Which of the doors above are for urgent mail: what our own people hand in there goes before all other.",
    )
    lmtp: list[Listen] = Field([], description="LMTP (port 24), for trusted networks only.")
    http: list[Listen] = Field(
        [], description="Proofs for the authority of certificates, and the way to https (port 80)."
    )
    https: list[Listen] = Field([], description="What [web] serves (port 443).")
    admin: list[Listen] = Field([], description="Metrics and health over HTTP, loopback only (port 8080).")


class NetSection(Section):
    """DNS and outgoing connections."""

    resolvers: list[HostPort] = Field([], description="DNS resolvers; empty means those of the system.")
    trust_ad: bool = Field(False, description="Believe the AD bit of resolvers that are not on loopback.")
    ca_file: Path | None = Field(None, description="Extra certificate authorities for outgoing TLS.")
    allow_loopback_peers: bool = Field(
        False, description="Let MX hosts and web servers of others be on loopback (for tests)."
    )
    mx_port: Port = Field(25, description="The port of other servers.")
    https_port: Port = Field(443, description="The HTTPS port of other servers (MTA-STS policies, reports).")
    source: str | None = Field(None, description="Local address for outgoing connections.")
    dnssec_good: DomainName = Field(
        "iana.org", description="A signed name with an address, to test whether the resolver validates."
    )
    dnssec_bogus: DomainName = Field(
        "dnssec-failed.org", description="A name with a broken signature, which the resolver must refuse."
    )


class TrustSection(Section):
    """Who may relay without a password."""

    networks: list[Network] = Field(
        [], description="Networks that relay on port 25 without AUTH, free of rates per address."
    )
    proxies: list[Network] = Field(
        [], description="Networks whose PROXY protocol header is expected and believed."
    )
    xclient: list[Network] = Field([], description="Networks that may use XCLIENT.")


class LimitsSection(Section):
    """What is taken, and how much at once."""

    message_size: Octets = Field(50 * 1024 * 1024, description="Largest message in octets (SIZE).", gt=0)
    recipients: int = Field(1000, description="Recipients of one message.", ge=100)
    connections_per_address: int = Field(50, description="Connections at once from one address.", ge=1)
    connections_per_network: int = Field(200, description="Connections at once from one /24 or /64.", ge=1)
    connections_per_minute: int = Field(300, description="New connections a minute from one address.", ge=1)
    network_connections_per_minute: int = Field(
        1200, description="New connections a minute from one /24 or /64.", ge=1
    )
    messages_per_minute: int = Field(
        6000, description="Messages a minute from one address that neither logged in nor is trusted.", ge=1
    )
    network_messages_per_minute: int = Field(24_000, description="The same for one /24 or /64.", ge=1)
    margin: float = Field(
        0.9, description="Part of a provider's limit that is used; the rest is the safety margin.", gt=0, le=1
    )
    margin_discard: float = Field(
        0.8, description="The same where the provider throws away what is too much.", gt=0, le=1
    )
    urgent: list[AddressText] = Field(
        [],
        description="Accounts and senders of ours whose mail may use the reserve and goes first (password resets).",
    )
    reserve: float = Field(
        0.1,
        description="Part of each limit kept for urgent mail, where any account, sender or door may have some.",
        ge=0,
        lt=1,
    )
    disk_free: Octets = Field(64 * 1024 * 1024, description="Take no mail when less is free (452).", ge=0)


# Nobody is hurried by it: the only receiver is our own sandbox, and whoever tries it wants to see it move.
SANDBOX_RETRY = (5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0)


class QueueSection(Section):
    """Tries and notices."""

    retry: list[Seconds] = Field(
        [300, 600, 1200, 2400, 3600, 7200, 14400],
        description="Waits between tries; the last one repeats. Where all foreign mail ends in the sandbox of a playground, seconds are the default.",
        min_length=1,
    )
    lifetime: Seconds = Field(5 * 86400, description="How long to try.", gt=0)
    lifetime_blocked: Seconds = Field(
        86400,
        description="How long to try, from the first such answer on, where the other side blocks this server and waiting alone does not help.",
        gt=0,
    )
    delay_notice: list[Seconds] = Field(
        [3600, 86400], description="When to tell the sender that mail is late; [] never."
    )


class SuppressionSection(Section):
    """Addresses that proved to be dead: mail to them is refused, with the reason (`kurir suppress`)."""

    automatic: bool = Field(
        True,
        description="Put addresses on the list by themselves; without it only `kurir suppress add` does.",
    )
    days: int = Field(
        2,
        description="On how many different days another server must refuse an address as unknown or closed.",
        ge=1,
        le=14,
    )
    keep: Seconds = Field(30 * 86400, description="How long an address stays on the list.", gt=0)


class PatienceSection(Section):
    """How long a client may take; each time is for a whole command or message, not for one read."""

    command: Seconds = Field(
        300, description="For one command (RFC 5321 section 4.5.3.2.7: 5 minutes).", gt=0
    )
    session: Seconds = Field(3600, description="For all commands of a connection together.", gt=0)
    data: Seconds = Field(300, description="For a message, and more as it arrives fast enough.", gt=0)
    min_rate: float = Field(
        500.0, description="Octets a second that a message must bring to earn time.", gt=0
    )
    tls: Seconds = Field(10, description="For the handshake.", gt=0)
    reply: Seconds = Field(60, description="For a client to read what we said.", gt=0)


class ReceptionSection(Section):
    """How mail is taken in."""

    sessions: int = Field(20_000, description="Connections at once in one reception process.", ge=10)
    timeouts: PatienceSection = PatienceSection()


class TimeoutsSection(Section):
    """How long each step of a delivery may take; the defaults are those of RFC 5321 section 4.5.3.2."""

    connect: Seconds = Field(30, description="To reach one address of a server.", gt=0)
    banner: Seconds = Field(300, description="For the greeting.", gt=0)
    hello: Seconds = Field(300, description="For the answer to EHLO.", gt=0)
    tls: Seconds = Field(60, description="For the handshake.", gt=0)
    auth: Seconds = Field(120, description="For the login.", gt=0)
    command: Seconds = Field(300, description="For the answers to MAIL, RCPT and DATA.", gt=0)
    data: Seconds = Field(180, description="For the other side to take one block of the message.", gt=0)
    final_dot: Seconds = Field(600, description="For the answer to the whole message.", gt=0)


class DeliverySection(Section):
    """How mail is passed on."""

    timeouts: TimeoutsSection = TimeoutsSection()


class DomainSection(Section):
    """A domain this server is responsible for."""

    relay_to: NextHopUrl | None = Field(
        None, description="Pass its mail on to this server; without it mail is kept here."
    )
    deliver_to: NextHopUrl | None = Field(
        None, description="Where local mail goes: lmtp://... or lmtp+unix:/path; default Maildir."
    )
    catch_all: AddressText | None = Field(None, description="Who gets mail for unknown users of it.")

    @model_validator(mode="after")
    def _one_kind(self) -> "DomainSection":
        if self.relay_to and (self.deliver_to or self.catch_all):
            raise ValueError(
                told("a relayed domain has no deliver_to and no catch_all: its next server decides")
            )
        return self


class SubmissionSection(Section):
    """Mail from accounts."""

    hide_client: bool = Field(True, description="Leave the client's address out of the Received field.")
    plus: str = Field("+", description='Separator of details in local parts ("" for none).', max_length=1)
    scram_plus: bool = Field(
        True,
        description="Offer SCRAM-SHA-256-PLUS, bound by tls-server-end-point. Programs on GNU SASL, which know only tls-exporter, want false.",
    )
    client_certificates: bool = Field(
        False,
        description="Ask clients for a certificate, which may then log them in (EXTERNAL); see kurir user cert.",
    )
    client_ca: Path | None = Field(
        None,
        description="PEM file of our own authority for clients: its certificates log in the address they name.",
    )

    @model_validator(mode="after")
    def _asked(self) -> "SubmissionSection":
        if self.client_ca is not None and not self.client_certificates:
            raise ValueError(told("client_ca has no effect without client_certificates = true"))
        return self


class MorningSection(Section):
    """What is mailed once a day; a day without anything to tell is told to nobody."""

    hour: int = Field(
        6, description="From which hour on (this machine's time zone) the day before is told.", ge=0, le=23
    )
    held: bool = Field(
        True,
        description="Tell the postmaster, and the owners of mailboxes here, of mail from outside that is being held.",
    )


class TraceSection(Section):
    """How long what happened is remembered."""

    days: int = Field(90, description="Days that settled mail stays in the trace.", ge=1)
    observations: int = Field(200_000, description="Refusals and other observations kept at most.", ge=1000)


class LogSection(Section):
    """Logs go to standard error."""

    format: Literal["auto", "console", "json", "journald"] = Field(
        "auto", description="auto: console on a terminal, else json."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least important lines shown."
    )


class Config(Section):
    """The whole file."""

    workers: int | Literal["auto"] = Field(
        "auto",
        description="Reception and delivery processes each; 0 puts all roles into one process; auto decides by cores.",
    )
    server: ServerSection
    listen: ListenSection = ListenSection()
    net: NetSection = NetSection()
    tls: TlsSection = TlsSection()
    tls_out: TlsOutSection = TlsOutSection()
    web: WebSection = WebSection()
    trust: TrustSection = TrustSection()
    limits: LimitsSection = LimitsSection()
    reception: ReceptionSection = ReceptionSection()
    queue: QueueSection = QueueSection()
    delivery: DeliverySection = DeliverySection()
    submission: SubmissionSection = SubmissionSection()
    senderauth: SenderAuthSection = SenderAuthSection()
    atlas: AtlasSection = AtlasSection()
    signing: SigningSection = SigningSection()
    reports: ReportsSection = ReportsSection()
    oauth: OAuthSection | None = Field(None, description="Logins with bearer tokens; see [oauth].")
    morning: MorningSection = MorningSection()
    suppression: SuppressionSection = SuppressionSection()
    trace: TraceSection = TraceSection()
    log: LogSection = LogSection()
    domains: dict[DomainName, DomainSection] = Field(
        {}, description="Domains this server is responsible for."
    )
    aliases: dict[AddressText, list[AddressText]] = Field(
        {}, description="Address -> the addresses that get its mail."
    )
    roads: list[RoadSection] = Field([], description="Ways out, in order; without any: direct to the MX.")

    @property
    def retry(self) -> tuple[float, ...]:
        """The waits between tries that hold: ``queue.retry``, and shorter ones where only the sandbox is tried."""
        only_sandbox = self.server.playground and not self.roads
        if only_sandbox and "retry" not in self.queue.model_fields_set:
            return SANDBOX_RETRY
        return tuple(self.queue.retry)

    def contradictions(self) -> Iterator[str]:
        """Yield what is right by itself, but not beside the rest."""
        yield from contradictions(self.roads)
        if self.tls.acme is not None and self.tls.acme.challenge == "http-01" and not self.listen.http:
            yield told("tls.acme: http-01 needs a door on port 80: set listen.http, or prove names by dns-01")
        if isinstance(self.workers, int) and not 0 <= self.workers <= 64:
            yield told('workers: write 0 to 64, or "auto"')
        doors = {*self.listen.smtp, *self.listen.submission, *self.listen.submissions}
        for spec in self.listen.urgent:
            if spec not in doors:
                yield told("listen.urgent: {spec} is none of smtp, submission and submissions", spec=spec)
        local = {d for d, s in self.domains.items() if not s.relay_to}
        for alias in self.aliases:
            if alias.rpartition("@")[2] not in local:
                yield told(
                    "aliases: {alias} is not in a local domain of this server (see [domains])", alias=alias
                )
