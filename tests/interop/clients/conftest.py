"""One server for all clients: starting one for each test would take longer than the tests."""

from collections.abc import Iterator

import pytest

from . import post as posts


@pytest.fixture(scope="session")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[posts.Post]:
    with posts.opened(
        tmp_path_factory.mktemp("clients"), accounts=("ana", "budi", "citra", "jürgen")
    ) as post:
        yield post
