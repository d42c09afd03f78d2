"""What the DNS records of a domain follow from: the configuration, our keys and our certificate."""

import hashlib
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from kurir.app.keys import dkim
from kurir.app.wiring import settings
from kurir.app.wiring.website import door
from kurir.config import Config
from kurir.doctor import DomainFacts
from kurir.net import parse_bind
from kurir.storage import CertificateFolder, KeyFolder

# Organization in the issuer's name -> the name that CAA records know it by.
_AUTHORITIES = MappingProxyType(
    {
        "let's encrypt": "letsencrypt.org",
        "zerossl": "sectigo.com",
        "sectigo limited": "sectigo.com",
        "google trust services": "pki.goog",
        "digicert inc": "digicert.com",
        "buypass as-983163327": "buypass.com",
        "globalsign nv-sa": "globalsign.com",
        "ssl corporation": "ssl.com",
    }
)

# Host of an ACME directory -> the same name, before there is a certificate.
_DIRECTORIES = MappingProxyType(
    {
        "acme-v02.api.letsencrypt.org": "letsencrypt.org",
        "acme-staging-v02.api.letsencrypt.org": "letsencrypt.org",
        "acme.zerossl.com": "sectigo.com",
        "acme.sectigo.com": "sectigo.com",
        "dv.acme-v02.api.pki.goog": "pki.goog",
        "acme.digicert.com": "digicert.com",
        "api.buypass.com": "buypass.com",
        "acme.ssl.com": "ssl.com",
    }
)


def facts(config: Config, domain: str, addresses: Sequence[str] = ()) -> DomainFacts:
    """Gather the facts of one of our domains.  Raises OSError or ValueError where keys cannot be read."""
    spki, authority = _certificate(settings.server_tls(config).certificates[0].certificate)
    kept = CertificateFolder(settings.layout(config))
    if config.tls.acme is not None:
        authority = authority or _DIRECTORIES.get(urlsplit(config.tls.acme.directory).hostname or "", "")
    following = kept.next_key() if config.tls.acme is not None else None
    return DomainFacts(
        domain=domain,
        hostname=config.server.hostname,
        keys=dkim.published(KeyFolder(settings.layout(config)), domain),
        postmaster=str(settings.postmaster(config)),
        addresses=tuple(addresses) or _public(config.listen.smtp),
        spki=spki,
        authorities=(authority,) if authority else (),
        next_spki=following.association if following else b"",
        public_certificate=config.tls.certificate is not None or _had_one(config, kept),
        sts_mode=config.web.mta_sts,
        autoconfig=config.web.autoconfig,
        others_send=any(r.url not in ("mx:", "sandbox:") for r in config.roads),
        submissions=door(config.listen.submissions),
        submission=door(config.listen.submission),
        https=door(config.listen.https) or 443,  # where another web server stands before us
    )


def _public(places: Sequence[str]) -> tuple[str, ...]:
    """Return the addresses that we listen at, where they are public ones."""
    hosts = dict.fromkeys(b.host for b in map(parse_bind, places) if b.host)
    return tuple(h for h in hosts if ipaddress.ip_address(h).is_global)


def _had_one(config: Config, kept: CertificateFolder) -> bool:
    """Whether an authority has given us a certificate."""
    found = kept.facts() if config.tls.acme is not None else None
    return found is not None and not found.self_made


def _certificate(file: Path) -> tuple[bytes, str]:
    """Return the SHA-256 of the public key (TLSA 3 1 1) and who issued the certificate, as CAA names it."""
    try:
        leaf = x509.load_pem_x509_certificates(file.read_bytes())[0]
    except (OSError, ValueError):
        return b"", ""
    spki = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    names = leaf.issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    organization = str(names[0].value).lower() if names else ""
    return hashlib.sha256(spki).digest(), _AUTHORITIES.get(organization, "")
