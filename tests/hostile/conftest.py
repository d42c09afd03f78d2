"""One server for each module of the catalogue."""

from collections.abc import Iterator

import pytest

from .stage import Stage


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A running server; at the end of the module it must still be well."""
    made = Stage(tmp_path_factory.mktemp("hostile") / "k")
    yield made
    made.close()
