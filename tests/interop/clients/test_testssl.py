"""testssl.sh against every door with TLS, client certificates on: no finding of MEDIUM or worse."""

import datetime as dt
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kurir.net.devca import ensure_ca
from tests.harness.clientcerts import make
from tests.harness.kurir import Kurir
from tests.interop.servers.peer import program

from .programs import run

pytestmark = [pytest.mark.interop, pytest.mark.full]

DOORS = {
    "smtp": ["--starttls", "smtp"],
    "submission": ["--starttls", "smtp"],
    "submissions": [],
    "lmtp": ["--starttls", "lmtp"],
    "https": [],
}
FINE = {"OK", "INFO", "LOW", "DEBUG", "WARN"}


def certificate(folder: Path) -> tuple[Path, Path, Path]:
    """Return authority, certificate and key as a public authority would make them: with an address for revocations."""
    ca = ensure_ca(folder, now=time.time())
    issuer = x509.load_pem_x509_certificate(ca.certificate.read_bytes())
    signer = load_pem_private_key(ca.key.read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    revocations = x509.DistributionPoint(
        [x509.UniformResourceIdentifier("http://ca.example/crl")], None, None, None
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=89))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.CRLDistributionPoints([revocations]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    pem, key_pem = folder / "server.pem", folder / "server.key"
    pem.write_bytes(made.public_bytes(Encoding.PEM) + ca.certificate.read_bytes())
    key_pem.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return ca.certificate, pem, key_pem


@pytest.fixture(scope="module")
def kurir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kurir]:
    """A server with all its doors open; its many connections meet no brake."""
    folder = tmp_path_factory.mktemp("testssl")
    _, pem, key = certificate(folder)
    clients = make(folder, "clients", ca=True)
    toml = f"""
[tls]
certificate = "{pem}"
key = "{key}"

[submission]
client_certificates = true
client_ca = "{clients.pem}"
"""
    with Kurir(folder / "k", toml=toml, trust=("127.0.0.0/8", "::1/128")) as server:
        yield server


@pytest.mark.parametrize("door", DOORS)
def test_no_finding_of_medium_or_worse(kurir: Kurir, door: str, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [
        program("testssl"), "--quiet", "--color", "0", "--warnings", "off", "--add-ca", kurir.folder.parent / "ca.pem",
        "--jsonfile", report, *DOORS[door], f"localhost:{getattr(kurir, door)}",
    ]  # fmt: skip
    run(command, home=tmp_path, check=None, seconds=900)
    findings = {f["id"]: f for f in json.loads(report.read_text())}
    assert findings["cert_chain_of_trust"]["severity"] == "OK"
    assert findings["TLS1_3"]["severity"] in FINE
    bad = {k: f["finding"] for k, f in findings.items() if f["severity"] not in FINE}
    assert bad == {}
