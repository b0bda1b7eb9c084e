"""The admin API as one FastAPI application; the order of its routers is the order in its documentation."""

from collections.abc import Sequence

from fastapi import Depends, FastAPI
from starlette.middleware.cors import CORSMiddleware

from gateway import __version__
from gateway.edge.admin import agents, problems, stats
from gateway.edge.admin.access import AdminAccess
from gateway.store.agents import Agents
from gateway.store.stats import Stats

BASE = "/api/gateway"


def admin_application(
    *, access: AdminAccess, agent_store: Agents, totals: Stats, cors_origins: Sequence[str] = ()
) -> FastAPI:
    """Every route below `/api/gateway` asks `access` first; pages of `cors_origins` may call them."""
    app = FastAPI(
        title="Leuko admin API",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    problems.install(app)
    if cors_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(cors_origins), allow_methods=["*"], allow_headers=["x-admin-key"]
        )
    guard = [Depends(access)]
    app.include_router(agents.router(agent_store), prefix=BASE, dependencies=guard)
    app.include_router(stats.router(totals), prefix=BASE, dependencies=guard)
    return app
