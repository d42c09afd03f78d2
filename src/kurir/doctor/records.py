"""The DNS records that a domain needs: worked out from facts, written as a zone file or as a provider's form asks.

Pure.  A record is `needed` where mail is lost, refused or taken for forged without it; the others make mail safer or
programs easier to set up.  Each says why it is there (`why`: a text of the command line).
"""

import hashlib
import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kurir.senderauth.dkim import txt_strings

TTL = 3_600
_STS_MAX_AGE = 7 * 86_400  # seconds; RFC 8461 section 3.2 advises weeks


@dataclass(frozen=True, slots=True)
class Record:
    """One record: absolute `name` without the last dot, `value` as in a zone file (TXT: the plain text).

    `value` is "" where only a person knows it: the public address of this server.
    """

    name: str
    type: str
    value: str
    why: str
    needed: bool = False
    ttl: int = TTL


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainFacts:
    """What the records of `domain` follow from.

    `addresses` are public ones that are known; `keys` the DKIM records by selector; `spki` the SHA-256 of the public
    key in our certificate (b"" where there is none), `public_certificate` whether everybody trusts it; `authorities` may issue certificates (RFC 8659), () any;
    `next_spki` is that of the key which is to take over, b"" where none is prepared.
    `others_send` where mail leaves through somebody else's servers, whose SPF terms only they know.  `sts_mode` is that of the
    MTA-STS policy ("off": there is none), `autoconfig` says that we tell mail programs how to reach us.
    """

    domain: str
    hostname: str
    keys: Mapping[str, str]
    postmaster: str
    addresses: tuple[str, ...] = ()
    spki: bytes = b""
    authorities: tuple[str, ...] = ()
    others_send: bool = False
    public_certificate: bool = True
    next_spki: bytes = b""
    sts_mode: str = "testing"
    autoconfig: bool = True
    submissions: int | None = 465
    submission: int | None = 587
    https: int = 443


def sts_policy(hostname: str, mode: str = "testing") -> str:
    """Return the file that ``https://mta-sts.DOMAIN/.well-known/mta-sts.txt`` answers with (RFC 8461 section 3.2)."""
    return f"version: STSv1\r\nmode: {mode}\r\nmx: {hostname}\r\nmax_age: {_STS_MAX_AGE}\r\n"


def sts_id(policy: bytes) -> str:
    """Return the id that the DNS has to show for a policy: it changes whenever the policy does (RFC 8461 section 3.1)."""
    lines = b"".join(line + b"\r\n" for line in policy.splitlines())  # whatever ends them where it is served
    return hashlib.sha256(lines).hexdigest()[:16]


def expected(facts: DomainFacts) -> tuple[Record, ...]:
    """Return the records, the most important first."""
    domain, host = facts.domain, facts.hostname
    records = [Record(domain, "MX", f"10 {host}.", "mx", needed=True), *_addresses(facts)]
    # Mail that others send for us cannot be named here: its fate is left to DKIM and DMARC until it is.
    records.append(
        Record(domain, "TXT", f"v=spf1 mx {'~' if facts.others_send else '-'}all", "spf", needed=True)
    )
    if host != domain:
        records.append(Record(host, "TXT", "v=spf1 a -all", "spf_host"))
    records += [
        Record(f"{selector}._domainkey.{domain}", "TXT", text, "dkim", needed=True)
        for selector, text in sorted(facts.keys.items())
    ]
    report = f"rua=mailto:{facts.postmaster}"
    records.append(
        Record(f"_dmarc.{domain}", "TXT", f"v=DMARC1; p=quarantine; {report}", "dmarc", needed=True)
    )
    if facts.public_certificate and facts.sts_mode != "off":
        # With a certificate of our own, those who obey the policy could not deliver.
        policy = sts_policy(host, facts.sts_mode)
        records += [
            Record(f"_mta-sts.{domain}", "TXT", f"v=STSv1; id={sts_id(policy.encode())}", "mta_sts"),
            Record(f"mta-sts.{domain}", "CNAME", f"{host}.", "mta_sts_host"),
        ]
    records.append(Record(f"_smtp._tls.{domain}", "TXT", f"v=TLSRPTv1; {report}", "tls_rpt"))
    for why, spki in (("tlsa", facts.spki), ("tlsa_next", facts.next_spki)):
        if spki:
            records.append(Record(f"_25._tcp.{host}", "TLSA", f"3 1 1 {spki.hex()}", why))
    records += [Record(domain, "CAA", f'0 issue "{name}"', "caa") for name in facts.authorities]
    return (*records, *_for_programs(facts))


def _addresses(facts: DomainFacts) -> list[Record]:
    if not facts.addresses:
        return [Record(facts.hostname, "A", "", "address", needed=True)]
    kinds = {4: "A", 6: "AAAA"}
    return [
        Record(facts.hostname, kinds[ipaddress.ip_address(a).version], a, "address", needed=True)
        for a in facts.addresses
    ]


def _for_programs(facts: DomainFacts) -> Iterable[Record]:
    """Where mail programs find the server by themselves (RFC 6186, RFC 8314 section 5.1)."""
    domain, host = facts.domain, facts.hostname
    if facts.submissions:
        yield Record(f"_submissions._tcp.{domain}", "SRV", f"0 1 {facts.submissions} {host}.", "srv")
    if facts.submission:
        yield Record(f"_submission._tcp.{domain}", "SRV", f"1 1 {facts.submission} {host}.", "srv")
    if not facts.autoconfig:
        return
    yield Record(f"autoconfig.{domain}", "CNAME", f"{host}.", "autoconfig")
    yield Record(f"_autodiscover._tcp.{domain}", "SRV", f"0 1 {facts.https} {host}.", "autoconfig")


def zone_value(record: Record) -> str:
    """Return the value as a zone file has it: text in strings of at most 255 octets (RFC 1035 section 3.3.14)."""
    if record.type != "TXT":
        return record.value
    strings = ['"' + re.sub(r'(["\\])', r"\\\1", part) + '"' for part in txt_strings(record.value)]
    return strings[0] if len(strings) == 1 else "( " + "\n    ".join(strings) + " )"


def zone_line(record: Record) -> str:
    """Return the record as a line of a zone file (a long text takes several); a comment where the value is unknown."""
    line = f"{record.name}.\t{record.ttl}\tIN\t{record.type}\t"
    return line + zone_value(record) if record.value else f"; {line}..."


def form_fields(record: Record, domain: str) -> tuple[str, str, str, str, str]:
    """Return what goes into a provider's form: type, name within the domain (``@``), priority, value, TTL.

    Such forms split long texts themselves, and want host names without the last dot.
    """
    within = "@" if record.name == domain else record.name.removesuffix(f".{domain}")
    priority, value = "", record.value
    if record.type in ("MX", "SRV"):
        priority, _, value = value.partition(" ")
    if record.type in ("MX", "SRV", "CNAME"):
        value = value.removesuffix(".")
    return record.type, within, priority, value, str(record.ttl)
