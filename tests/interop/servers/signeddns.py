"""A signed DNS tree on loopback, behind a validating Unbound with an anchor of its own.

``test.`` is signed and holds signed, unsigned and broken zones below it.  dnspython signs, Unbound serves the zones
to itself as authority and validates what it got: what it answers carries the AD bit, or is SERVFAIL.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import dns.dnssec
import dns.message
import dns.name
import dns.node
import dns.query
import dns.rdataset
import dns.rdatatype
import dns.zone
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.harness import PATIENCE

Zone = Mapping[str, Mapping[str, Sequence[str]]]
"""Name within the zone ("@" for its top) -> type -> records as in a zone file."""

ALGORITHM = dns.dnssec.Algorithm.ECDSAP256SHA256
ANCHOR = "test."
_FORGED = {"A": "127.0.0.99", "MX": "10 mx.elsewhere.test.", "TLSA": "3 1 1 " + "00" * 32}


def unbound() -> str:
    """Return the program, or skip loudly."""
    found = shutil.which("unbound", path=os.environ["PATH"] + ":/usr/sbin")
    if found is None:
        pytest.skip("NOT TESTED: Unbound is not installed (scripts/lib/peers.sh installs it)")
    return found


class SignedDns:
    """Zones below ``test.`` by name; `unsigned` ones have no DS, in `broken` ones records of that type are forged."""

    def __init__(
        self,
        folder: Path,
        zones: Mapping[str, Zone],
        *,
        unsigned: Sequence[str] = (),
        broken: Mapping[str, str] | None = None,
    ) -> None:
        self._program = unbound()
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._names: list[str] = []
        top: dict[str, dict[str, list[str]]] = {}
        for name, zone in zones.items():
            ds = self._write(
                f"{name}.", zone, signed=name not in unsigned, broken=(broken or {}).get(name, "")
            )
            label = name.removesuffix(".test")
            top[label] = {"NS": [f"ns.{name}."], **({"DS": [ds]} if name not in unsigned else {})}
            top[f"ns.{label}"] = {"A": ["127.0.0.1"]}
        self._anchor = self._write(ANCHOR, top, signed=True, broken="")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            self.port = int(s.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """What ``net.resolvers`` wants."""
        return f"127.0.0.1:{self.port}"

    def _write(self, origin: str, names: Zone, *, signed: bool, broken: str) -> str:
        lines = [
            f"$ORIGIN {origin}",
            "$TTL 60",
            "@ SOA ns hostmaster 1 3600 600 86400 5",
            "@ NS ns",
            "ns A 127.0.0.1",
        ]
        lines += [
            f"{n} {t} {r}" for n, types in names.items() for t, records in types.items() for r in records
        ]
        zone = dns.zone.from_text("\n".join(lines) + "\n", origin=origin, relativize=False)
        key = ec.generate_private_key(ec.SECP256R1())
        dnskey = dns.dnssec.make_dnskey(key.public_key(), ALGORITHM, flags=257)
        if signed:
            now = int(time.time())
            dns.dnssec.sign_zone(zone, keys=[(key, dnskey)], inception=now - 3600, expiration=now + 86_400)
        if broken:
            for _, rdataset in zone.iterate_rdatasets(broken):
                rdataset.clear()
                rdataset.add(dns.rdata.from_text("IN", broken, _FORGED[broken]))
        file = self._folder / f"{origin}zone"
        zone.to_file(str(file), relativize=False)
        self._names.append(origin)
        return dns.dnssec.make_ds(origin, dnskey, "SHA256").to_text()

    def __enter__(self) -> Self:
        zones = "".join(
            f'auth-zone:\n  name: "{name}"\n  zonefile: "{self._folder / f"{name}zone"}"\n'
            "  for-downstream: no\n  for-upstream: yes\n"
            for name in self._names
        )
        config = self._folder / "unbound.conf"
        config.write_text(
            f"""\
server:
  interface: 127.0.0.1@{self.port}
  do-ip6: no
  username: ""
  chroot: ""
  pidfile: ""
  directory: "{self._folder}"
  use-syslog: no
  logfile: ""
  verbosity: 1
  num-threads: 1
  do-not-query-localhost: no
  local-zone: "test." nodefault
  module-config: "validator iterator"
  trust-anchor: "{ANCHOR} DS {self._anchor}"
  val-log-level: 2
  cache-max-negative-ttl: 1
remote-control:
  control-enable: no
{zones}"""
        )
        log = (self._folder / "unbound.log").open("wb")
        self._process = subprocess.Popen([self._program, "-d", "-c", str(config)], stdout=log, stderr=log)
        query = dns.message.make_query(ANCHOR, "SOA")
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                dns.query.udp(query, "127.0.0.1", port=self.port, timeout=0.1)
                return self
            except (dns.exception.Timeout, OSError):
                if self._process.poll() is not None:
                    break
        raise RuntimeError((self._folder / "unbound.log").read_text())

    def __exit__(self, *exc: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(PATIENCE)
