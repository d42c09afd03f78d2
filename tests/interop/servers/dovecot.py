"""Dovecot: LMTP over TCP and a unix socket, with quotas, and the SASL service that Postfix asks."""

import socket
from pathlib import Path

from .peer import LOOPBACK, Peer, give, need_root, program


class Dovecot(Peer):
    """Stores mail for `users` of any domain under ``mail/<local part>``; `full` have a quota that is used up.

    `passwords` are accounts for SASL (``sasl`` is its socket).
    """

    name = "dovecot"

    def __init__(
        self,
        users: tuple[str, ...] = ("box", "second"),
        *,
        full: tuple[str, ...] = (),
        passwords: dict[str, str] | None = None,
    ) -> None:
        need_root("Dovecot")
        self._dovecot = program("dovecot")
        if not Path("/usr/lib/dovecot/lmtp").exists():
            program("dovecot-lmtpd")
        super().__init__()
        self._users = users
        self._full = full
        self._passwords = passwords or {}

    @property
    def socket(self) -> Path:
        """The LMTP socket."""
        return self.home / "run" / "lmtp"

    @property
    def sasl(self) -> Path:
        """The authentication socket for Postfix."""
        return self.home / "run" / "sasl"

    def answers(self) -> bool:
        """Whether both LMTP doors greet."""
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(2)
                s.connect(str(self.socket))
                return s.recv(200).startswith(b"220") and super().answers()
        except OSError:
            return False

    def command(self) -> list[str]:
        home = self.home
        give(home / "mail", "nobody")
        lines = [
            f"{u}:{{plain}}{self._passwords.get(u, 'x')}:65534:65534::{home}/mail/{u}::" for u in self._users
        ]
        lines += [
            f"{u}:{{plain}}x:65534:65534::{home}/mail/{u}::userdb_quota_rule=*:bytes=100" for u in self._full
        ]
        lines += [
            f"{u}:{{plain}}{p}:65534:65534::{home}/mail/{u}::"
            for u, p in self._passwords.items() if u not in self._users
        ]  # fmt: skip
        (home / "users").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (home / "dovecot.conf").write_text(
            f"""\
base_dir = {home}/run
state_dir = {home}/run
log_path = {home}/output
protocols = lmtp
listen = {LOOPBACK}
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login scram-sha-256
auth_username_chars =
auth_username_format = %Ln
mail_location = maildir:%h
mail_plugins = quota
first_valid_uid = 1
first_valid_gid = 1
default_internal_user = dovecot
default_login_user = dovenull
recipient_delimiter =
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%n {home}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%n {home}/users
}}
plugin {{
  quota = maildir:box
  quota_rule = *:storage=1G
}}
protocol lmtp {{
  postmaster_address = postmaster@dovecot.test
}}
service lmtp {{
  unix_listener lmtp {{
    mode = 0666
  }}
  inet_listener lmtp {{
    address = {LOOPBACK}
    port = {self.port}
  }}
}}
service auth {{
  unix_listener sasl {{
    mode = 0666
  }}
}}
service anvil {{
  chroot =
}}
""",
            encoding="utf-8",
        )
        return [self._dovecot, "-F", "-c", f"{home}/dovecot.conf"]
