"""Postfix as the second opinion about TLS on the way out: the same mail, the same world, the same decision."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import PATIENCE

from .secondopinion import CASES
from .servers.peer import need_root, program
from .servers.signeddns import unbound

pytestmark = [pytest.mark.interop, pytest.mark.full]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def decided(tmp_path_factory):
    need_root("a network of its own")
    for name in ("unshare", "ip", "postfix"):
        program(name)
    unbound()
    alone = [shutil.which("unshare"), "--net", "--mount"]
    if subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("NOT TESTED: this machine gives nobody a network of their own (unshare --net)")
    folder = tmp_path_factory.mktemp("opinion")
    done = subprocess.run(
        [*alone, sys.executable, "-m", "tests.interop.secondopinion", str(folder)],
        cwd=ROOT, capture_output=True, timeout=PATIENCE, text=True, env={**os.environ, "PYTHONPATH": "src"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("case", CASES)
def test_both_decide_alike(decided, case):
    if CASES[case].policy and not decided["policies"]:
        pytest.skip("NOT TESTED: postfix-mta-sts-resolver is not here (scripts/lib/peers.sh unpacks it)")
    assert decided["kurir"][case] == decided["postfix"].get(case)
