"""`GET /metrics`: what Prometheus scrapes. Takes a key of the admin API, because it names agents and models."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from starlette.responses import PlainTextResponse

from gateway.edge.admin.access import needs
from gateway.telemetry.exposition import CONTENT_TYPE

PATH = "/metrics"


def router(scrape: Callable[[], Awaitable[str]]) -> APIRouter:
    """Args: scrape: the metrics of every worker as text."""
    routes = APIRouter(tags=["metrics"])

    @routes.get(
        PATH,
        dependencies=[needs("viewer")],
        response_class=PlainTextResponse,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Metrics"}},
    )
    async def get_metrics() -> PlainTextResponse:
        """Metrics of every worker in Prometheus' text format 0.0.4."""
        return PlainTextResponse(await scrape(), media_type=CONTENT_TYPE)

    return routes
