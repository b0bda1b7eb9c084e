"""`/logs`: what agents say they did. It is kept beside what the gateway decided, as their word and no more."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, StrictBool

from gateway.edge.admin.audit import EntryList
from gateway.edge.admin.problems import Problem, invalid
from gateway.edge.admin.shapes import Body, Text, Time, Timestamp, rfc3339
from gateway.edge.agents_api.access import Own
from gateway.edge.agents_api.reported import Members, Resource, redacted
from gateway.model.agent import Agent
from gateway.model.audit import AuditEntry
from gateway.spool.errors import AuditUnavailable
from gateway.store.audit_query import AuditFilter, AuditQuery

MOST_BYTES = 16 * 1024
"""Of a report."""

Audit = Callable[[AuditEntry], str]
Pace = Callable[[Agent], Awaitable[None]]
Clock = Callable[[], float]


class Log(Body):
    """What was done to what, whether it was allowed, and what came of it (such as `success` or `error`)."""

    action: Text
    resource: Resource
    allowed: StrictBool
    result: Text
    context: Members
    metadata: Members


class Logged(BaseModel):
    entry: str
    time: Timestamp


def router(
    query: AuditQuery,
    audit: Audit,
    own: Own,
    *,
    write_pace: Pace,
    read_pace: Pace,
    redact: Callable[[str], str] = str,
    clock: Clock,
) -> APIRouter:
    """Reports of agents.

    Args:
        audit: takes an entry, gives its id; raises AuditUnavailable if it is not recorded.
        own: the agent that asks; raises Problem.
        redact: takes secrets out of text.
        clock: seconds since the epoch.
    """
    routes = APIRouter(tags=["logs"])

    @routes.post("/logs", status_code=201, response_model=Logged, responses={403: {}, 413: {}, 429: {}, 503: {}})
    async def log_action(request: Request, body: Log) -> Logged:
        """Record what the agent did, as its own word (`source: agent`)."""
        agent = own(request)
        if len(await request.body()) > MOST_BYTES:
            raise Problem(413, f"A report is larger than {MOST_BYTES} bytes.")
        await write_pace(agent)
        now = round(clock(), 3)  # as the record has it
        try:
            return Logged(entry=audit(_entry(agent, body, redact, now)), time=rfc3339(now))
        except AuditUnavailable:
            raise Problem(503, "The audit record cannot be written at the moment.", retry_after=1) from None

    @routes.get("/logs", response_model=EntryList, responses={403: {}, 429: {}})
    async def list_logs(
        request: Request,
        action: Annotated[str | None, Query(max_length=200)] = None,
        allowed: bool | None = None,
        start_time: Time | None = None,
        end_time: Time | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        cursor: Annotated[str | None, Query(max_length=200)] = None,
    ) -> dict[str, Any]:
        """What the agent reported itself, the latest first. A page may hold fewer than `limit` and have a next one."""
        agent = own(request)
        await read_pace(agent)
        start, end = (None if time is None else max(0.0, time.timestamp()) for time in (start_time, end_time))
        wanted = AuditFilter(agent.agent_id, action, allowed, start, end, "agent")
        try:
            found, following = await query.page(wanted, limit, cursor)
        except ValueError:
            raise invalid("query.cursor", "no such cursor") from None
        items = [{**entry, "time": rfc3339(entry["time"] / 1000)} for entry in found]
        return {"items": items, "next_cursor": following}

    return routes


def _entry(agent: Agent, body: Log, redact: Callable[[str], str], now: float) -> AuditEntry:
    return AuditEntry(
        now,
        "agent",
        redact(body.action),
        "agent",
        agent_id=agent.agent_id,
        resource=redact(body.resource),
        allowed=body.allowed,
        result=redact(body.result),
        context=redacted(body.context, redact),
        metadata=redacted(body.metadata, redact),
    )
