"""`/agents`: the agents ever seen."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from gateway.edge.admin.problems import Problem
from gateway.store.agents import AgentRecord, Agents


def router(agents: Agents) -> APIRouter:
    """Reads only what Redis has, so any worker answers for all."""
    routes = APIRouter(tags=["agents"])

    @routes.get("/agents")
    async def list_agents(
        limit: Annotated[int, Query(ge=1, le=1000)] = 100, cursor: Annotated[str | None, Query(max_length=200)] = None
    ) -> dict[str, Any]:
        """One page of agents, the latest made first."""
        try:
            records, following = await agents.list(limit, cursor)
        except ValueError:
            raise Problem(
                422, "Some fields are not valid.", [{"field": "query.cursor", "message": "no such cursor"}]
            ) from None
        return {"items": [shown(record) for record in records], "next_cursor": following}

    @routes.get("/agents/{agent_id}")
    async def get_agent(agent_id: str) -> dict[str, Any]:
        record = await agents.get(agent_id)
        if record is None:
            raise Problem(404, f"There is no agent {agent_id[:80]!r}.")
        return shown(record)

    return routes


def shown(record: AgentRecord) -> dict[str, Any]:
    """An agent as the API shows it."""
    return {
        "agent_id": record.agent_id,
        "name": record.name,
        "verified": record.verified,
        "first_seen": rfc3339(record.first_seen),
        "last_seen": rfc3339(record.last_seen),
        "models": record.models,
        "tools": record.tools,
        "providers": record.providers,
        "client": record.client,
        "credential": record.credential,
        "requests": record.requests,
        "input_tokens": record.input_tokens,
        "output_tokens": record.output_tokens,
    }


def rfc3339(seconds: float) -> str:
    """UTC with `Z`, milliseconds (RFC 3339)."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
