"""From the configuration to what the public web serves, and under which names."""

from collections.abc import Callable, Sequence

from kurir.config import Config
from kurir.doctor import sts_policy
from kurir.net import parse_bind
from kurir.web import MailServers, Site


def site(config: Config, challenge: Callable[[str], str | None]) -> Site:
    """Return what is served."""
    mode, hostname = config.web.mta_sts, config.server.hostname
    host, _, port = (config.web.imap or f"{hostname}:993").rpartition(":")
    return Site(
        hostname=hostname,
        policies={} if mode == "off" else {d: sts_policy(hostname, mode).encode() for d in config.domains},
        mail=frozenset(mail_domains(config)),
        servers=MailServers(
            smtp=hostname,
            submissions=door(config.listen.submissions),
            submission=door(config.listen.submission),
            imap=host,
            imap_port=int(port),
        )
        if config.web.autoconfig
        else None,
        challenge=challenge,
        https=bool(config.listen.https),
    )


def mail_domains(config: Config) -> list[str]:
    """Return the domains whose people have their mail here."""
    return [d for d, section in config.domains.items() if not section.relay_to]


def names(config: Config) -> list[str]:
    """Return the host names under which [web] serves something over TLS."""
    if not config.listen.https:
        return []
    policies = [f"mta-sts.{d}" for d in config.domains] if config.web.mta_sts != "off" else []
    return policies + ([f"autoconfig.{d}" for d in mail_domains(config)] if config.web.autoconfig else [])


def door(places: Sequence[str]) -> int | None:
    """Return the first port of these places."""
    ports = [parse_bind(place).port for place in places]
    return next((p for p in ports if p), None)
