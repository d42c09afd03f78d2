"""Which configuration file is meant."""

from pathlib import Path

import pytest

from kurir.config import ConfigError, find


def test_a_file_or_the_folder_that_init_made(tmp_path: Path) -> None:
    file = tmp_path / "kurir.toml"
    with pytest.raises(ConfigError, match="no such file"):
        find(str(tmp_path), {})
    file.touch()
    assert find(str(file), {}) == find(str(tmp_path), {}) == file
    assert find(None, {"KURIR_CONFIG": str(tmp_path)}) == file
