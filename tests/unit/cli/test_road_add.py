"""``kurir road add`` as somebody does it who changes their mind."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from kurir.cli.commands import road


@pytest.mark.parametrize("answers", ["secret\nn\n", "secret\n"], ids=["says no", "goes away"])
def test_a_password_that_nobody_uses_does_not_stay(tmp_path: Path, answers: str) -> None:
    file = tmp_path / "kurir.toml"
    file.write_text('[server]\nhostname = "our.test"\nstate = "."\n[domains."our.test"]\n')
    before = file.read_text()
    add = ["add", "brevo", "--username", "me", "-c", str(file)]
    done = CliRunner().invoke(road.command, add, input=answers)
    assert "include:spf.brevo.com" in done.output
    assert file.read_text() == before
    assert not list(tmp_path.glob("road-*.password"))
