"""Exim from its unpacked package: a local delivery into Maildirs, unknown users refused at RCPT."""

import shutil
from pathlib import Path

from .peer import LOOPBACK, Peer, give, need_root, unpacked


class Exim(Peer):
    """Takes mail for `users` of `domain`; offers SMTPUTF8 only with `smtputf8`."""

    name = "exim"

    def __init__(
        self,
        domain: str = "exim.test",
        users: tuple[str, ...] = ("box", "second"),
        *,
        smtputf8: bool = True,
    ) -> None:
        need_root("Exim")
        self._exim = unpacked("usr/sbin/exim4")
        super().__init__()
        self.domain = domain
        self._users = users
        self._smtputf8 = smtputf8

    def command(self) -> list[str]:
        home = self.home
        for folder in ("spool", "log", "mail"):
            give(home / folder, "Debian-exim")
        # It starts itself anew as its own user, who may not see the folder of the package.
        exim = Path(shutil.copy(self._exim, home / "exim"))
        exim.chmod(0o755)
        (home / "exim.conf").write_text(
            f"""\
primary_hostname = mx.{self.domain}
exim_path = {exim}
exim_user = Debian-exim
exim_group = Debian-exim
spool_directory = {home}/spool
log_file_path = {home}/log/%slog
pid_file_path = {home}/spool/exim.pid
daemon_smtp_ports = {self.port}
local_interfaces = {LOOPBACK}
domainlist ours = {self.domain}
tls_advertise_hosts =
smtputf8_advertise_hosts = {"*" if self._smtputf8 else ""}
dsn_advertise_hosts = *
host_lookup =
rfc1413_query_timeout = 0s
acl_smtp_rcpt = check_rcpt
acl_smtp_connect = check_connect
message_size_limit = 200M
smtp_accept_queue_per_connection = 0
keep_environment =
never_users =
begin acl
check_connect:
  accept control = dkim_disable_verify
check_rcpt:
  accept domains = +ours
         verify = recipient
  deny domains = +ours
       message = No such person here
  deny message = relay not permitted
begin routers
boxes:
  driver = accept
  domains = +ours
  local_parts = {" : ".join(self._users)}
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = {home}/mail/${{quote_local_part:$local_part_data}}
  maildir_format
  delivery_date_add
  envelope_to_add
  return_path_add
  user = Debian-exim
  mode = 0600
begin retry
* * F,2h,15m
begin rewrite
begin authenticators
""",
            encoding="utf-8",
        )
        (home / "exim.conf").chmod(0o644)
        return [str(exim), "-C", f"{home}/exim.conf", "-bdf", "-q1m"]
