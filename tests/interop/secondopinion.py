"""A network of its own with DNS, mail hosts and policies on their real ports, and two senders: Kurir and Postfix.

    unshare --net --mount python -m tests.interop.secondopinion FOLDER

Both get the same mail and decide.  Postfix has its own DANE and asks Debian's postfix-mta-sts-resolver for policies;
neither knows anything of earlier protection.  Prints their decisions as JSON; `test_second_opinion` compares them.
"""

import asyncio
import json
import os
import re
import smtplib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from kurir.delivery import DeliverySettings, Route, RouteKind
from kurir.delivery.tlspolicy import DaneSettings, StsSettings, TlsDesk, TlsSettings
from kurir.model import OutcomeKind
from kurir.net import (
    CachingResolver,
    ClientTlsFactory,
    ClientTlsSettings,
    PeerPolicy,
    ResolverSettings,
    TlsLevel,
    WebClient,
    WebSettings,
)
from kurir.net.tlsa import association
from tests.certs import Made, make
from tests.integration.scripted_peer import Peer, ehlo
from tests.unit.delivery.doubles import Harness, RealClock, lease_for

from .servers.peer import ROOT
from .servers.postfix import Postfix
from .servers.signeddns import SignedDns

EHLO, NO_TLS = ehlo("PIPELINING", "STARTTLS"), ehlo("PIPELINING")
STS_DAEMON = ROOT / "usr/bin/mta-sts-daemon"
PATIENCE = 60.0  # seconds for Postfix to try everything once


Record = tuple[int, int, int, str]
HTTP = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s"


def answer(body: bytes, status: bytes = b"200 OK", fields: bytes = b"Content-Type: text/plain\r\n") -> bytes:
    """Return what a web server says."""
    return HTTP % (status, len(body), fields, body)


def policy_of(mode: str, host: str, more: str = "max_age: 86400\r\n") -> bytes:
    """Return the text of a policy."""
    return f"version: STSv1\r\nmode: {mode}\r\nmx: {host}\r\n{more}".encode()


def _strict(name: str) -> bytes:
    """A policy that the host of that case cannot keep to."""
    return policy_of("enforce", f"mx.{name}.plain.test")


@dataclass(frozen=True)
class Case:
    """A domain: its zone, what its host shows (None: no TLS), its TLSA records, and its policy.

    A record names usage, selector, matching type, and of which certificate; ``short:`` cuts the digest, ``@name`` puts it
    at another name of the zone than the host's.  `policy` is (mode, name of the host) or the whole answer of the web server.
    """

    zone: str
    shows: str | None
    tlsa: tuple[Record, ...] = ()
    policy: tuple[str, str] | bytes | None = None
    policy_by: str = "public"  # who vouches for the web server of the policy
    alias: str = ""  # the mail host is a CNAME for a name in this zone
    record: str = '"v=STSv1; id=1"'  # of the policy


CASES = {
    "good": Case("dane", "own", ((3, 1, 1, "own"),)),
    "good-certificate": Case("dane", "own", ((3, 0, 1, "own"),)),
    "good-512": Case("dane", "own", ((3, 1, 2, "own"),)),
    "authority": Case("dane", "chain", ((2, 1, 1, "root"),)),
    "authority-name": Case("dane", "chain-elsewhere", ((2, 1, 1, "root"),)),
    "authority-old": Case("dane", "chain-expired", ((2, 1, 1, "root"),)),
    "old-key": Case("dane", "expired", ((3, 1, 1, "expired"),)),
    "alias": Case("dane", "own", ((3, 1, 1, "own"),), alias="dane"),
    "alias-mismatch": Case("dane", "own", ((3, 1, 1, "other"),), alias="dane"),
    "mismatch": Case("dane", "own", ((3, 1, 1, "other"),)),
    "unusable": Case("dane", "own", ((1, 1, 1, "own"),)),
    "unusable-bare": Case("dane", None, ((1, 1, 1, "own"),)),
    "stopped": Case("dane", None, ((3, 1, 1, "own"),)),
    "missing": Case("dane", "own"),
    "missing-bare": Case("dane", None),
    "forged": Case("forged", "own", ((3, 1, 1, "own"),)),
    "unsigned": Case("plain", "own", ((3, 1, 1, "other"),)),
    "bare": Case("plain", None),
    "sts": Case("plain", "public", policy=("enforce", "mx.sts.plain.test")),
    "sts-wild": Case("plain", "public", policy=("enforce", "*.sts-wild.plain.test")),
    "sts-wrong": Case("plain", "elsewhere", policy=("enforce", "mx.sts-wrong.plain.test")),
    "sts-own": Case("plain", "own", policy=("enforce", "mx.sts-own.plain.test")),
    "sts-old": Case("plain", "public-expired", policy=("enforce", "mx.sts-old.plain.test")),
    "sts-stopped": Case("plain", None, policy=("enforce", "mx.sts-stopped.plain.test")),
    "sts-stranger": Case("plain", "public", policy=("enforce", "mx.other.test")),
    "sts-testing": Case("plain", "elsewhere", policy=("testing", "mx.sts-testing.plain.test")),
    "sts-none": Case("plain", "own", policy=("none", "mx.sts-none.plain.test")),
    # -- more of DANE: several records, base domains, chains
    "several": Case("dane", "own", ((3, 1, 1, "other"), (3, 1, 1, "own"))),
    "several-useless": Case("dane", "own", ((1, 1, 1, "own"), (3, 1, 1, "other"))),
    "several-short": Case("dane", "own", ((3, 1, 1, "short:other"), (3, 1, 1, "own"))),
    "only-short": Case("dane", "own", ((3, 1, 1, "short:own"),)),
    "only-unknown": Case("dane", "own", ((3, 1, 7, "own"), (3, 5, 1, "own"), (9, 1, 1, "own"))),
    "agile": Case("dane", "own", ((3, 1, 1, "own"), (3, 1, 2, "other"))),
    "agile-apart": Case("dane", "own", ((3, 0, 1, "own"), (3, 1, 2, "other"))),
    "roll-over": Case("dane", "own", ((3, 1, 1, "other"), (2, 1, 1, "root"), (3, 1, 1, "own"))),
    "own-elsewhere": Case("dane", "other", ((3, 1, 1, "other"),)),
    "client-only": Case("dane", "client", ((3, 1, 1, "client"),)),
    "whole": Case("dane", "own", ((3, 0, 0, "own"),)),
    "whole-key": Case("dane", "own", ((3, 1, 0, "own"),)),
    "authority-absent": Case("dane", "chain-bare", ((2, 1, 1, "root"),)),
    "authority-given": Case("dane", "chain-bare", ((2, 0, 0, "root"),)),
    "authority-key": Case("dane", "chain-bare", ((2, 1, 0, "root"),)),
    "authority-client": Case("dane", "chain-client", ((2, 1, 1, "root"),)),
    "authority-512": Case("dane", "chain", ((2, 0, 2, "root"),)),
    "authority-domain": Case("dane", "chain-domain", ((2, 1, 1, "root"),)),
    "authority-itself": Case("dane", "own", ((2, 1, 1, "own"),)),
    "alias-first": Case("dane", "own", ((3, 1, 1, "own@mx"),), alias="dane"),
    "alias-first-bad": Case("dane", "own", ((3, 1, 1, "other@mx"),), alias="dane"),
    "alias-both": Case("dane", "own", ((3, 1, 1, "other@mx"), (3, 1, 1, "own")), alias="dane"),
    "alias-both-bad": Case("dane", "own", ((3, 1, 1, "own@mx"), (3, 1, 1, "other")), alias="dane"),
    "alias-out": Case("dane", "own", ((3, 1, 1, "own@mx"),), alias="plain"),
    "alias-out-bad": Case("dane", "own", ((3, 1, 1, "other@mx"),), alias="plain"),
    "alias-in": Case("plain", "own", ((3, 1, 1, "other"),), alias="dane"),
    "no-mx": Case("forgedmx", "own", ((3, 1, 1, "own"),)),
    "no-address": Case("forgeda", "own", ((3, 1, 1, "own"),)),
    # -- more of MTA-STS: each policy that counts names a host which the case cannot prove to be
    "sts-deep": Case("plain", "own", policy=("enforce", "*.plain.test")),
    "sts-upper": Case("plain", "public", policy=("enforce", "MX.STS-Upper.Plain.Test")),
    "sts-moved": Case("plain", "own", policy=answer(_strict("sts-moved"), b"301 Moved", b"Location: https://mta-sts.sts-none.plain.test/.well-known/mta-sts.txt\r\n")),
    "sts-gone": Case("plain", "own", policy=answer(_strict("sts-gone"), b"404 Not Found")),
    "sts-broken": Case("plain", "own", policy=answer(_strict("sts-broken"), b"500 Oops")),
    "sts-typed": Case("plain", "own", policy=answer(_strict("sts-typed"), fields=b"Content-Type: text/plain; charset=utf-8\r\n")),
    "sts-html": Case("plain", "own", policy=answer(_strict("sts-html"), fields=b"Content-Type: text/html\r\n")),
    "sts-huge": Case("plain", "own", policy=answer(_strict("sts-huge") + b"x: y\r\n" * 12_000)),
    "sts-lf": Case("plain", "own", policy=answer(_strict("sts-lf").replace(b"\r\n", b"\n"))),
    "sts-keys": Case("plain", "own", policy=answer(_strict("sts-keys") + b"new_key: some value\r\n")),
    "sts-open": Case("plain", "own", policy=answer(_strict("sts-open").rstrip())),
    "sts-long": Case("plain", "own", policy=answer(policy_of("enforce", "mx.sts-long.plain.test", "max_age: 31557600\r\n"))),
    "sts-ageless": Case("plain", "own", policy=answer(policy_of("enforce", "mx.sts-ageless.plain.test", ""))),
    "sts-mode": Case("plain", "own", policy=answer(policy_of("enforced", "mx.sts-mode.plain.test"))),
    "sts-other-version": Case("plain", "own", policy=answer(_strict("sts-other-version").replace(b"STSv1", b"STSv2"))),
    "sts-no-id": Case("plain", "own", policy=("enforce", "mx.sts-no-id.plain.test"), record='"v=STSv1;"'),
    "sts-parted": Case("plain", "own", policy=("enforce", "mx.sts-parted.plain.test"), record='"v=STS" "v1; id=1"'),
    "sts-name": Case("plain", "own", policy=("enforce", "mx.sts-name.plain.test"), policy_by="elsewhere"),
    "sts-late": Case("plain", "own", policy=("enforce", "mx.sts-late.plain.test"), policy_by="expired"),
    "sts-unproven": Case("plain", "own", policy=("enforce", "mx.other.test"), policy_by="nobody"),
}  # fmt: skip


class World:
    """Certificates, zones and servers of all cases."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.public, self.nobody = make("public root", ca=True), make("nobody", ca=True)
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self.public.certificate.public_bytes(Encoding.PEM))
        self.zones: dict[str, dict[str, dict[str, list[str]]]] = {
            "good": {"@": {"A": ["127.0.0.1"]}}, "bad": {"@": {"A": ["127.0.0.1"]}}, "dane": {}, "plain": {}, "forged": {},
            "forgedmx": {}, "forgeda": {},
        }  # fmt: skip
        self.shown: dict[str, Made | None] = {name: self._case(name, case) for name, case in CASES.items()}

    def _case(self, name: str, case: Case) -> Made | None:
        host, zone, root = f"mx.{name}.{case.zone}.test", self.zones[case.zone], make("root of dane", ca=True)
        old = (-30.0, -1.0)
        kinds = {
            "own": lambda: make(host),
            "other": lambda: make("other.test"),
            "expired": lambda: make(host, days=old),
            "root": lambda: root,
            "chain": lambda: make(host, root, show_root=True),
            "chain-elsewhere": lambda: make("elsewhere.test", root, show_root=True),
            "client": lambda: make(host, purpose=ExtendedKeyUsageOID.CLIENT_AUTH),
            "chain-bare": lambda: make(host, root),
            "chain-client": lambda: make(host, root, show_root=True, purpose=ExtendedKeyUsageOID.CLIENT_AUTH),
            "chain-domain": lambda: make(f"{name}.{case.zone}.test", root, show_root=True),
            "chain-expired": lambda: make(host, root, days=old, show_root=True),
            "public": lambda: make(host, self.public),
            "public-expired": lambda: make(host, self.public, days=old),
            "elsewhere": lambda: make("elsewhere.test", self.public),
        }
        made: dict[str, Made] = {}

        def of(kind: str) -> Made:
            return made[kind] if kind in made else made.setdefault(kind, kinds[kind]())

        zone[name] = {"MX": [f"10 mx.{name}"]}
        target, home = f"real.{name}" if case.alias else f"mx.{name}", zone
        if case.alias:
            zone[f"mx.{name}"] = {"CNAME": [f"{target}.{case.alias}.test."]}
            home = self.zones[case.alias]
        home[target] = {"A": [address_of(name)]}
        for usage, selector, matching, kind in case.tlsa:
            kind, first, _ = kind.partition("@")
            data = association(of(kind.removeprefix("short:")).certificate, selector & 1, matching % 3).hex()
            data = data[:40] if kind.startswith("short:") else data
            at, base = (zone, f"mx.{name}") if first else (home, target)
            records = at.setdefault(f"_25._tcp.{base}", {}).setdefault("TLSA", [])
            records.append(f"{usage} {selector} {matching} {data}")
        if case.policy:
            zone[f"_mta-sts.{name}"] = {"TXT": [case.record]}
            zone[f"mta-sts.{name}"] = {"A": [address_of(name, 2)]}
        return of(case.shows) if case.shows else None

    async def serve(self) -> None:
        """Open every mail host and every web server."""
        for name, case in CASES.items():
            shown = self.shown[name]
            peer = Peer(
                {"EHLO": EHLO if shown else NO_TLS}, tls=shown.context(self.folder) if shown else None
            )
            await asyncio.start_server(peer.serve, address_of(name), 25)
            if case.policy:
                ca = self.nobody if case.policy_by == "nobody" else self.public
                days = (-30.0, -1.0) if case.policy_by == "expired" else (-1.0, 30.0)
                called = "elsewhere" if case.policy_by == "elsewhere" else f"mta-sts.{name}.{case.zone}"
                tls = make(f"{called}.test", ca, days=days).context(self.folder)
                said = case.policy if isinstance(case.policy, bytes) else answer(policy_of(*case.policy))
                await asyncio.start_server(_web(said), address_of(name, 2), 443, ssl=tls)


def domain_of(name: str) -> str:
    """Return the recipients' domain of a case."""
    return f"{name}.{CASES[name].zone}.test"


def address_of(name: str, network: int = 1) -> str:
    """Return where the mail host (1) or the web server (2) of a case is."""
    return f"127.0.{network}.{list(CASES).index(name) + 1}"


def _web(said: bytes):  # type: ignore[no-untyped-def]
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(said)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        writer.close()

    return serve


# -- the two who decide -------------------------------------------------------------------------------------


def kurir(world: World) -> dict[str, str]:
    """Return what Kurir does with mail to each case."""

    async def one(name: str) -> str:
        clock = RealClock()
        resolver = CachingResolver(ResolverSettings(("127.0.0.1:53",)), clock=time.monotonic)
        tls = ClientTlsFactory(ClientTlsSettings(bundle=world.ca), now=time.time)
        web = WebClient(
            resolver,
            tls.level(TlsLevel.VERIFIED),
            WebSettings(timeout=5, peers=PeerPolicy(allow_loopback=True)),
        )
        policy = TlsSettings(
            dane=DaneSettings(good="good.test", bogus="bad.test"), sts=StsSettings(), trusted_resolver=True
        )
        desk = TlsDesk(policy, resolver, web.fetch, clock)
        route = Route(name="mx", kind=RouteKind.MX)
        s = DeliverySettings(hello_name="kurir.test", routes=(route,), allow_loopback_peers=True)
        harness = Harness(s, resolver, tls=tls, desk=desk, clock=clock)
        lease = lease_for(s, 1, [f"a@{domain_of(name)}"], site=domain_of(name))
        outcome = (await harness.deliver([lease]))[1, 0]
        await harness.drain()
        if outcome.kind is not OutcomeKind.HANDED_OVER:
            return outcome.kind.value
        proven = outcome.tls is not None and outcome.tls.verified and outcome.tls.policy in ("dane", "sts")
        return said(encrypted=outcome.tls is not None, proven=bool(proven))

    async def run() -> dict[str, str]:
        return {name: await one(name) for name in CASES}

    return asyncio.run(run())


def said(*, encrypted: bool, proven: bool) -> str:
    """Return a delivery in the words that both are compared by."""
    return "delivered, proven" if proven else "delivered, encrypted" if encrypted else "delivered, open"


_STATUS = re.compile(r"to=<a@(\S+?)>, .*status=(\w+) ")
_PROTECTION = re.compile(r"(\w+) TLS connection established to (\S+?)\[")


def postfix(world: World, *, policies: bool) -> dict[str, str]:
    """Return what Postfix does with mail to each case."""
    settings = {
        "mynetworks": "127.0.0.0/8", "smtpd_relay_restrictions": "permit_mynetworks, reject",
        "smtp_dns_support_level": "dnssec", "smtp_host_lookup": "dns", "smtp_tls_security_level": "dane",
        "smtp_tls_CAfile": str(world.ca), "smtp_tls_loglevel": "1", "smtp_tls_connection_reuse": "no",
    }  # fmt: skip
    if policies:
        settings["smtp_tls_policy_maps"] = "socketmap:inet:127.0.0.1:8461:postfix"
    names = {domain_of(name): name for name in CASES}
    with Postfix(settings=settings) as server:
        with smtplib.SMTP("127.0.0.1", server.port, local_hostname="client.test") as s:
            for domain in names:
                s.sendmail("me@client.test", [f"a@{domain}"], "Subject: x\r\n\r\nhello\r\n")
        end, found, log = time.monotonic() + PATIENCE, {}, ""
        while time.monotonic() < end and len(found) < len(names):
            time.sleep(0.2)
            log = server.said()
            found = dict(_STATUS.findall(log))
    seen = {host: how for how, host in _PROTECTION.findall(log)}
    protection = {
        name: seen.get(f"mx.{domain}") or seen.get(f"real.{domain}") for domain, name in names.items()
    }
    decided = {}
    for domain, status in found.items():
        how = protection[names[domain]]
        sent = said(encrypted=how is not None, proven=how == "Verified")
        decided[names[domain]] = sent if status == "sent" else "failed" if status == "bounced" else status
    return decided


@contextmanager
def policy_daemon(world: World) -> Iterator[bool]:
    """Debian's postfix-mta-sts-resolver; yields whether it is there."""
    if not STS_DAEMON.exists():
        yield False
        return
    config = world.folder / "mta-sts-daemon.yml"
    config.write_text("host: 127.0.0.1\nport: 8461\ncache: {type: internal}\ndefault_zone: {timeout: 4}\n")
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT / "usr/lib/python3/dist-packages"), "SSL_CERT_FILE": str(world.ca),
    }  # fmt: skip
    command = ["/usr/bin/python3", str(STS_DAEMON), "-c", str(config)]
    with (world.folder / "mta-sts-daemon.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    time.sleep(2)
    try:
        yield process.poll() is None
    finally:
        process.terminate()
        process.wait(10)


def _own_network(folder: Path) -> None:
    names = folder / "resolv.conf"
    names.write_text("nameserver 127.0.0.1\noptions trust-ad edns0\n")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "--bind", str(names), "/etc/resolv.conf"], check=True)


def main() -> None:
    """Print what both decide."""
    folder = Path(sys.argv[1])
    folder.chmod(0o755)
    _own_network(folder)
    world = World(folder)
    dns = SignedDns(
        folder / "dns", {f"{name}.test": zone for name, zone in world.zones.items()}, unsigned=["plain.test"],
        broken={"bad.test": "A", "forged.test": "TLSA", "forgedmx.test": "MX", "forgeda.test": "A"},
    )  # fmt: skip
    dns.port = 53
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    with ExitStack() as stack:
        stack.enter_context(dns)
        asyncio.run_coroutine_threadsafe(world.serve(), loop).result(20)
        policies = stack.enter_context(policy_daemon(world))
        decided = {"kurir": kurir(world), "postfix": postfix(world, policies=policies), "policies": policies}
    print(json.dumps(decided))


if __name__ == "__main__":
    main()
