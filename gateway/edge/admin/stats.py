"""`/stats`: the numbers on the front page."""

from typing import Any

from fastapi import APIRouter

from gateway.store.stats import Stats


def router(stats: Stats) -> APIRouter:
    """Totals over all replicas since the first start."""
    routes = APIRouter(tags=["stats"])

    @routes.get("/stats")
    async def get_stats() -> dict[str, Any]:
        totals = await stats.read()
        return {
            "agents": totals.agents,
            "executions": totals.executions,
            "errors": totals.errors,
            "denied": totals.denied,
            "client_gone": totals.client_gone,
            "tool_calls": totals.tool_calls,
            "tokens": totals.tokens,
            "input_tokens": totals.input_tokens,
            "output_tokens": totals.output_tokens,
            "runtime_seconds": totals.runtime_seconds,
        }

    return routes
