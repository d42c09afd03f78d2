"""The file that ``kurir init`` writes: short, commented, and only what differs between servers."""

import json
from dataclasses import dataclass, field

from kurir.model.told import told

PORTS = {
    "smtp": 25,
    "lmtp": 24,
    "submissions": 465,
    "submission": 587,
    "http": 80,
    "https": 443,
    "admin": 8080,
}


@dataclass(frozen=True, slots=True)
class Choices:
    """What was said on the command line of ``kurir init``."""

    domain: str
    playground: bool = False
    port_offset: int = 0
    smarthost: str | None = None
    trust: tuple[str, ...] = ()
    user: str = ""
    extra: dict[str, str] = field(default_factory=dict)


def ports(offset: int) -> dict[str, int]:
    """Return the port of each door, moved by `offset`; raises ValueError where one leaves 1..65535."""
    moved = {name: port + offset for name, port in PORTS.items()}
    for name, port in moved.items():
        if not 0 < port < 65536:
            raise ValueError(
                told(
                    "--port-offset {offset} moves the {name} port {ports} to {port}, outside 1..65535",
                    offset=offset,
                    name=name,
                    ports=PORTS[name],
                    port=port,
                )
            )
    return moved


def render(c: Choices) -> str:
    """Return the text of ``kurir.toml`` for these choices."""
    p = ports(c.port_offset)
    everywhere = ["127.0.0.1", "[::1]"] if c.playground else ["0.0.0.0", "[::]"]
    loopback = ["127.0.0.1"]

    def at(door: str, hosts: list[str]) -> str:
        return json.dumps([f"{h}:{p[door]}" for h in hosts])

    return f"""\
# Kurir. What each key means: docs/reference/configuration.md; check this file with: kurir check
# Relative paths start in the folder of this file.

# How many reception and delivery processes; 0 = one process for all; "auto" decides by cores.
workers = "auto"

[server]
hostname = {json.dumps(c.domain)}      # our name towards other servers; give it a PTR record
state = "."
{"user = " + json.dumps(c.user) if c.user else '# user = "kurir"     # become this user after binding the ports (when started as root)'}
playground = {"true" if c.playground else "false"}
{"# Mail for foreign domains is kept in the sandbox: read it with  kurir sandbox list" if c.playground and not c.smarthost else ""}

[listen]
smtp = {at("smtp", everywhere)}
submission = {at("submission", everywhere)}
submissions = {at("submissions", everywhere)}
lmtp = {at("lmtp", loopback)}
http = {at("http", everywhere)}      # proofs for certificates, and the way to https
https = {at("https", everywhere)}      # MTA-STS policy, settings for mail programs
admin = {at("admin", loopback)}

[trust]
networks = {json.dumps(list(c.trust))}      # may relay on port 25 without a password

# [tls.acme]      # a certificate that everybody trusts: docs/how-to/certificate.md
# agree = true      # to the terms of Let's Encrypt
# contact = "postmaster@{c.domain}"

[domains.{json.dumps(c.domain)}]      # mail for it goes to Maildirs under mail/
{_roads(c)}"""


def _roads(c: Choices) -> str:
    if not c.smarthost:
        return ""
    return f"""
[[roads]]
name = "smarthost"
url = {json.dumps(c.smarthost)}
"""
