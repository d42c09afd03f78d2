"""The servers, each configured as a careful operator would for speed with its durability left on.

All take mail from loopback.  Ways of running: ``relay`` (everything to the sink), ``hold`` (accept, never
deliver), and what a part adds (`tls`).  OpenSMTPD is left out: it does not sync an accepted message.
"""

import json
import os
import pwd
import shutil
import subprocess
import time
from pathlib import Path
from typing import ClassVar, Self

from tests.bench.load import HOST, PATH, Group, run, wait_for_port

PEERS_ROOT = Path(os.environ.get("KURIR_PEERS", Path.home() / ".cache/kurir-peers"))
NOBODY_LISTENS = 9  # the discard port


def _own(path: Path, user: str) -> None:
    entry = pwd.getpwnam(user)
    os.chown(path, entry.pw_uid, entry.pw_gid)


def _find(program: str) -> str | None:
    unpacked = PEERS_ROOT / "root/usr/sbin" / program
    return str(unpacked) if unpacked.exists() else shutil.which(program, path=PATH)


def certificate(folder: Path) -> tuple[Path, Path]:
    """Return an EC certificate and its key, the same for all servers."""
    pem, key = folder / "ec.pem", folder / "ec.key"
    if not pem.exists():
        command = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ]
        command += ["-days", "30", "-keyout", str(key), "-out", str(pem), "-subj", "/CN=mx.bench.test"]
        subprocess.run(command, check=True, capture_output=True)
        key.chmod(0o644)  # Exim reads it as its own user
    return pem, key


class Peer:
    """One server.  A context manager: it runs inside the ``with``."""

    name: ClassVar[str] = "?"

    def __init__(self, work: Path, ports: list[int], way: str = "relay", *, tls: bool = False) -> None:
        self.home = work / self.name
        self.port, self.sink = ports[:2]
        self.spare = ports[2:]
        self.way = way
        self.certificate = certificate(work) if tls else None
        self.group = Group(self.name)

    @classmethod
    def missing(cls) -> str:
        """Return why it cannot be measured here, or ""."""
        return ""

    def command(self) -> list[object]:
        """Write the configuration; return how to start."""
        raise NotImplementedError

    @property
    def out(self) -> int:
        """Where it delivers to."""
        return NOBODY_LISTENS if self.way == "hold" else self.sink

    def __enter__(self) -> Self:
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        self.home.chmod(0o755)
        try:
            self._start(self.command())
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self, command: list[object]) -> None:
        with (self.home / "output").open("wb") as out:
            self._process = run(command, self.group, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        wait_for_port(self.port)

    def __exit__(self, *_: object) -> None:
        self.group.end()
        if getattr(self, "_process", None) is not None:
            self._process.wait()


class Kurir(Peer):
    """Kurir as `kurir init` sets it up.  `toml` is added to its configuration."""

    name = "kurir"
    toml = ""
    workers: str | None = None
    domain = "mx.bench.test"

    @property
    def config(self) -> Path:
        """Its configuration file."""
        return self.home / "state" / "kurir.toml"

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command of the command line beside it."""
        command = [self._program, *arguments, "-c", str(self.config)]
        return subprocess.run(command, check=False, capture_output=True)

    def again(self) -> None:
        """End it and start it with what it has."""
        self.__exit__()
        self.group = Group(self.name)
        self._start([self._program, "serve", "-c", self.config])

    _program = os.environ.get("KURIR", "kurir")

    def command(self) -> list[object]:
        """Through the command line alone."""
        folder = self.home / "state"
        offset = str(self.port - 25)
        arguments = ["--domain", self.domain, "--port-offset", offset, "--trust", "127.0.0.0/8"]
        arguments += ["--smarthost", f"smtp://{HOST}:{self.out}?tls=none"]
        subprocess.run(
            [self._program, "init", str(folder), *arguments], check=True, stdout=subprocess.DEVNULL
        )
        text = self.config.read_text().replace("0.0.0.0", HOST).replace("[::]", "[::1]")
        text = f"{self._more(text)}\n{self.toml.format(spare=self.spare)}\n"
        self.config.write_text(text)
        environment = ["env", f"KURIR_WORKERS={self.workers}"] if self.workers is not None else []
        return [*environment, self._program, "serve", "-c", self.config]

    def _more(self, text: str) -> str:
        if self.certificate is None:
            return text
        pem, key = self.certificate
        return f'{text}\n[tls]\ncertificate = "{pem}"\nkey = "{key}"\n'


class Postfix(Peer):
    """Postfix with its own queue folder, without chroot, look-ups off, connections to the sink kept."""

    name = "postfix"

    @classmethod
    def missing(cls) -> str:
        """It has to be installed, and started by root."""
        if os.getuid():
            return "needs root"
        return "" if shutil.which("postfix", path=PATH) else "is not installed"

    def command(self) -> list[object]:
        """Write main.cf and master.cf."""
        folders = {name: self.home / name for name in ("etc", "spool", "data", "log")}
        for folder in folders.values():
            folder.mkdir()
        _own(folders["data"], "postfix")
        hold = "check_client_access static:HOLD, " if self.way == "hold" else ""
        settings = {
            "compatibility_level": "3.6", "queue_directory": folders["spool"], "data_directory": folders["data"],
            "maillog_file": folders["log"] / "maillog", "maillog_file_prefixes": f"/var, {folders['log']}",
            "myhostname": "mx.bench.test", "mydestination": "", "mynetworks": "127.0.0.0/8",
            "inet_interfaces": HOST, "inet_protocols": "ipv4", "alias_maps": "", "alias_database": "",
            "local_recipient_maps": "", "relayhost": f"[{HOST}]:{self.sink}", "biff": "no",
            "append_dot_mydomain": "no", "smtpd_peername_lookup": "no",
            "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "smtpd_recipient_restrictions": f"{hold}permit_mynetworks, reject",
            "smtp_dns_support_level": "disabled", "smtp_host_lookup": "native",
            "smtp_tls_security_level": "none", "in_flow_delay": "0",
            "default_process_limit": "1300" if self.way == "sessions" else "250",
            "smtpd_client_connection_count_limit": "0",
            "smtp_destination_concurrency_limit": "50", "initial_destination_concurrency": "20",
            "default_destination_concurrency_limit": "50", "qmgr_message_active_limit": "50000",
            "qmgr_message_recipient_limit": "50000", "message_size_limit": "52428800",
            "smtp_connection_cache_destinations": f"[{HOST}]:{self.sink}",
        }  # fmt: skip
        if self.certificate is not None:
            pem, key = self.certificate
            settings |= {
                "smtpd_tls_cert_file": pem,
                "smtpd_tls_key_file": key,
                "smtpd_tls_security_level": "may",
            }
            settings |= {"smtpd_tls_session_cache_database": "", "smtpd_tls_loglevel": "0"}
        (folders["etc"] / "main.cf").write_text("".join(f"{k} = {v}\n" for k, v in settings.items()))
        (folders["etc"] / "master.cf").write_text(
            f"{HOST}:{self.port} inet n - n - - smtpd\n"
            "postlog unix-dgram n - n - 1 postlogd\npickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\n"
            "qmgr unix n - n 300 1 qmgr\nrewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\n"
            "defer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\nverify unix - - n - 1 verify\n"
            "flush unix n - n 1000? 0 flush\nproxymap unix - - n - - proxymap\nproxywrite unix - - n - 1 proxymap\n"
            "smtp unix - - n - - smtp\nrelay unix - - n - - smtp\nshowq unix n - n - - showq\n"
            "error unix - - n - - error\nretry unix - - n - - error\ndiscard unix - - n - - discard\n"
            "lmtp unix - - n - - lmtp\nanvil unix - - n - 1 anvil\nscache unix - - n - 1 scache\n"
            "tlsmgr unix - - n 1000? 1 tlsmgr\n"
        )
        return ["postfix", "-c", folders["etc"], "start-fg"]


class LimitedKurir(Kurir):
    """Kurir that counts each mail in four windows and may go by another road: a service's limits, never reached."""

    toml = """provider = "bench"
fallback = ["spare"]
[[roads]]
name = "spare"
url = "smtp://127.0.0.1:{spare[0]}?tls=none"
[atlas]
files = ["limits.toml"]
"""

    limits = """[smarthosts.bench]
label = "Bench"
[smarthosts.bench.limits]
second = {unit = "messages", value = 50_000, per = "second", scope = "account", beyond = "refuse"}
hour = {unit = "messages", value = 20_000_000, per = "hour", scope = "account", beyond = "discard"}
day = {unit = "recipients", value = 100_000_000, per = "day", scope = "account", beyond = "refuse"}
month = {unit = "recipients", value = 1_000_000_000, per = "month", scope = "account", beyond = "delay"}
"""

    def command(self) -> list[object]:
        """Beside its configuration stands what the service allows; `toml` goes on with the one road."""
        command = super().command()
        (self.config.parent / "limits.toml").write_text(self.limits)
        return command


class SpentKurir(LimitedKurir):
    """Kurir whose one service takes no more today, and has no fallback."""

    toml = 'provider = "bench"\n[atlas]\nfiles = ["limits.toml"]\n'
    limits = """[smarthosts.bench]
label = "Bench"
[smarthosts.bench.limits]
day = {unit = "messages", value = 100, per = "day", scope = "account", beyond = "refuse"}
"""


class SigningKurir(Kurir):
    """Kurir that signs what it relays with RSA-2048, as OpenDKIM does, and not with Ed25519 beside it."""

    domain = "source.test"

    def command(self) -> list[object]:
        """Take the key into use at once: nobody asks the DNS for it here."""
        command = super().command()
        states = self.home / "state/keys/states.json"
        known = json.loads(states.read_text())
        for key in known[self.domain]:
            key["state"] = "active" if key["algorithm"] == "rsa-sha256" else "retired"
        states.write_text(json.dumps(known))
        return command


class SigningPostfix(Postfix):
    """Postfix with OpenDKIM as its milter: one key, RSA-2048, relaxed/relaxed."""

    @classmethod
    def missing(cls) -> str:
        """OpenDKIM is only unpacked."""
        return Postfix.missing() or (
            "" if _find("opendkim") else "has no OpenDKIM (scripts/lib/peers.sh unpacks it)"
        )

    def command(self) -> list[object]:
        """Start OpenDKIM beside it, in the same group."""
        command = super().command()
        key, config, port = self.home / "dkim.key", self.home / "opendkim.conf", self.spare[0]
        subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
        config.write_text(
            f"Mode s\nDomain source.test\nSelector s\nKeyFile {key}\nRequireSafeKeys no\n"
            f"Socket inet:{port}@{HOST}\nInternalHosts 127.0.0.0/8\nCanonicalization relaxed/relaxed\n"
            "OversignHeaders From\nBackground no\nSyslog no\n"
        )
        with (self.home / "opendkim.log").open("wb") as log:
            run([str(_find("opendkim")), "-f", "-x", config], self.group, stdout=log, stderr=log)
        with (self.home / "etc/main.cf").open("a") as main:
            main.write(f"smtpd_milters = inet:{HOST}:{port}\nmilter_default_action = tempfail\n")
        time.sleep(1)
        return command


class Exim(Peer):
    """Exim with a split spool, immediate delivery and no look-ups."""

    name = "exim"
    user = "Debian-exim"

    @classmethod
    def missing(cls) -> str:
        """The Debian package is only unpacked, since it excludes Postfix."""
        if os.getuid():
            return "needs root"
        return "" if _find("exim4") else "is not installed (scripts/lib/peers.sh unpacks it)"

    def command(self) -> list[object]:
        """Write one file."""
        h = self.home
        for folder in (h, h / "spool", h / "log"):
            folder.mkdir(exist_ok=True)
            _own(folder, self.user)
        tls = ""
        if self.certificate is not None:
            tls = f"tls_certificate = {self.certificate[0]}\ntls_privatekey = {self.certificate[1]}\n"
        (h / "exim.conf").write_text(
            f"primary_hostname = mx.bench.test\nexim_user = {self.user}\nexim_group = {self.user}\n"
            f"spool_directory = {h}/spool\nlog_file_path = {h}/log/%slog\npid_file_path = {h}/spool/exim.pid\n"
            f"split_spool_directory = true\ndaemon_smtp_ports = {self.port}\nlocal_interfaces = {HOST}\n"
            f"tls_advertise_hosts = {'*' if tls else ''}\n{tls}"
            "host_lookup =\nrfc1413_hosts =\nrfc1413_query_timeout = 0s\nhosts_connection_nolog =\n"
            "acl_smtp_connect = acl_connect\nacl_smtp_rcpt = acl_rcpt\nsmtp_accept_max = 1300\n"
            "smtp_accept_max_per_connection = 0\nsmtp_accept_queue_per_connection = 0\nsmtp_connect_backlog = 1024\n"
            "smtp_reserve_hosts =\nmessage_size_limit = 50M\ndeliver_drop_privilege = true\n"
            f"remote_max_parallel = 1\nqueue_only = {'true' if self.way == 'hold' else 'false'}\n"
            "keep_environment =\nadd_environment =\nnever_users =\n"
            "begin acl\nacl_connect:\n  accept control = dkim_disable_verify\n"
            "acl_rcpt:\n  accept hosts = 127.0.0.0/8\n  deny\n"
            f"begin routers\nsmart:\n  driver = manualroute\n  transport = smtp\n  route_list = * {HOST}\n  self = send\n"
            f"begin transports\nsmtp:\n  driver = smtp\n  port = {self.sink}\n  allow_localhost\n"
            "  hosts_avoid_tls = *\n  hosts_try_dane =\n  connection_max_messages = 0\n"
            "begin retry\n* * F,2h,15m\nbegin rewrite\nbegin authenticators\n"
        )
        (h / "exim.conf").chmod(0o644)
        return [str(_find("exim4")), "-C", h / "exim.conf", "-bdf", "-q30m"]


PEERS: dict[str, type[Peer]] = {peer.name: peer for peer in (Kurir, Postfix, Exim)}
