"""Postfix, the queue and the delivery programs of one instance in a folder; mail goes to Maildirs."""

from collections.abc import Mapping
from pathlib import Path

from .peer import LOOPBACK, Peer, free_port, give, need_root, program

_SERVICES = """\
postlog unix-dgram n - n - 1 postlogd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
"""


class Postfix(Peer):
    """Takes mail for `users` of `domain` (and `domains`) on its port, without TLS.

    `settings` go into main.cf; `doors` are further ports with settings of their own (`ports` by name).
    """

    name = "postfix"

    @staticmethod
    def tls(certificate: Path, **more: str) -> dict[str, str]:
        """Return the settings of a door with STARTTLS; `certificate` is a PEM with chain and key."""
        files = {f"smtpd_tls_{what}_file": str(certificate) for what in ("cert", "key")}
        return {"smtpd_tls_security_level": "may", **files, **more}

    def __init__(
        self,
        domain: str = "postfix.test",
        users: tuple[str, ...] = ("box", "second"),
        *,
        doors: Mapping[str, Mapping[str, str]] | None = None,
        domains: tuple[str, ...] = (),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        need_root("Postfix")
        self._postfix = program("postfix")
        super().__init__()
        self.domain = domain
        self._users = users
        self._domains = domains
        self._doors = dict(doors or {})
        self.ports = {name: free_port() for name in self._doors}
        self.settings = dict(settings or {})

    def command(self) -> list[str]:
        home = self.home
        for folder in ("etc", "spool", "log"):
            (home / folder).mkdir()
        give(home / "data", "postfix")
        give(home / "mail", "nobody")
        boxes = "".join(f"{u}@{d} {u}/\n" for u in self._users for d in (self.domain, *self._domains))
        (home / "etc/boxes").write_text(boxes, encoding="utf-8")
        main = {
            "compatibility_level": "3.6",
            "queue_directory": f"{home}/spool",
            "data_directory": f"{home}/data",
            "maillog_file": f"{home}/log/maillog",
            "maillog_file_prefixes": f"/var, /dev/stdout, {home}/log",
            "myhostname": f"mx.{self.domain}",
            "mydestination": "",
            "mynetworks": "",
            "local_header_rewrite_clients": "",  # or it completes headers of what comes from loopback
            "inet_interfaces": LOOPBACK,
            "inet_protocols": "ipv4",
            "alias_maps": "",
            "alias_database": "",
            "biff": "no",
            "append_dot_mydomain": "no",
            "smtpd_peername_lookup": "no",
            "smtp_dns_support_level": "disabled",
            "relayhost": "",
            "virtual_mailbox_domains": " ".join((self.domain, *self._domains)),
            "virtual_mailbox_base": f"{home}/mail",
            "virtual_mailbox_maps": f"texthash:{home}/etc/boxes",
            "virtual_uid_maps": "static:65534",
            "virtual_gid_maps": "static:65534",
            "virtual_minimum_uid": "1",
            "virtual_mailbox_limit": "0",
            "message_size_limit": "200000000",
            "smtpd_relay_restrictions": "permit_sasl_authenticated, reject_unauth_destination",
            "smtpd_tls_security_level": "none",
            "smtpd_tls_loglevel": "1",
        }
        main |= self.settings
        (home / "etc/main.cf").write_text("".join(f"{k} = {v}\n" for k, v in main.items()), encoding="utf-8")
        doors = f"{LOOPBACK}:{self.port} inet n - n - - smtpd\n"
        for name, options in self._doors.items():
            doors += f"{LOOPBACK}:{self.ports[name]} inet n - n - - smtpd\n"
            doors += "".join(f"  -o {{{key}={value}}}\n" for key, value in options.items())
        (home / "etc/master.cf").write_text(doors + _SERVICES)
        return [self._postfix, "-c", f"{home}/etc", "start-fg"]

    def groups(self) -> list[int]:
        """The master process leads a group of its own."""
        pid = self.home / "spool/pid/master.pid"
        master = [int(pid.read_text())] if pid.exists() else []
        return [*super().groups(), *master]
