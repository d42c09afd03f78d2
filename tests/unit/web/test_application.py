"""The admin port while the queue is being started again: an answer, and no error of ours in the log."""

from collections.abc import Sequence

import pytest

from kurir.web import Figures, Health, make_application


@pytest.mark.parametrize("error", [ConnectionError, TimeoutError])
async def test_figures_that_nobody_has_now_are_a_503(error: type[Exception]) -> None:
    async def figures() -> Sequence[Figures]:
        raise error

    async def health() -> Health:
        return Health(ready=True)

    said = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request"}

    async def send(message: dict[str, object]) -> None:
        said.append(message)

    request = {"type": "http", "method": "GET", "path": "/metrics", "headers": [], "query_string": b""}
    await make_application(figures, health)(request, receive, send)
    assert said[0]["status"] == 503
