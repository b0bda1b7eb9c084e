"""`/stats`: the numbers on the front page."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from gateway.edge.admin.access import needs
from gateway.edge.admin.shapes import Timestamp, rfc3339, usd
from gateway.immune.fleet import Group
from gateway.immune.memory import Counts
from gateway.store.fleet import Fleet
from gateway.store.immune_counts import ImmuneCounts
from gateway.store.stats import Stats


class ShownExternal(BaseModel):
    """A provider that many agents suffer from at once, with one of its models."""

    provider: str
    model: str
    since: Timestamp


class ShownStats(BaseModel):
    """`infections`: how often the gateway itself put an agent into quarantine. `healed`: treatments that did it;
    `success_rate`: their share of all that ended, null before the first. Costs count what has a price."""

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
    external: list[ShownExternal]


def router(
    stats: Stats,
    counts: ImmuneCounts,
    fleet: Fleet,
    *,
    quarantined: Callable[[], int],
    pending_approvals: Callable[[], Awaitable[int]],
    clock: Callable[[], float],
) -> APIRouter:
    """Totals over all replicas since the first start.

    Args:
        quarantined: how many agents get nothing through now.
        pending_approvals: how many wait for a person; raises StoreUnavailable.
        clock: seconds since the epoch.
    """
    routes = APIRouter(tags=["stats"])

    @routes.get("/stats", response_model=ShownStats, dependencies=[needs("viewer")])
    async def get_stats() -> dict[str, Any]:
        """What all agents did together."""
        totals = await stats.read()
        return {
            "agents": totals.agents,
            "executions": totals.executions,
            "findings": totals.findings,
            "infections": totals.infections,
            **_healed(await counts.read()),
            "quarantined": quarantined(),
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
            "external": _external(await fleet.external(), clock()),
        }

    return routes


def _healed(counts: Counts) -> dict[str, Any]:
    healed, failed = (
        sum(n for name, n in counts.items() if name.startswith(f"{end}:")) for end in ("healed", "failed")
    )
    return {
        "healed": healed,
        "success_rate": round(healed / (healed + failed), 3) if healed + failed else None,
    }


def _external(troubled: Mapping[Group, tuple[float, float]], now: float) -> list[dict[str, Any]]:
    """The latest at the top; what is over is left out though nobody has said so yet."""
    lasting = sorted(((since, group) for group, (since, until) in troubled.items() if until > now), reverse=True)
    return [{"provider": group[0], "model": group[1], "since": rfc3339(since)} for since, group in lasting]
