"""The sections about our own certificates: files, or an authority that is asked for them."""

import base64
import binascii
from pathlib import Path
from typing import Literal

from pydantic import Field, PrivateAttr, model_validator

from kurir.model.told import told

from .oauth_schema import WebAddress
from .section import Section
from .units import Seconds
from .values import AddressText, CertificateName, ServerName

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"


class CertificateSection(Section):
    """One more certificate."""

    certificate: Path = Field(description="PEM file with the certificate and its chain.")
    key: Path = Field(description="PEM file with the private key.")


class AcmeSection(Section):
    """Have the certificate from an authority and renew it (ACME, RFC 8555)."""

    directory: WebAddress = Field(
        LETS_ENCRYPT, description="The authority's directory; default that of Let's Encrypt."
    )
    agree: bool = Field(
        False,
        description="You have read the authority's terms of service and agree to them; without that it gives nothing.",
    )
    contact: AddressText | None = Field(None, description="Whom the authority may write to.")
    names: list[CertificateName] = Field(
        [],
        description="Names in the certificate, ours first; default the host name and the names of what [web] serves.",
        max_length=100,
    )
    challenge: Literal["http-01", "dns-01"] = Field(
        "http-01",
        description="How a name is proven: by a file that listen.http serves on port 80, or by a record that the hook sets.",
    )
    hook: Path | None = Field(
        None,
        description="Program for dns-01, called as: HOOK add|remove _acme-challenge.NAME VALUE; it returns when the record is set.",
    )
    settle: Seconds = Field(
        20, description="How long a record of the hook is given to reach all servers of the zone.", ge=0
    )
    eab_key_id: str = Field("", description="Key id of an account that exists at the authority (EAB).")
    eab_key_file: Path | None = Field(None, description="File with the key that belongs to it (base64url).")
    _eab_key: bytes = PrivateAttr(b"")

    @property
    def eab_key(self) -> bytes:
        """What stands in `eab_key_file`; b"" until somebody has read it (`with_secret`)."""
        return self._eab_key

    def with_secret(self, eab_key: str) -> "AcmeSection":
        """Return the section with the key that was read.  Raises ValueError where it is no base64url."""
        section = self.model_copy()
        try:
            decoded = base64.urlsafe_b64decode(eab_key + "=" * (-len(eab_key) % 4))
        except (binascii.Error, ValueError):
            raise ValueError(told("the key is no base64url text")) from None
        section._eab_key = decoded  # noqa: SLF001 - a copy of our own
        return section

    @model_validator(mode="after")
    def _whole(self) -> "AcmeSection":
        if (self.challenge == "dns-01") != (self.hook is not None):
            raise ValueError(told("dns-01 and hook belong together: name both or none"))
        if bool(self.eab_key_id) != (self.eab_key_file is not None):
            raise ValueError(told("eab_key_id and eab_key_file belong together: name both or none"))
        if self.challenge == "http-01" and any(n.startswith("*.") for n in self.names):
            raise ValueError(told("a name with * can be proven by dns-01 only"))
        return self


class TlsSection(Section):
    """Our certificate.  Without one, a certificate of our own authority under ``tls/`` is used."""

    certificate: Path | None = Field(None, description="PEM file with the certificate and its chain.")
    key: Path | None = Field(None, description="PEM file with the private key.")
    certificates: list[CertificateSection] = Field(
        [], description="Further certificates, for clients that ask for one of their names (SNI)."
    )
    acme: AcmeSection | None = Field(None, description="Have it from an authority; see [tls.acme].")

    @model_validator(mode="after")
    def _both(self) -> "TlsSection":
        if (self.certificate is None) != (self.key is None):
            raise ValueError(told("certificate and key belong together: name both or none"))
        if self.certificate is not None and self.acme is not None:
            raise ValueError(told("certificate and acme exclude each other: remove one of them"))
        return self


class WebSection(Section):
    """What listen.http and listen.https serve for our domains."""

    mta_sts: Literal["testing", "enforce", "none", "off"] = Field(
        "testing",
        description="The MTA-STS policy: testing (failures are reported), enforce, none (takes it back), off (no policy).",
    )
    autoconfig: bool = Field(
        True, description="Tell mail programs how to reach this server (autoconfig, autodiscover)."
    )
    imap: ServerName | None = Field(
        None, description="Where people read their mail (IMAP over TLS); default port 993 of our host name."
    )
