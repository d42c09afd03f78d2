"""The ASGI application of the admin port."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .metrics import Figures, render


class Health(msgspec.Struct, frozen=True):
    """Whether mail can be taken and sent now; `problems` says in words what is in the way."""

    ready: bool
    problems: tuple[str, ...] = ()


def make_application(
    figures: Callable[[], Awaitable[Sequence[Figures]]], health: Callable[[], Awaitable[Health]]
) -> Starlette:
    """Return the application; `figures` and `health` ask the other roles."""

    async def metrics(_: Request) -> Response:
        try:
            found = await figures()
        except (ConnectionError, TimeoutError):  # who gathers them is just being started again
            return Response("not now\n", 503, media_type="text/plain; charset=utf-8")
        return Response(render(found), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def healthz(_: Request) -> Response:
        return JSONResponse({"alive": True})

    async def readyz(_: Request) -> Response:
        state = await health()
        return JSONResponse(
            {"ready": state.ready, "problems": list(state.problems)}, status_code=200 if state.ready else 503
        )

    return Starlette(
        routes=[Route("/metrics", metrics), Route("/healthz", healthz), Route("/readyz", readyz)]
    )
