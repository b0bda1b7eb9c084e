"""The admin API as one FastAPI application."""

from collections.abc import Iterable, Sequence

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware

from gateway import __version__
from gateway.edge.admin import docs, openapi, problems
from gateway.edge.admin.access import AdminAccess
from gateway.edge.admin.changes import Changes
from gateway.edge.admin.frame import Frame

BASE = "/api/gateway"


def admin_application(
    *, access: AdminAccess, changes: Changes, routers: Iterable[APIRouter], cors_origins: Sequence[str] = ()
) -> FastAPI:
    """The routers below `/api/gateway`, in the order of their documentation; pages of `cors_origins` may call them.

    A request without a key that is known reaches none of them. Routes say with `needs` which role they take.
    """
    app = FastAPI(
        title="Leuko admin API",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    problems.install(app)
    app.add_middleware(Frame, access=access, changes=changes, base=BASE)
    if cors_origins:  # outside the frame: a browser's question before the request carries no key
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(cors_origins),
            allow_methods=["*"],
            allow_headers=[
                "x-admin-key",
                "authorization",
                "content-type",
                "if-match",
                "if-none-match",
                "last-event-id",
            ],
            expose_headers=["etag"],
        )
    for router in (*routers, docs.router(lambda: openapi.document(app))):
        app.include_router(router, prefix=BASE)
    return app
