"""Postfix, Exim and OpenSMTPD as clients: each takes mail from loopback and passes all of it to one Kurir.

`Route` says how: as an account through a submission port (the smarthost of a small server), or as a stranger with
STARTTLS on port 25 (a server of the world).  All of them check Kurir's certificate against its own authority.
"""

import shutil
import smtplib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.harness import PATIENCE
from tests.interop.servers.exim import Exim
from tests.interop.servers.opensmtpd import _PRIVATE, OpenSmtpd
from tests.interop.servers.peer import LOOPBACK, Peer, give, program
from tests.interop.servers.postfix import Postfix

from .post import HOST


@dataclass(frozen=True, slots=True)
class Route:
    """The way to Kurir; `user` empty is a stranger.  `implicit` is TLS from the first byte."""

    port: int
    ca: Path
    user: str = ""
    password: str = ""
    mechanism: str = "PLAIN"
    implicit: bool = False
    connections: int = 4


class Relay:
    """What tests do with each of them; mixed into a `Peer`."""

    def send(
        self: Any,
        sender: str,
        to: Sequence[str],
        data: bytes,
        options: Sequence[str] = ("BODY=8BITMIME",),
        rcpt_options: Sequence[str] = (),
    ) -> None:
        """Hand it a message over SMTP."""
        with smtplib.SMTP(LOOPBACK, self.port, timeout=PATIENCE) as smtp:
            offered = [
                o
                for o in options
                if o != "BODY=8BITMIME" or smtp.ehlo_or_helo_if_needed() or smtp.has_extn("8bitmime")
            ]
            assert smtp.sendmail(sender, to, data, offered, rcpt_options) == {}


class PostfixRelay(Relay, Postfix):
    """Keeps connections under TLS (tlsproxy), sends several recipients at once, asks for DSN, speaks SMTPUTF8."""

    def __init__(self, route: Route, **settings: str) -> None:
        hop = f"[{HOST}]:{route.port}"
        main = {
            "mynetworks": "127.0.0.0/8",
            "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "smtpd_discard_ehlo_keyword_address_maps": "",
            "virtual_mailbox_domains": "",
            "relayhost": hop,
            "smtp_host_lookup": "native",
            "smtp_line_length_limit": "0",  # or it folds long lines
            "smtp_tls_security_level": "secure",
            "smtp_tls_secure_cert_match": "nexthop",
            "smtp_tls_loglevel": "1",
            "smtp_tls_wrappermode": "yes" if route.implicit else "no",
            "smtp_tls_connection_reuse": "yes",
            "smtp_connection_cache_destinations": hop,
            "smtp_connection_cache_on_demand": "yes",
            "smtp_destination_concurrency_limit": str(route.connections),
            "initial_destination_concurrency": str(route.connections),
            "in_flow_delay": "0",
        }
        if route.user:
            main |= {
                "smtp_sasl_auth_enable": "yes",
                "smtp_sasl_security_options": "noanonymous",
                "smtp_sasl_mechanism_filter": route.mechanism.lower(),
            }
        super().__init__(users=(), settings=main | settings)
        self._route = route
        self._hop = hop

    def command(self) -> list[str]:
        """Write the configuration."""
        route, etc = self._route, self.home / "etc"
        shutil.copy(route.ca, self.home / "ca.pem")
        self.settings["smtp_tls_CAfile"] = f"{self.home}/ca.pem"
        if route.user:
            self.settings["smtp_sasl_password_maps"] = f"texthash:{etc}/passwords"
        command = super().command()
        (etc / "passwords").write_text(f"{self._hop} {route.user}:{route.password}\n", encoding="utf-8")
        with (etc / "master.cf").open("a") as master:
            master.write("tlsproxy unix - - n - 0 tlsproxy\n")
        return command


class EximRelay(Relay, Exim):
    """Speaks BDAT (CHUNKING) and SMTPUTF8; sends what waits over one connection when `queued`."""

    _exim: Path

    def __init__(self, route: Route, *, queued: bool = False) -> None:
        super().__init__(users=("none",))
        self._route = route
        self._queued = queued

    def command(self) -> list[str]:
        """Write the configuration."""
        home, route = self.home, self._route
        for folder in ("spool", "log"):
            give(home / folder, "Debian-exim")
        shutil.copy(route.ca, home / "ca.pem")
        # Exim starts itself again as its user, who may not look into the folder of the unpacked package.
        self._exim = Path(shutil.copy2(self._exim, home / "exim4"))
        auth = "  hosts_require_auth = *\n" if route.user else ""
        mechanism = "plaintext"
        secret = (
            f"^{route.user}^{route.password}"
            if route.mechanism == "PLAIN"
            else f": {route.user} : {route.password}"
        )
        (home / "exim.conf").write_text(
            f"""\
primary_hostname = mx.{self.domain}
exim_path = {self._exim}
exim_user = Debian-exim
exim_group = Debian-exim
spool_directory = {home}/spool
log_file_path = {home}/log/%slog
pid_file_path = {home}/spool/exim.pid
daemon_smtp_ports = {self.port}
local_interfaces = {LOOPBACK}
log_selector = +smtp_confirmation +outgoing_port +tls_certificate_verified +tls_cipher +pipelining
tls_advertise_hosts =
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
host_lookup =
rfc1413_query_timeout = 0s
acl_smtp_rcpt = accept
acl_smtp_connect = check_connect
message_size_limit = 200M
smtp_accept_queue_per_connection = 0
queue_smtp_domains = {"*" if self._queued else ""}
remote_max_parallel = {route.connections}
deliver_drop_privilege = true
keep_environment =
never_users =
begin acl
check_connect:
  accept control = dkim_disable_verify
begin routers
kurir:
  driver = manualroute
  transport = kurir
  route_list = * {HOST} byname
  self = send
begin transports
kurir:
  driver = smtp
  port = {route.port}
  protocol = {"smtps" if route.implicit else "smtp"}
  allow_localhost
  hosts_require_tls = *
  hosts_try_chunking = *
  hosts_try_dane =
  tls_verify_certificates = {home}/ca.pem
  tls_verify_hosts = *
  tls_verify_cert_hostnames = *
  message_linelength_limit = 65536
  connection_max_messages = 100
{auth}begin retry
* * F,2h,15m
begin rewrite
begin authenticators
login:
  driver = {mechanism}
  public_name = {route.mechanism}
  client_send = {secret or ":"}
""",
            encoding="utf-8",
        )
        (home / "exim.conf").chmod(0o644)
        return [str(self._exim), "-C", f"{home}/exim.conf", "-bdf"]

    def run_queue(self) -> list[str]:
        """Return the command that sends what waits; it was routed already, so that one connection takes all."""
        return [str(self._exim), "-C", f"{self.home}/exim.conf", "-q"]


class OpenSmtpdRelay(Relay, OpenSmtpd):
    """Checks the certificate because of ``tls``; the authorities it knows are a file whose path is compiled in."""

    def __init__(self, route: Route) -> None:
        super().__init__(users=())
        self._route = route

    def command(self) -> list[str]:
        """Write the configuration."""
        home, route = self.home, self._route
        (home / "resolv.conf").write_text(f"nameserver {LOOPBACK}\noptions timeout:1 attempts:1\n")
        (home / "ssl/certs").mkdir(parents=True)
        shutil.copy(route.ca, home / "ssl/certs/ca-certificates.crt")
        scheme = "smtps" if route.implicit else "smtp+tls"
        login = "auth <secrets>" if route.user else ""
        label = "kurir@" if route.user else ""
        (home / "secrets").write_text(f"kurir {route.user}:{route.password}\n", encoding="utf-8")
        (home / "smtpd.conf").write_text(
            f"""\
table secrets file:{home}/secrets
listen on {LOOPBACK} port {self.port} hostname mx.{self.domain}
smtp max-message-size "200M"
mta limit max-conn-per-host {route.connections} session-mail-max 100
mta limit conn-delay-host 0 conn-delay-source 0 conn-delay-connector 0 conn-delay-relay 0
mta limit conn-delay-domain 0
action "out" relay host {scheme}://{label}{LOOPBACK}:{route.port} tls helo "mx.{self.domain}" {login}
match from any for any action "out"
"""
        )
        (home / "smtpd.conf").chmod(0o600)
        (home / "secrets").chmod(0o600)
        return [
            program("unshare"), "-m", "sh", "-c", 'mount --bind "$0/ssl" /etc/ssl\n' + _PRIVATE,
            str(home), str(self._libexec), str(self._smtpd), "-d", "-f", f"{home}/smtpd.conf",
        ]  # fmt: skip


__all__ = ["EximRelay", "OpenSmtpdRelay", "Peer", "PostfixRelay", "Relay", "Route"]
