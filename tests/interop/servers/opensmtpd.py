"""OpenSMTPD from its unpacked package.

Its queue and helper folders are compiled in: it gets a mount namespace of its own, in which they are private
(as is a resolver that refuses at once: it looks up each client's name and cannot be told not to).
"""

from .peer import LOOPBACK, Peer, give, need_root, program, unpacked

_PRIVATE = """\
set -e
mount -t tmpfs private /var/spool
mkdir -m 0711 /var/spool/smtpd
mount -t tmpfs private /var/lib
mkdir -p /var/lib/opensmtpd/empty
mount -t tmpfs private /run
mount --bind "$0/resolv.conf" /etc/resolv.conf
mkdir -p "$0/libexec"
mount --bind "$1" /usr/libexec
shift
exec "$@"
"""


class OpenSmtpd(Peer):
    """Takes mail for `users` of `domain`."""

    name = "opensmtpd"

    def __init__(self, domain: str = "opensmtpd.test", users: tuple[str, ...] = ("box", "second")) -> None:
        need_root("OpenSMTPD")
        program("unshare")
        self._smtpd = unpacked("usr/sbin/smtpd")
        self._libexec = unpacked("usr/libexec")
        super().__init__()
        self.domain = domain
        self._users = users

    def command(self) -> list[str]:
        home = self.home
        give(home / "mail", "nobody")
        (home / "resolv.conf").write_text(f"nameserver {LOOPBACK}\noptions timeout:1 attempts:1\n")
        (home / "users").write_text("".join(f"{u}@{self.domain} nobody\n" for u in self._users))
        (home / "base").write_text(f"nobody 65534:65534:{home}\n")
        (home / "smtpd.conf").write_text(
            f"""\
table users file:{home}/users
table base file:{home}/base
listen on {LOOPBACK} port {self.port} hostname mx.{self.domain}
smtp max-message-size "200M"
action "store" maildir "{home}/mail/%{{rcpt.user}}" userbase <base> virtual <users>
match from any for domain "{self.domain}" action "store"
"""
        )
        (home / "smtpd.conf").chmod(0o600)
        return [
            program("unshare"), "-m", "sh", "-c", _PRIVATE, str(home), str(self._libexec),
            str(self._smtpd), "-d", "-f", f"{home}/smtpd.conf",
        ]  # fmt: skip
