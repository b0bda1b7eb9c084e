"""`/agents/{id}/vitals`: what each of an agent's exchanges measured."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from gateway.edge.admin.access import needs
from gateway.edge.admin.agents import AgentId, known
from gateway.edge.admin.problems import invalid
from gateway.edge.admin.shapes import Time, Timestamp, rfc3339
from gateway.model.vitals import Vitals
from gateway.store.agents import Agents
from gateway.store.vitals import VitalsLog


class ShownVitals(BaseModel):
    """One exchange. Times in milliseconds; `cost_usd` is null where the model has no price."""

    agent_id: str
    request_id: str
    time: Timestamp
    dialect: str | None
    provider: str | None
    model: str | None
    stream: bool
    status: int
    error_type: str | None
    latency_ms: float
    ttft_ms: float | None
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    usage_estimated: bool
    cost_usd: float | None
    tool_calls: int
    tool_names: list[str]
    tool_errors: int
    denied_calls: int
    repeated_calls: int
    retries: int
    finish_reason: str | None
    prompt_hash: str | None
    tools_hash: str | None
    conversation: str | None
    turn: int | None


class VitalsList(BaseModel):
    items: list[ShownVitals]
    next_cursor: str | None = None


def router(agents: Agents, log: VitalsLog) -> APIRouter:
    """Reads only what Redis has, so any worker answers for all."""
    routes = APIRouter(tags=["vitals"])

    @routes.get(
        "/agent/{agent_id}/vitals", response_model=VitalsList, dependencies=[needs("viewer")], responses={404: {}}
    )
    @routes.get(
        "/agents/{agent_id}/vitals", response_model=VitalsList, dependencies=[needs("viewer")], responses={404: {}}
    )
    async def list_vitals(
        agent_id: AgentId,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        since: Annotated[Time | None, Query(description="leaves out what ended before this time")] = None,
        cursor: Annotated[str | None, Query(max_length=200)] = None,
    ) -> dict[str, Any]:
        """An agent's exchanges, the latest first; as many as `GATEWAY_RETENTION` keeps."""
        await known(agents, agent_id)
        try:
            rows, following = await log.latest(agent_id, limit, since=_seconds(since), cursor=cursor)
        except ValueError:
            raise invalid("query.cursor", "no such cursor") from None
        return {"items": [shown(row) for row in rows], "next_cursor": following}

    return routes


def shown(vitals: Vitals) -> dict[str, Any]:
    """Vitals as the API shows them."""
    return {**asdict(vitals), "time": rfc3339(vitals.time)}


def _seconds(time: datetime | None) -> float:
    """Since the epoch."""
    return 0.0 if time is None else max(0.0, time.timestamp())
