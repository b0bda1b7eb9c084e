"""`/stats`: the numbers on the front page."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from gateway.edge.admin.access import needs
from gateway.edge.admin.shapes import usd
from gateway.store.stats import Stats


class ShownStats(BaseModel):
    """`success_rate` is the share of infections that were healed, null before the first. Costs count what has a
    price."""

    agents: int
    executions: int
    findings: int
    infections: int
    quarantined: int
    healed: int
    success_rate: float | None
    pending_approvals: int
    runtime_seconds: int
    denied: int
    errors: int
    client_gone: int
    tool_calls: int
    tokens: int
    input_tokens: int
    output_tokens: int
    cost_usd: float


def router(
    stats: Stats, *, quarantined: Callable[[], int], pending_approvals: Callable[[], Awaitable[int]]
) -> APIRouter:
    """Totals over all replicas since the first start.

    Args:
        quarantined: how many agents get nothing through now.
        pending_approvals: how many wait for a person; raises StoreUnavailable.
    """
    routes = APIRouter(tags=["stats"])

    @routes.get("/stats", response_model=ShownStats, dependencies=[needs("viewer")])
    async def get_stats() -> dict[str, Any]:
        """What all agents did together."""
        totals = await stats.read()
        return {
            "agents": totals.agents,
            "executions": totals.executions,
            "findings": 0,
            "infections": 0,
            "quarantined": quarantined(),
            "healed": 0,
            "success_rate": None,
            "pending_approvals": await pending_approvals(),
            "runtime_seconds": totals.runtime_seconds,
            "denied": totals.denied,
            "errors": totals.errors,
            "client_gone": totals.client_gone,
            "tool_calls": totals.tool_calls,
            "tokens": totals.tokens,
            "input_tokens": totals.input_tokens,
            "output_tokens": totals.output_tokens,
            "cost_usd": usd(totals.cost),
        }

    return routes
