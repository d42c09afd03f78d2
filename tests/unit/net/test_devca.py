"""The development authority: what it issues, when it renews, who may read it."""

import ssl
import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kurir.net.devca import RENEW_DAYS, ensure_ca, ensure_leaf
from kurir.net.trust import names_of

DAY = 86_400
NOW = 1_800_000_000.0


def leaf_of(files):
    return x509.load_pem_x509_certificates(files.certificate.read_bytes())[0]


def test_leaf_names_and_permissions(tmp_path):
    ca = ensure_ca(tmp_path / "ca", now=NOW)
    files = ensure_leaf(ca, tmp_path, ["Mail.Example"], now=NOW)
    assert set(names_of(leaf_of(files))) == {"mail.example", "localhost", "127.0.0.1", "::1"}
    for key in (ca.key, files.key):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(ca.certificate.stat().st_mode) == 0o644
    assert not list(tmp_path.rglob(".*"))


def test_kept_until_it_must_be_renewed(tmp_path):
    ca = ensure_ca(tmp_path, now=NOW)
    assert ensure_ca(tmp_path, now=NOW + 100 * DAY) == ca
    authority = ca.certificate.read_bytes()
    serial = leaf_of(ensure_leaf(ca, tmp_path, ["a.example"], now=NOW)).serial_number
    soon = NOW + (365 - RENEW_DAYS - 1) * DAY
    assert leaf_of(ensure_leaf(ca, tmp_path, ["a.example"], now=soon)).serial_number == serial
    late = NOW + (365 - RENEW_DAYS + 1) * DAY
    renewed = leaf_of(ensure_leaf(ca, tmp_path, ["a.example"], now=late))
    assert renewed.serial_number != serial
    added = leaf_of(ensure_leaf(ca, tmp_path, ["a.example", "b.example"], now=late))
    assert added.serial_number != renewed.serial_number
    assert added.public_key() == renewed.public_key()  # a TLSA record of it stays right
    assert ca.certificate.read_bytes() == authority


def test_a_new_authority_replaces_its_leaves(tmp_path):
    ca = ensure_ca(tmp_path, now=NOW)
    old = leaf_of(ensure_leaf(ca, tmp_path, [], now=NOW))
    ca.key.unlink()
    ca = ensure_ca(tmp_path, now=NOW + 10 * DAY)
    new = leaf_of(ensure_leaf(ca, tmp_path, [], now=NOW + 10 * DAY))
    assert new.serial_number != old.serial_number and new.public_key() == old.public_key()


@pytest.mark.parametrize("brought", [rsa.generate_private_key(65537, 2048), None])
def test_a_key_that_is_there_is_kept_and_one_that_is_broken_is_not(tmp_path, brought):
    ca, file = ensure_ca(tmp_path, now=NOW), tmp_path / "server.key"
    file.write_bytes(
        brought.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) if brought else b"broken"
    )
    files = ensure_leaf(ca, tmp_path, [], now=NOW)
    if brought is not None:
        assert leaf_of(files).public_key() == brought.public_key()
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(files.certificate, files.key)
