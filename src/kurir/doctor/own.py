"""Checks of this server: ports, certificate, resolver, disk, files, clock."""

import os
import shutil
import socket
import ssl
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec import structs

from kurir.model import Finding, Severity
from kurir.net import BindSpec, DnsStatus, Resolver, parse_bind

BANNER_SECONDS = 5.0
EXPIRES_SOON_DAYS = 14
FEW_INODES = 1000
# A name that cannot exist (RFC 6761 section 6.4): a resolver that answers for it makes addresses up.
NO_SUCH_NAME = "kurir-doctor.invalid"


@dataclass(frozen=True, slots=True)
class Place:
    """A place to listen and the name of its door; `banner` False for doors that do not greet, `tls` for those that begin with TLS."""

    spec: str
    listener: str
    banner: bool = True
    tls: bool = False


def ports(places: Sequence[Place], *, running: bool) -> list[Finding]:
    """Connect to each of our own places and look for our greeting: one finding for a door, where all its places agree."""
    doors: dict[tuple[str, str], list[tuple[str, Finding]]] = {}
    for place in places:
        bind = parse_bind(place.spec)
        port = bind.path or str(bind.port)
        doors.setdefault((place.listener, port), []).append((bind.host, _port(place, bind, port, running)))
    return [finding for found in doors.values() for finding in _of_door(found)]


def _of_door(found: list[tuple[str, Finding]]) -> list[Finding]:
    """Merge what holds for each address family; where they differ, name the address of each."""
    first = found[0][1]
    if len({(f.severity, f.key) for _, f in found}) == 1:
        evidence = "; ".join(dict.fromkeys(f.evidence for _, f in found if f.evidence))
        return [structs.replace(first, evidence=evidence)]
    return [
        structs.replace(f, values={**f.values, "port": f"{f.values['port']} ({host})"}) for host, f in found
    ]


def _port(place: Place, bind: BindSpec, port: str, running: bool) -> Finding:
    values = {"port": port, "listener": place.listener}
    wildcard = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}
    try:
        said = _greeting(bind.path or (wildcard.get(bind.host, bind.host), bind.port), place)
    except (ConnectionRefusedError, FileNotFoundError) as e:
        severity = Severity.RED if running else Severity.YELLOW
        return Finding(check="ports", severity=severity, key="port_closed", values=values, evidence=str(e))
    except OSError as e:
        values["detail"] = e.strerror or str(e)
        return Finding(
            check="ports", severity=Severity.GREY, key="port_untested", values=values, evidence=str(e)
        )
    if not running or said is None or (place.banner and not said.startswith("220")):
        said = said or ""
        return Finding(check="ports", severity=Severity.RED, key="port_in_use", values=values, evidence=said)
    return Finding(check="ports", severity=Severity.GREEN, key="port_listening", values=values, evidence=said)


def _greeting(address: str | tuple[str, int], place: Place) -> str | None:
    """Return what the door says; None where it should begin with TLS and does not.

    The conversation is brought to its end, so that it leaves no trace of a client that failed.
    """
    family = (
        socket.AF_UNIX
        if isinstance(address, str)
        else socket.AF_INET6
        if ":" in address[0]
        else socket.AF_INET
    )
    with socket.socket(family, socket.SOCK_STREAM) as plain:
        plain.settimeout(BANNER_SECONDS)
        plain.connect(address)
        try:
            s = _any_certificate().wrap_socket(plain) if place.tls else plain
        except ssl.SSLEOFError:
            raise
        except ssl.SSLError:
            return None
        with s:
            if not place.banner:
                return ""
            said = s.recv(512).decode("utf-8", "replace").strip()
            s.sendall(b"QUIT\r\n")
            s.recv(512)
            return said


def _any_certificate() -> ssl.SSLContext:
    """Return what only looks whether TLS is spoken: the certificate is a finding of its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def certificate(
    certificate_file: Path,
    key_file: Path,
    name: str | None,
    *,
    own: bool,
    now: float,
    playground: bool = False,
) -> list[Finding]:
    """Look at a certificate that is shown: names, dates, key.

    `own` marks one of our own authority, which is what a playground should have.  `name` is what it must be for; None
    for a further certificate, which is for the names it has.
    """
    values = {"name": name or "", "file": str(certificate_file)}
    try:
        leaf = x509.load_pem_x509_certificates(certificate_file.read_bytes())[0]
        key = load_pem_private_key(key_file.read_bytes(), None)
    except (OSError, ValueError, TypeError) as e:
        return [_finding("certificate", Severity.RED, "certificate_missing", {**values, "detail": str(e)})]
    names = _names(leaf)
    if name is None:
        name = values["name"] = next(iter(names), str(certificate_file))
        names = [*names, name.lower()]
    ends = leaf.not_valid_after_utc
    values["time"] = ends.astimezone().strftime("%Y-%m-%d")
    if leaf.public_key() != key.public_key():
        return [
            _finding(
                "certificate", Severity.RED, "certificate_key_mismatch", {**values, "file": str(key_file)}
            )
        ]
    left = ends - datetime.fromtimestamp(now, UTC)
    if left.total_seconds() <= 0:
        return [_finding("certificate", Severity.RED, "certificate_expired", values)]
    if name.lower() not in names and f"*.{name.partition('.')[2]}" not in names:
        return [
            _finding(
                "certificate", Severity.RED, "certificate_wrong_name", {**values, "names": ", ".join(names)}
            )
        ]
    if left.days < EXPIRES_SOON_DAYS:
        return [_finding("certificate", Severity.YELLOW, "certificate_expires", values)]
    if own and playground:
        values["file"] = str(certificate_file.with_name("ca.pem"))
        return [_finding("certificate", Severity.GREEN, "certificate_playground", values)]
    if own:
        return [_finding("certificate", Severity.YELLOW, "certificate_self_made", values)]
    return [_finding("certificate", Severity.GREEN, "certificate_ok", values)]


def _names(leaf: x509.Certificate) -> list[str]:
    try:
        san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [n.lower() for n in san.get_values_for_type(x509.DNSName)]


async def resolvers(resolver: Resolver, described: str) -> list[Finding]:
    """Ask the name service for a name that cannot exist: "no" is the right answer."""
    values = {"resolver": described}
    answer = await resolver.mx(NO_SUCH_NAME)
    addresses, _ = await resolver.addresses(NO_SUCH_NAME)
    evidence = f"MX {answer.status.value}, A {addresses.status.value} for {NO_SUCH_NAME}"
    if addresses.status is DnsStatus.OK:
        return [_finding("resolver", Severity.RED, "resolver_lies", values, evidence)]
    if answer.status in (DnsStatus.NXDOMAIN, DnsStatus.NODATA):
        return [_finding("resolver", Severity.GREEN, "resolver_ok", values, evidence)]
    return [
        _finding(
            "resolver", Severity.RED, "resolver_fails", {**values, "detail": answer.status.value}, evidence
        )
    ]


def _amount(octets: float) -> str:
    return f"{octets / 1e9:.0f} GB" if octets >= 1e10 else f"{octets / 1e6:.0f} MB"


def disk(folder: Path, low: int) -> list[Finding]:
    """Look at free space and free inodes; `low` is below what no mail is taken."""
    try:
        free, inodes = shutil.disk_usage(folder).free, os.statvfs(folder)
    except OSError as e:
        detail = e.strerror or str(e)
        return [_finding("disk", Severity.GREY, "disk_untested", {"folder": str(folder), "detail": detail})]
    values = {"folder": str(folder), "free": _amount(free), "limit": _amount(low)}
    found = []
    if free < low:
        found.append(_finding("disk", Severity.RED, "disk_full", values))
    elif free < 4 * low:
        found.append(_finding("disk", Severity.YELLOW, "disk_low", values))
    else:
        found.append(_finding("disk", Severity.GREEN, "disk_ok", values))
    if inodes.f_files > 0 and inodes.f_favail < FEW_INODES:
        found.append(_finding("disk", Severity.RED, "inodes_low", {**values, "free": str(inodes.f_favail)}))
    return found


def permissions(folder: Path, secret: Sequence[Path]) -> list[Finding]:
    """Look whether the state folder can be written, and that files with secrets are nobody else's."""
    values = {"folder": str(folder)}
    found = [
        _finding("files", Severity.RED, "state_permissions", {"file": str(path)})
        for path in secret
        if path.exists() and path.stat().st_mode & stat.S_IROTH
    ]
    if os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        found.append(_finding("files", Severity.GREEN, "state_ok", values))
    else:
        found.append(_finding("files", Severity.RED, "state_forbidden", values))
    return found


def clock(newest: float | None, now: float) -> list[Finding]:
    """Compare the clock with the newest mail: mail from the future means that the clock went back."""
    if newest is not None and newest > now + 60:
        values = {"time": datetime.fromtimestamp(newest, UTC).astimezone().strftime("%Y-%m-%d %H:%M")}
        return [_finding("clock", Severity.RED, "clock_behind", values)]
    return [_finding("clock", Severity.GREEN, "clock_ok", {})]


def _finding(check: str, severity: Severity, key: str, values: dict[str, str], evidence: str = "") -> Finding:
    return Finding(check=check, severity=severity, key=key, values=values, evidence=evidence)
