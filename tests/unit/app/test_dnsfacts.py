"""What the records of a domain follow from."""

import time

import pytest

from kurir.app.operating.dnsfacts import facts
from kurir.config import Config
from kurir.net.devca import ensure_ca, ensure_leaf


@pytest.mark.parametrize(
    ("acme", "authorities"),
    [
        (None, ()),
        ({}, ("letsencrypt.org",)),
        ({"directory": "https://dv.acme-v02.api.pki.goog/directory"}, ("pki.goog",)),
        ({"directory": "https://ca.office.test/acme/directory"}, ()),
    ],
)
def test_caa_names_the_authority_that_is_asked_before_it_has_answered(tmp_path, acme, authorities):
    ensure_leaf(ensure_ca(tmp_path / "tls", now=time.time()), tmp_path / "tls", [], now=time.time())
    given = {
        "server": {"hostname": "mail.our.test", "state": tmp_path},
        "domains": {"our.test": {}},
        "listen": {"http": ["127.0.0.1:20080"]},
    }
    if acme is not None:
        given["tls"] = {"acme": {"agree": True, **acme}}
    known = facts(Config.model_validate(given), "our.test")
    assert known.authorities == authorities and not known.public_certificate
