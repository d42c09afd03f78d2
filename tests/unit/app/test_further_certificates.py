"""The doctor looks at each certificate that is shown; the first is for our name, the others for theirs."""

import time
from pathlib import Path

from kurir.doctor import certificate
from kurir.model import Severity
from kurir.net.devca import ensure_ca, ensure_leaf


def test_a_further_certificate_is_for_the_names_it_has(tmp_path: Path) -> None:
    now = time.time()
    files = ensure_leaf(ensure_ca(tmp_path, now=now), tmp_path / "b", ["mail.example.net"], now=now)
    cases = {
        0: (Severity.GREEN, "certificate_ok"),
        360: (Severity.YELLOW, "certificate_expires"),
        366: (Severity.RED, "certificate_expired"),
    }
    for days, wanted in cases.items():
        (found,) = certificate(files.certificate, files.key, None, own=False, now=now + days * 86_400)
        assert (found.severity, found.key) == wanted
        assert found.values["name"] == "mail.example.net"
    (wrong,) = certificate(files.certificate, files.key, "mail.example.org", own=False, now=now)
    assert wrong.key == "certificate_wrong_name"
    (missing,) = certificate(tmp_path / "none", files.key, None, own=False, now=now)
    assert missing.severity is Severity.RED
