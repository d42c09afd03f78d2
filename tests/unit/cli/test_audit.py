"""``kurir audit`` answers with the same keys whether or not mail was ever accepted."""

import json
from pathlib import Path

import pytest

from kurir.app.wiring.setup import make
from kurir.cli.main import main
from kurir.config.template import Choices


def test_a_server_that_never_ran_balances_with_every_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = make(tmp_path / "new", Choices(domain="audit.test", playground=True, port_offset=20000))
    with pytest.raises(SystemExit) as end:
        main(["audit", "-c", str(file), "--json"])
    assert end.value.code == 0
    assert json.loads(capsys.readouterr().out) == {
        "balanced": True, "messages": 0, "recipients": 0, "fates": {}, "waiting": 0, "held": 0,
        "open_notices": 0, "days": 0, "problems": [],
    }  # fmt: skip
