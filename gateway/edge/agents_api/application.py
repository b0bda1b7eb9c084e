"""The agents' API as one FastAPI application."""

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI
from starlette.requests import Request

from gateway import __version__
from gateway.edge.admin import problems
from gateway.edge.admin.problems import Problem, answer_to, bounded
from gateway.edge.agents_api.access import Access
from gateway.edge.asgi import App, Receive, Scope, Send
from gateway.store.errors import StoreUnavailable

BASE = "/api/v1"


def agents_application(*, access: Access, routers: Sequence[APIRouter]) -> App:
    """Every route below `/api/v1` asks `access` first, before a byte of the body is read."""
    app = FastAPI(
        title="Leuko agents' API",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    problems.install(app)
    for router in routers:
        app.include_router(router, prefix=BASE)
    return _Guarded(app, access)


class _Guarded:
    """Asks who is there, and bounds what they may send."""

    def __init__(self, app: App, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        try:
            await self._access(Request(scope))
        except (Problem, StoreUnavailable) as error:
            return await answer_to(error)(scope, receive, send)
        return await self._app(scope, bounded(receive), send)
