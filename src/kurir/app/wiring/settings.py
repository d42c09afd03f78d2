"""From the configuration to each room's own settings: pure translation, one function a room; no file is opened.

Secrets were read before (`secrets`).
"""

import ipaddress
from dataclasses import dataclass, replace

from kurir.app.keys.dkim import KeySettings
from kurir.app.process.clock import SystemClock
from kurir.config import Config
from kurir.delivery import (
    Allowed,
    SealingSettings,
)
from kurir.delivery.tlspolicy import AfterLoss, DaneSettings, Rule, StsSettings, TlsSettings
from kurir.identity import (
    ConnectionBrakeSettings,
    DirectorySettings,
    LoginBrakeSettings,
    Network,
    OAuthSettings,
    Window,
)
from kurir.limits import ShapeSettings
from kurir.model import Address, parse_address
from kurir.net import (
    CertificateFiles,
    ClientTlsSettings,
    PeerPolicy,
    ResolverSettings,
    ServerTlsSettings,
    WebSettings,
)
from kurir.queue import QueueSettings
from kurir.reception import Deadlines, ListenerSettings, ReceptionSettings, Role
from kurir.reception.settings import STRONGEST_FIRST
from kurir.senderauth.dkim import SelectorSettings
from kurir.senderauth.screening import ScreeningSettings, SenderRule, TreatmentSettings
from kurir.storage import DaySettings, Layout, ObservationSettings
from kurir.suppression import SuppressionSettings

from .roads import SANDBOX_SOCKET, atlas, road_sizes, roads_lead_to

SUBMIT_SOCKET = "run/submit.sock"
CONTROL_SOCKET = "run/control.sock"
BRAIN_SOCKET = "run/brain.sock"
SOCKETS = (SANDBOX_SOCKET, SUBMIT_SOCKET, CONTROL_SOCKET, BRAIN_SOCKET)
TOKENS = "tokens"
NAMED_WEB_SECONDS = 10.0
NAMED_WEB_OCTETS = 1024 * 1024
# Mail is taken again when this much more than `limits.disk_free` is free (or a quarter of it), so that it does not flutter.
DISK_MARGIN = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Door:
    """One listener: where, and as what."""

    spec: str
    listener: ListenerSettings
    mode: int = 0o660


def networks(texts: list[str]) -> tuple[Network, ...]:
    """Parse networks that the configuration has checked already."""
    return tuple(ipaddress.ip_network(t) for t in texts)


def layout(config: Config) -> Layout:
    """Return where everything lies."""
    return Layout(config.server.state)


def postmaster(config: Config) -> Address:
    """Return who is told about troubles of the server itself."""
    if config.server.postmaster:
        return parse_address(config.server.postmaster)
    local = next((d for d, s in config.domains.items() if not s.relay_to), config.server.hostname)
    return Address("postmaster", local)


def queue(config: Config, *, hands_here: bool = False) -> QueueSettings:
    """Return the brain's settings; `hands_here` says that delivery lives in the brain's own process."""
    q, free = config.queue, config.limits.disk_free
    return QueueSettings(
        retry=config.retry,
        lifetime=q.lifetime,
        lifetime_null=min(q.lifetime, QueueSettings().lifetime_null),
        lifetime_blocked=q.lifetime_blocked,
        delay_notice=tuple(sorted(set(q.delay_notice))),
        postmaster=postmaster(config),
        recover=min(QueueSettings().recover, config.retry[0]),
        disk_low=free,
        disk_high=free + min(free // 4, DISK_MARGIN),
        alternatives=any(road.fallback for road in config.roads),
        leads_to=roads_lead_to(config),
        # A peer in trouble is tried faster again than its messages are, so that a short schedule stays short; but slower than a
        # hand tries connections again that were refused (a fifth of the first retry), or a wider pace would be believed untried.
        shape=ShapeSettings(step=min(ShapeSettings().step, config.retry[0] / 8)),
        reconnect_grace=0.0 if hands_here else QueueSettings().reconnect_grace,
    )


def suppression(config: Config) -> SuppressionSettings:
    """Return what is proof that an address is dead, and for how long."""
    wanted = config.suppression
    usual = SuppressionSettings()
    return SuppressionSettings(
        automatic=wanted.automatic,
        days=wanted.days,
        keep=wanted.keep,
        window=max(usual.window, config.queue.lifetime + usual.window / 2),
    )


def days(config: Config) -> DaySettings:
    """Return how long settled mail is kept."""
    return DaySettings(keep_days=config.trace.days)


def observations(config: Config) -> ObservationSettings:
    """Return how many observations are kept."""
    return ObservationSettings(rows=config.trace.observations, keep_days=config.trace.days)


def resolver(config: Config) -> ResolverSettings:
    """Return how names are looked up."""
    return ResolverSettings(nameservers=tuple(config.net.resolvers), trust_ad=config.net.trust_ad)


def client_tls(config: Config) -> ClientTlsSettings:
    """Return whom outgoing TLS trusts."""
    return ClientTlsSettings(extra_ca=config.net.ca_file)


def web(config: Config) -> WebSettings:
    """Return how web servers of strangers are asked."""
    return WebSettings(
        port=config.net.https_port,
        source=(config.net.source,) if config.net.source else (),
        peers=PeerPolicy(allow_loopback=config.net.allow_loopback_peers),
    )


def named_web(config: Config) -> WebSettings:
    """Return how web servers are asked that the configuration names: issuers of tokens and of certificates."""
    return WebSettings(
        timeout=NAMED_WEB_SECONDS,
        size=NAMED_WEB_OCTETS,
        source=(config.net.source,) if config.net.source else (),
        peers=PeerPolicy(allow_loopback=True),
    )


def tls_out(config: Config, *, trusted_resolver: bool) -> TlsSettings:
    """Return what is demanded of other servers; `trusted_resolver` says that its AD bit may count."""
    t = config.tls_out
    return TlsSettings(
        domains={domain: Rule(rule) for domain, rule in t.domains.items()},
        dane=DaneSettings(on=t.dane, good=config.net.dnssec_good, bogus=config.net.dnssec_bogus),
        sts=StsSettings(on=t.mta_sts),
        memory=t.memory,
        loss_delay=t.loss_delay,
        after_loss=AfterLoss(t.after_loss),
        trusted_resolver=trusted_resolver,
    )


def server_tls(config: Config) -> ServerTlsSettings:
    """Return which certificate is shown: the named one, or the one of our own authority."""
    own = config.server.state / "tls"
    certificate = config.tls.certificate or own / "server.pem"
    key = config.tls.key or own / "server.key"
    further = (CertificateFiles(c.certificate, c.key) for c in config.tls.certificates)
    return ServerTlsSettings((CertificateFiles(certificate, key), *further))


def oauth(config: Config) -> OAuthSettings | None:
    """Return whose bearer tokens log in, None where none do."""
    o = config.oauth
    if o is None:
        return None
    return OAuthSettings(
        issuer=o.issuer,
        audience=tuple(o.audience),
        jwks=o.jwks or "",
        introspection=o.introspection or "",
        client_id=o.client_id,
        client_secret=o.client_secret,
        algorithms=tuple(o.algorithms),
        claim=o.claim,
        scope=o.scope,
        configuration=o.configuration or "",
    )


def login_brake(config: Config) -> LoginBrakeSettings:
    """Return the brake on failed logins."""
    return LoginBrakeSettings(trusted=networks(config.trust.networks))


def connection_brake(config: Config) -> ConnectionBrakeSettings:
    """Return the brake on connections."""
    limits = config.limits
    return ConnectionBrakeSettings(
        per_address=limits.connections_per_address,
        per_network=limits.connections_per_network,
        address_rate=Window(limits.connections_per_minute, 60.0),
        network_rate=Window(limits.network_connections_per_minute, 60.0),
        address_messages=Window(limits.messages_per_minute, 60.0),
        network_messages=Window(limits.network_messages_per_minute, 60.0),
        trusted=networks(config.trust.networks),
    )


def literals(addresses: list[str]) -> list[str]:
    """Return IP addresses as domains of mailboxes (RFC 5321 section 4.1.3)."""
    found = [ipaddress.ip_address(text) for text in addresses]
    return [f"[{a}]" if a.version == 4 else f"[IPv6:{a.compressed}]" for a in found]


def directory(config: Config) -> DirectorySettings:
    """Return what our domains and addresses mean."""
    local = {d for d, s in config.domains.items() if not s.relay_to}
    return DirectorySettings(
        local=frozenset(local),
        relayed=frozenset(set(config.domains) - local),
        aliases={
            parse_address(alias).key: tuple(parse_address(t) for t in targets)
            for alias, targets in config.aliases.items()
        },
        catch_all={d: parse_address(s.catch_all) for d, s in config.domains.items() if s.catch_all},
        postmaster=_postmaster_of_directory(config, local),
        literals=frozenset(literals(config.server.addresses)),
        separator=config.submission.plus,
        default_domain=next(iter(local), ""),
    )


def _postmaster_of_directory(config: Config, local: set[str]) -> Address | None:
    """Who a bare ``postmaster`` is: the named one; where nothing is local, the one of the first domain we pass on."""
    if config.server.postmaster:
        return parse_address(config.server.postmaster)
    return Address("postmaster", next(iter(config.domains))) if config.domains and not local else None


def screening(config: Config) -> ScreeningSettings:
    """Return the bounds of checking a stranger's mail, and our name in what they find."""
    hostname = config.server.hostname
    return ScreeningSettings.limits_of(_authserv_id(config), config.senderauth.deadline, hostname)


def _authserv_id(config: Config) -> str:
    """Return our name in Authentication-Results, in what we write and in what our seals vouch for."""
    return config.senderauth.authserv_id or config.server.hostname


def treatment(config: Config) -> TreatmentSettings:
    """Return what is done with mail of strangers that is not proven."""
    s = config.senderauth
    return TreatmentSettings(
        reject=s.dmarc_reject,
        quarantine=s.dmarc_quarantine,
        spf_fail=s.spf_fail,
        rules={domain: SenderRule(rule.unproven, rule.reason) for domain, rule in s.domains.items()},
        trusted_sealers=frozenset(s.trusted_sealers),
    )


def counts_senders(config: Config) -> bool:
    """Whether it is counted what mail of strangers proves, to tell the owners of their domains."""
    s = config.senderauth
    return s.enabled and s.dmarc_reports and not config.server.playground


def reception(config: Config) -> ReceptionSettings:
    """Return what holds for all listeners."""
    t = config.reception.timeouts
    largest = road_sizes(config, Allowed(atlas(config), SystemClock())).largest
    size = config.limits.message_size
    return ReceptionSettings(
        hostname=config.server.hostname,
        trusted=networks(config.trust.networks),
        message_size=size if largest is None else min(size, largest),
        max_recipients=config.limits.recipients,
        hide_client=config.submission.hide_client,
        max_sessions=config.reception.sessions,
        results_ids=screening(config).ids,
        unscreened=networks(config.senderauth.exempt),
        treatment=treatment(config),
        urgent=frozenset(config.limits.urgent),
        deadlines=Deadlines(
            command=t.command,
            session=t.session,
            data=t.data,
            min_rate=t.min_rate,
            handshake=t.tls,
            write=t.reply,
        ),
    )


def keys(config: Config) -> KeySettings:
    """Return whose keys are kept, and when they change."""
    usual, day = SelectorSettings(), 86_400.0
    return KeySettings(
        domains=tuple(config.domains),
        selectors=SelectorSettings(
            # Mail of ours may wait so long, and be looked at by its reader some days later.
            retire_after=max(usual.retire_after, config.queue.lifetime + 3 * day),
            rotate_after=config.signing.rotate or None,
        ),
        at_once=config.server.playground,
    )


def sealing(config: Config) -> SealingSettings:
    """Return in whose name mail leaves."""
    return SealingSettings(own=frozenset(config.domains), server=_authserv_id(config))


def brain_place(config: Config) -> str:
    """Return where the brain listens for the other processes."""
    return f"unix:{config.server.state / BRAIN_SOCKET}"


def control_place(config: Config) -> str:
    """Return where commands ask."""
    return f"unix:{config.server.state / CONTROL_SOCKET}"


def doors(config: Config) -> list[Door]:
    """Return every place to listen for mail."""
    xclient, proxies = networks(config.trust.xclient), networks(config.trust.proxies)
    asks = config.submission.client_certificates
    without = () if config.submission.scram_plus else ("SCRAM-SHA-256-PLUS",)
    mechanisms = tuple(m for m in STRONGEST_FIRST if m not in without)
    state = config.server.state
    kinds = {
        "mx": (
            config.listen.smtp,
            ListenerSettings("mx", Role.MX, starttls=True, xclient=xclient, proxy=proxies),
        ),
        "submission": (
            config.listen.submission,
            ListenerSettings(
                "submission",
                Role.SUBMISSION,
                starttls=True,
                auth=True,
                require_tls=True,
                mechanisms=mechanisms,
                client_certificates=asks,
                proxy=proxies,
            ),
        ),
        "submissions": (
            config.listen.submissions,
            ListenerSettings(
                "submissions",
                Role.SUBMISSION,
                implicit_tls=True,
                auth=True,
                require_tls=True,
                mechanisms=mechanisms,
                client_certificates=asks,
                proxy=proxies,
            ),
        ),
        "lmtp": (config.listen.lmtp, ListenerSettings("lmtp", Role.LMTP, starttls=True, proxy=proxies)),
    }
    urgent = frozenset(config.listen.urgent)
    found = [
        Door(spec, replace(listener, urgent=True) if spec in urgent else listener)
        for specs, listener in kinds.values()
        for spec in specs
    ]
    return [*found, Door(f"unix:{state / SUBMIT_SOCKET}", ListenerSettings("local", Role.LOCAL), 0o660)]
