"""Certificates from an authority: the client's side of ACME (RFC 8555), without I/O, clock or sockets.

`AcmeClient` holds the conversation: its methods are generators that yield *steps* (ask this, publish that, rest so long) and
are sent what came of them; whoever drives them (`kurir.app.keys.acme`) owns the network, the hook and the clock.  `AccountKey`
signs.  `renewal` says when a certificate is to be had anew; `certificate` reads, asks for and judges certificates.
"""

from .certificate import (
    CertificateFacts,
    CertificateKey,
    UnfitCertificate,
    certificate_facts,
    judge_chain,
    key_association,
)
from .client import AcmeClient
from .errors import AcmeError
from .jws import AccountKey
from .renewal import Window, next_try, renew_at
from .settings import MAX_NAMES, AcmeSettings, Challenge, ExternalAccount
from .steps import Ask, Proof, Publish, Rest, Said, Step, Talk

__all__ = [
    "MAX_NAMES",
    "AccountKey",
    "AcmeClient",
    "AcmeError",
    "AcmeSettings",
    "Ask",
    "CertificateFacts",
    "CertificateKey",
    "Challenge",
    "ExternalAccount",
    "Proof",
    "Publish",
    "Rest",
    "Said",
    "Step",
    "Talk",
    "UnfitCertificate",
    "Window",
    "certificate_facts",
    "judge_chain",
    "key_association",
    "next_try",
    "renew_at",
]
