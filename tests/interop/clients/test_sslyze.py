"""sslyze against all doors but LMTP, which it cannot speak (testssl.sh can): compliant with Mozilla's intermediate profile (https://wiki.mozilla.org/Security/Server_Side_TLS)."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import PATIENCE
from tests.harness.kurir import Kurir

pytestmark = [pytest.mark.interop, pytest.mark.full]

DOORS = {
    "smtp": True,
    "submission": True,
    "submissions": False,
    "https": False,
}  # name -> begins with STARTTLS


@pytest.fixture(scope="module")
def kurir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kurir]:
    """A server with the certificate that it makes itself; its many connections meet no brake."""
    with Kurir(tmp_path_factory.mktemp("sslyze") / "k", trust=("127.0.0.0/8", "::1/128")) as server:
        yield server


@pytest.mark.parametrize("door", DOORS)
def test_mozilla_intermediate(kurir: Kurir, door: str, tmp_path: Path) -> None:
    sslyze = shutil.which(os.environ.get("KURIR_SSLYZE", "sslyze"))
    if sslyze is None:
        pytest.skip("NOT TESTED: sslyze is not here (scripts/test installs it; or set KURIR_SSLYZE)")
    starttls = ["--starttls", "smtp"] if DOORS[door] else []
    done = subprocess.run(
        [
            sslyze, "--mozilla_config", "intermediate", "--certinfo_ca_file", str(kurir.ca),
            *starttls, f"localhost:{getattr(kurir, door)}",
        ],
        capture_output=True, text=True, timeout=PATIENCE, cwd=tmp_path,
    )  # fmt: skip
    report = done.stdout[done.stdout.find("COMPLIANCE") :]
    assert done.returncode == 0 and "Compliant" in report and "Not compliant" not in report, (
        report or done.stderr
    )
