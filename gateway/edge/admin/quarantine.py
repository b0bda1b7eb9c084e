"""`/quarantine`: agents that operators have stopped."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, Strict
from starlette.requests import Request

from gateway.edge.admin.access import needs, principal
from gateway.edge.admin.agents import AgentId, unknown_agent
from gateway.edge.admin.operator_incidents import OperatorIncidents
from gateway.edge.admin.problems import Problem
from gateway.edge.admin.shapes import Body, Text, Timestamp, rfc3339
from gateway.edge.admin.states import States
from gateway.model.lifecycle import IllegalMove, Life, State
from gateway.store.agent_rules import AgentRules
from gateway.store.agents import Agents
from gateway.store.control import Control
from gateway.store.quarantine import Quarantine

WITHIN = 1.0
"""Seconds that an answer waits for the replicas before it says which of them it still waits for."""


class NewQuarantine(Body):
    """`drain_seconds`: how long the agent's running streams may go on; nothing new passes from the start."""

    reason: Text
    drain_seconds: Annotated[float, Strict(), Field(ge=0, le=3600)] = 0.0


class Release(Body):
    reason: Text = "released"


class ShownQuarantine(BaseModel):
    agent_id: str
    state: State
    since: Timestamp
    reason: str
    by: str
    incident_id: str | None
    drain_until: Timestamp | None


class QuarantineList(BaseModel):
    """`stale_for`: seconds since this replica last knew for sure; null while it does."""

    items: list[ShownQuarantine]
    next_cursor: str | None = None
    stale_for: float | None = None


class ChangedQuarantine(ShownQuarantine):
    """`pending`: the replicas that have not confirmed; each refuses tool calls by itself 2 s after its last word."""

    epoch: int
    pending: list[str]


def router(
    quarantine: Quarantine,
    control: Control,
    agents: Agents,
    rules: AgentRules,
    states: States,
    incidents: OperatorIncidents,
    *,
    notify: Callable[[str, dict[str, Any]], None],
) -> APIRouter:
    """`notify` tells whoever watches the events."""
    routes = APIRouter(tags=["quarantine"])

    async def answer(event: str, before: Life | None, life: Life, epoch: int, response: Response) -> dict[str, Any]:
        told = {"agent_id": life.agent_id, "state": life.state, "incident_id": life.incident_id}
        notify(event, told)
        if before is None or life.state != before.state:
            move = life.history[-1] if life.history else None
            moved = {"before": before.state if before else "INITIALIZING", "cause": move.cause if move else ""}
            notify("lifecycle", {**told, **moved})
        pending = await control.acknowledged(epoch, WITHIN)
        response.status_code = 202 if pending else 200
        return {**_shown(life), "epoch": epoch, "pending": pending}

    _reads(routes, quarantine, control)
    _blocks(routes, quarantine, _Known(agents, states, rules), incidents, answer)
    _releases(routes, quarantine, _Known(agents, states, rules), incidents, answer)
    return routes


Answer = Callable[[str, Life | None, Life, int, Response], Awaitable[dict[str, Any]]]


def _reads(routes: APIRouter, quarantine: Quarantine, control: Control) -> None:
    @routes.get("/quarantine", response_model=QuarantineList, dependencies=[needs("viewer")])
    async def list_quarantine() -> dict[str, Any]:
        """Every agent that gets nothing through, the latest first; answered without Redis too."""
        lives = sorted(quarantine.blocked.values(), key=lambda life: life.since, reverse=True)
        stale = None if control.leased else round(control.unleased_for, 1)
        return {"items": [_shown(life) for life in lives], "next_cursor": None, "stale_for": stale}


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of agents."""

    agents: Agents
    states: States
    rules: AgentRules


def _blocks(
    routes: APIRouter, quarantine: Quarantine, known: _Known, incidents: OperatorIncidents, answer: Answer
) -> None:
    @routes.post(
        "/quarantine/{agent_id}",
        response_model=ChangedQuarantine,
        dependencies=[needs("operator")],
        responses={202: {"model": ChangedQuarantine}, 404: {}, 409: {}},
    )
    async def quarantine_agent(agent_id: AgentId, body: NewQuarantine, request: Request, response: Response) -> Any:
        """200: no live replica forwards anything of this agent any more. 202: those in `pending` have not said so."""
        record = await known.agents.get(agent_id)
        if record is None and quarantine.of(agent_id) is None:
            raise unknown_agent(agent_id)
        if (into := known.rules.of(agent_id).into) is not None:
            raise Problem(409, f"{agent_id[:80]} was merged into {into}, which its requests count as: quarantine that.")
        by, before = principal(request).key_id, await known.states.life(agent_id)
        life, epoch = await quarantine.block(
            agent_id,
            body.reason,
            by,
            drain_seconds=body.drain_seconds,
            credential_id=record.credential_id if record else "",
            base=before,
        )
        await incidents.blocked(before, life, body.reason, by)
        return await answer("quarantine", before, life, epoch, response)


def _releases(
    routes: APIRouter, quarantine: Quarantine, known: _Known, incidents: OperatorIncidents, answer: Answer
) -> None:
    @routes.delete(
        "/quarantine/{agent_id}",
        response_model=ChangedQuarantine,
        dependencies=[needs("operator")],
        responses={202: {"model": ChangedQuarantine}, 404: {}, 409: {}},
    )
    async def release_agent(
        agent_id: AgentId, request: Request, response: Response, body: Release | None = None
    ) -> Any:
        """The agent is on probation from now on; one that is not in quarantine stays as it is."""
        before, by = await known.states.life(agent_id), principal(request).key_id
        reason = (body or Release()).reason
        if quarantine.of(agent_id) is None and await known.agents.get(agent_id) is None:
            raise unknown_agent(agent_id)
        try:
            life, epoch = await quarantine.release(agent_id, reason, by, before)
        except IllegalMove as error:
            raise Problem(409, str(error)) from None
        if before is not None:
            await incidents.released(before, life, reason, by)
        return await answer("release", before, life, epoch, response)


def _shown(life: Life) -> dict[str, Any]:
    return {
        "agent_id": life.agent_id,
        "state": life.state,
        "since": rfc3339(life.since),
        "reason": life.reason,
        "by": life.by,
        "incident_id": life.incident_id,
        "drain_until": rfc3339(life.drain_until) if life.state == "DRAINING" else None,
    }
