"""Other engines under the same kills and cuts: Postfix, Exim and OpenSMTPD, their queues on the image.

Each is set up as a careful administrator would for a relay on loopback, with its own durability left on, and
runs in a process namespace of its own, so that one SIGKILL takes all of it.  Nothing of the system is touched:
what has a fixed path (OpenSMTPD's spool) is mounted over in the mount namespace of ``scripts/torture``.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.harness.kurir import free_offset

from .engine import freeze, wait_gone
from .ledger import Ledger

ROOT = Path(os.environ.get("KURIR_PEERS", Path.home() / ".cache/kurir-peers")) / "root"
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Peer:
    """How one engine is set up: its program, its account, its files, and how many messages wait."""

    program: Path
    user: str
    prepare: Callable[["PeerEngine"], list[str]]
    waiting: Callable[["PeerEngine"], int]


def _own(path: Path, user: str) -> None:
    entry = pwd.getpwnam(user)
    os.chown(path, entry.pw_uid, entry.pw_gid)


def _files(*folders: Path, complete: Callable[[Path], object] = lambda _: True) -> int:
    count = 0
    for folder in folders:
        for here, _, names in os.walk(folder):
            for name in names:
                with suppress(OSError):  # delivered this moment
                    count += bool(complete(Path(here, name)))
    return count


def _postfix(e: "PeerEngine") -> list[str]:
    etc, spool, data, log = (e.at / d for d in ("etc", "spool", "data", "log"))
    if not etc.exists():
        for folder in (etc, spool, data, log):
            folder.mkdir()
        _own(data, "postfix")
        main = {
            "compatibility_level": "3.6", "queue_directory": spool, "data_directory": data, "myhostname": "mx.peer.test",
            "maillog_file": e.log, "maillog_file_prefixes": f"/var, {e.log.parent}",
            "mydestination": "", "mynetworks": "127.0.0.0/8", "inet_interfaces": HOST, "inet_protocols": "ipv4",
            "alias_maps": "", "alias_database": "", "local_recipient_maps": "", "relayhost": f"[{HOST}]:{e.sink}",
            "biff": "no", "append_dot_mydomain": "no", "smtpd_peername_lookup": "no",
            "smtpd_relay_restrictions": "permit_mynetworks, reject", "smtp_dns_support_level": "disabled",
            "smtp_host_lookup": "native", "smtp_tls_security_level": "none", "in_flow_delay": "0",
            "queue_run_delay": "1s", "minimal_backoff_time": "1s", "maximal_backoff_time": "2s",
            "smtpd_client_connection_rate_limit": "0", "smtpd_client_connection_count_limit": "0",
            "delay_warning_time": "0", "message_size_limit": "52428800",
        }  # fmt: skip
        (etc / "main.cf").write_text("".join(f"{k} = {v}\n" for k, v in main.items()))
        (etc / "master.cf").write_text(
            f"{HOST}:{e.port} inet n - n - - smtpd\npostlog unix-dgram n - n - 1 postlogd\n"
            "pickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\n"
            "rewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\n"
            "trace unix - - n - 0 bounce\nverify unix - - n - 1 verify\nflush unix n - n 1000? 0 flush\n"
            "proxymap unix - - n - - proxymap\nproxywrite unix - - n - 1 proxymap\nsmtp unix - - n - - smtp\n"
            "relay unix - - n - - smtp\nshowq unix n - n - - showq\nerror unix - - n - - error\n"
            "retry unix - - n - - error\ndiscard unix - - n - - discard\nanvil unix - - n - 1 anvil\n"
            "scache unix - - n - 1 scache\ntlsmgr unix - - n 1000? 1 tlsmgr\n"
        )
    return [str(POSTFIX), "-c", str(etc), "start-fg"]


def _postfix_waiting(e: "PeerEngine") -> int:
    # A queue file is complete when it is executable; the rest was never acknowledged.
    return _files(
        *(e.at / "spool" / d for d in ("incoming", "active", "deferred")),
        complete=lambda f: f.stat().st_mode & 0o100,
    )


def _exim(e: "PeerEngine") -> list[str]:
    conf = e.at / "exim.conf"
    if not conf.exists():
        for folder in (e.at, e.at / "spool"):
            folder.mkdir(exist_ok=True)
            _own(folder, "Debian-exim")
        conf.write_text(f"""\
primary_hostname = mx.peer.test
exim_path = {ROOT}/usr/sbin/exim4
exim_user = Debian-exim
exim_group = Debian-exim
spool_directory = {e.at}/spool
log_file_path = {e.log.parent}/exim-%slog
pid_file_path = {e.at}/spool/exim.pid
split_spool_directory = true
daemon_smtp_ports = {e.port}
local_interfaces = {HOST}
tls_advertise_hosts =
host_lookup =
rfc1413_hosts =
hosts_connection_nolog =
acl_smtp_connect = acl_connect
acl_smtp_rcpt = acl_rcpt
smtp_accept_max = 200
smtp_accept_queue_per_connection = 0
message_size_limit = 50M
deliver_drop_privilege = true
queue_run_max = 2
keep_environment =
add_environment =
never_users =
begin acl
acl_connect:
  accept control = dkim_disable_verify
acl_rcpt:
  accept hosts = 127.0.0.0/8
  deny
begin routers
smart:
  driver = manualroute
  transport = smtp
  route_list = * {HOST}
  self = send
begin transports
smtp:
  driver = smtp
  port = {e.sink}
  allow_localhost
  hosts_avoid_tls = *
  hosts_try_dane =
begin retry
* * F,2h,1s
begin rewrite
begin authenticators
""")
        conf.chmod(0o644)
        for name in ("main", "reject", "panic"):
            log = e.log.parent / f"exim-{name}log"
            log.touch()
            _own(log, "Debian-exim")
    return [str(ROOT / "usr/sbin/exim4"), "-C", str(conf), "-bdf", "-q2s"]


def _exim_waiting(e: "PeerEngine") -> int:
    return _files(e.at / "spool/input", complete=lambda f: f.name.endswith("-H"))


SMTPD_SPOOL = Path("/var/spool/smtpd")


def _opensmtpd(e: "PeerEngine") -> list[str]:
    conf = e.at / "smtpd.conf"
    if not conf.exists():
        (e.at / "spool").mkdir(mode=0o711)
        (e.at / "spool").chmod(0o711)
        conf.write_text(f"""\
listen on {HOST} port {e.port} hostname mx.peer.test
smtp max-message-size "50M"
queue ttl 4h
smtp limit max-mails 1000
mta limit conn-delay-host 0 conn-delay-source 0 conn-delay-connector 0 conn-delay-relay 0 conn-delay-domain 0
action "out" relay host smtp://{HOST}:{e.sink}
match from src 127.0.0.0/8 for any action "out"
match from local for any action "out"
""")
        conf.chmod(0o600)
        (e.at / "resolv.conf").write_text(f"nameserver {HOST}\noptions timeout:1 attempts:1\n")
    # The spool's path is compiled in, and so is a chroot; this is a mount namespace of our own.
    for place, source in ((SMTPD_SPOOL, e.at / "spool"),):
        if not place.is_dir():
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(place.parent)], check=True)
            place.mkdir(mode=0o711)
        subprocess.run(["mount", "--bind", str(source), str(place)], check=True)
        e.mounts.append(place)
    subprocess.run(["mount", "--bind", str(e.at / "resolv.conf"), "/etc/resolv.conf"], check=True)
    e.mounts.append(Path("/etc/resolv.conf"))
    empty = Path("/var/lib/opensmtpd/empty")
    if not empty.is_dir():
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/var/lib"], check=True)
        empty.mkdir(parents=True)
    return [str(ROOT / "usr/sbin/smtpd"), "-d", "-f", str(conf)]


def _opensmtpd_waiting(e: "PeerEngine") -> int:
    # A power cut leaves envelopes of length 0 (it syncs none): they stay for ever, and nothing waits in them.
    return _files(e.at / "spool/queue", complete=lambda f: f.name != "message" and f.stat().st_size)


POSTFIX = Path("/usr/sbin/postfix")
PEERS = {
    "postfix": Peer(POSTFIX, "postfix", _postfix, _postfix_waiting),
    "exim": Peer(ROOT / "usr/sbin/exim4", "Debian-exim", _exim, _exim_waiting),
    "opensmtpd": Peer(ROOT / "usr/sbin/smtpd", "opensmtpd", _opensmtpd, _opensmtpd_waiting),
}


def missing(name: str) -> str:
    """Return why an engine cannot run here, or nothing."""
    peer = PEERS[name]
    if os.getuid() != 0:
        return "needs root"
    if not peer.program.exists():
        return f"{peer.program} is not installed (scripts/test installs it)"
    try:
        pwd.getpwnam(peer.user)
    except KeyError:
        return f"there is no account {peer.user}"
    return ""


class PeerEngine:
    """One of the others (implements `engine.Engine`); everything it keeps is below `at`."""

    def __init__(self, name: str, at: Path, work: Path, sink: int) -> None:
        self.name = name
        self.at = at
        self.sink = sink
        self.log = work / f"{name}.log"
        self.mounts: list[Path] = []
        self.under: list[str] = []  # what its command runs under (strace)
        self._peer = PEERS[name]
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_offset() + 25

    def make(self) -> None:
        """Everything is made at the first start."""
        for folder in (self.at, *self.at.parents):  # its own users must reach it
            with suppress(PermissionError):
                folder.chmod(folder.stat().st_mode | 0o011)

    def start(self) -> None:
        """Start it, the only process tree of a new namespace, and wait for its greeting."""
        command = self._peer.prepare(self)
        os.sync()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", *self.under, *command],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/", start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + 120
        while time.monotonic() < end:
            with suppress(OSError), socket.create_connection((HOST, self.port), 2) as s:
                s.settimeout(5)
                if s.recv(100).startswith(b"220"):
                    s.sendall(b"QUIT\r\n")
                    return
            if self._process.poll() is not None:
                raise RuntimeError(f"{self.name} ended: {self.log.read_text(errors='replace')[-1500:]}")
            time.sleep(0.02)
        raise TimeoutError(f"{self.name} does not answer: {self.log.read_text(errors='replace')[-1500:]}")

    def stop(self) -> None:
        """There is no need for manners."""
        self.kill_all()

    def kill_all(self) -> None:
        """SIGKILL the namespace."""
        if self._process is not None:
            pids = [*self._tree()]
            for pid in pids[:1]:  # the first of a process namespace takes all others with it
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.kill()
            self._process.wait()
            self._process = None
            wait_gone(pids)
        while self.mounts:
            subprocess.run(["umount", str(self.mounts.pop())], check=True)

    def freeze(self) -> None:
        """SIGSTOP all of it."""
        freeze(self._tree)

    def _tree(self) -> list[int]:
        assert self._process is not None
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                children.setdefault(int(parent), []).append(int(entry.name))
        found: list[int] = []
        todo = [self._process.pid]
        while todo:
            below = children.get(todo.pop(), [])
            found += below
            todo += below
        return found

    def victims(self) -> dict[str, int]:
        """Return its processes; the first one takes the others with it."""
        found = {}
        for n, pid in enumerate(self._tree()):
            with suppress(OSError):
                name = Path(f"/proc/{pid}/comm").read_text().strip()
                found["supervisor" if n == 0 else f"{name} {pid}"] = pid
        return found

    def ended(self) -> bool:
        """Wait a moment: OpenSMTPD ends whole when one of its processes does."""
        assert self._process is not None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.5)
        return self._process.returncode is not None

    def idle(self) -> bool:
        """Whether its queue folders are empty."""
        return self._peer.waiting(self) == 0

    def stored(self) -> Iterator[tuple[str, bytes]]:
        """All its mail goes to the sink."""
        return iter(())

    def sweep(self) -> None:
        """There are no mailboxes."""

    def audit(self) -> list[str]:
        """It has no proof of its own."""
        return []

    def open_deliveries(self, ledger: Ledger) -> int:
        """It cannot be asked."""
        return -1


def make(name: str, at: Path, work: Path, sink: int) -> PeerEngine:
    """Return an engine below the mounted image `at`."""
    if shutil.which("unshare") is None:
        raise OSError("unshare is missing")
    return PeerEngine(name, at, work, sink)
