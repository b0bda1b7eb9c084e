"""`/incidents`: what was found wrong with agents, what was done, and what people say it was."""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel
from starlette.requests import Request

from gateway.edge.admin import vitals
from gateway.edge.admin.access import needs, principal
from gateway.edge.admin.problems import Problem, invalid
from gateway.edge.admin.shapes import Body, Text, Timestamp, rfc3339
from gateway.edge.admin.vitals import ShownVitals
from gateway.immune.finding import Finding
from gateway.immune.incident import Approval, Incident
from gateway.immune.memory import Cause
from gateway.immune.moves import Trigger
from gateway.model.vitals import Vitals
from gateway.store.incidents import Incidents
from gateway.store.quarantine import Quarantine
from gateway.store.vitals import VitalsLog

_PAGE = 200
_READ = 1000  # rows of an agent that are looked through
Notify = Callable[[str, dict[str, Any]], None]
Say = Callable[[str, Cause], Awaitable[Incident | None]]


class ShownFinding(BaseModel):
    """`deviation` in standard deviations of the agent's own past, null where nothing is scored. `hard`: evidence by
    itself."""

    type: str
    metric: str
    deviation: float | None
    at: Timestamp
    agent_id: str
    request_id: str
    model: str | None
    conversation: str | None
    hard: bool
    detail: dict[str, Any]


class ShownDiagnosis(BaseModel):
    cause: Cause
    confidence: float


class ShownAction(BaseModel):
    """`outcome`: of a treatment `applied` while it is tried, then `healed` or `failed`."""

    action: str
    outcome: str
    at: Timestamp


class ShownIncident(BaseModel):
    """`agent_id` is null where many agents suffer from one provider, which `detail` names then. `trigger` is what began
    the latest treatment, `approval` a person's word on it where one was asked for."""

    incident_id: str
    agent_id: str | None
    opened_at: Timestamp
    closed_at: Timestamp | None
    state: str
    reason: str
    findings: list[ShownFinding]
    diagnoses: list[ShownDiagnosis]
    actions: list[ShownAction]
    trigger: Trigger | None
    approval: Approval | None
    actual_cause: Cause | None
    detail: dict[str, Any]


class WholeIncident(ShownIncident):
    """`vitals`: the exchanges that the findings name, as far as they are kept."""

    vitals: list[ShownVitals]


class IncidentList(BaseModel):
    items: list[ShownIncident]
    next_cursor: str | None = None


class Feedback(Body):
    incident_id: Text
    actual_cause: Cause


def router(
    incidents: Incidents,
    quarantine: Quarantine,
    log: VitalsLog,
    say: Say,
    *,
    notify: Notify,
) -> APIRouter:
    """Any worker answers for all.

    Args:
        say: takes a person's word on an incident's cause; None if there is none of that id. Raises StoreUnavailable.
        notify: tells whoever watches the events.
    """
    routes = APIRouter(tags=["incidents"])
    _reads(routes, incidents, quarantine, log)
    _feedback(routes, quarantine, say, notify)
    return routes


def _reads(routes: APIRouter, incidents: Incidents, quarantine: Quarantine, log: VitalsLog) -> None:
    @routes.get("/incidents", response_model=IncidentList, dependencies=[needs("viewer")])
    async def list_incidents(
        agent_id: Annotated[str | None, Query(max_length=200)] = None,
        open: bool | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        cursor: Annotated[str, Query(max_length=200)] = "",
    ) -> dict[str, Any]:
        """The newest first. A page may hold fewer than `limit`; there are more as long as there is a cursor."""
        try:
            found, following = await incidents.page(agent_id=agent_id, open=open, limit=limit, cursor=cursor)
        except ValueError:
            raise invalid("query.cursor", "no such cursor") from None
        return {"items": [shown(one, quarantine) for one in found], "next_cursor": following}

    @routes.get(
        "/incidents/{incident_id}",
        response_model=WholeIncident,
        dependencies=[needs("viewer")],
        responses={404: {}},
    )
    async def get_incident(incident_id: Annotated[str, Path(max_length=200)]) -> dict[str, Any]:
        """One incident, with the exchanges that showed it."""
        incident = await incidents.get(incident_id) or _of_life(quarantine, incident_id)
        if incident is None:
            raise _unknown(incident_id)
        rows = await _exchanges(log, incident)
        return {**shown(incident, quarantine), "vitals": [vitals.shown(row) for row in rows]}


def _feedback(routes: APIRouter, quarantine: Quarantine, say: Say, notify: Notify) -> None:
    @routes.post("/feedback", response_model=ShownIncident, dependencies=[needs("operator")], responses={404: {}})
    async def give_feedback(body: Feedback, request: Request) -> dict[str, Any]:
        """What was really wrong: this incident, and those like it from now on, are diagnosed by it. The last word on an
        incident counts, and once."""
        incident = await say(body.incident_id, body.actual_cause)
        if incident is None:
            raise _unknown(body.incident_id)
        by = principal(request).key_id
        notify("feedback", {"incident_id": incident.incident_id, "actual_cause": body.actual_cause, "by": by})
        return shown(incident, quarantine)


def _unknown(incident_id: str) -> Problem:
    return Problem(404, f"There is no incident {incident_id[:80]!r}.")


def _of_life(quarantine: Quarantine, incident_id: str) -> Incident | None:
    """What can be said of an incident that was not written: the agent is blocked for it."""
    life = next((life for life in quarantine.blocked.values() if life.incident_id == incident_id), None)
    if life is None:
        return None
    return Incident(incident_id, life.agent_id, life.blocked_at, state=life.state, reason=life.reason)


async def _exchanges(log: VitalsLog, incident: Incident) -> list[Vitals]:
    """The rows that the findings name, the earliest first. Raises StoreUnavailable."""
    wanted: dict[str, dict[str, float]] = defaultdict(dict)
    for finding in incident.findings:
        wanted[finding.agent_id][finding.request_id] = finding.at
    found: list[Vitals] = []
    for agent_id, requests in wanted.items():
        since, cursor, read = min(requests.values()) - 1.0, None, 0
        left = set(requests)
        while left and read < _READ:
            rows, cursor = await log.latest(agent_id, _PAGE, since=since, cursor=cursor)
            found += [row for row in rows if row.request_id in left]
            left -= {row.request_id for row in rows}
            read += _PAGE
            if cursor is None:
                break
    return sorted(found, key=lambda row: row.time)


def shown(incident: Incident, quarantine: Quarantine) -> dict[str, Any]:
    """An incident as the API shows it; while it is open, with the state that its agent has now."""
    life = quarantine.of(incident.agent_id)
    current = life is not None and incident.closed_at is None and life.incident_id == incident.incident_id
    return {
        "incident_id": incident.incident_id,
        "agent_id": incident.agent_id or None,
        "opened_at": rfc3339(incident.opened_at),
        "closed_at": None if incident.closed_at is None else rfc3339(incident.closed_at),
        "state": life.state if life is not None and current else incident.state,
        "reason": incident.reason,
        "findings": [_finding(one) for one in incident.findings],
        "diagnoses": [{"cause": one.cause, "confidence": one.confidence} for one in incident.diagnoses],
        "actions": [{"action": one.action, "outcome": one.outcome, "at": rfc3339(one.at)} for one in incident.actions],
        "trigger": incident.trigger,
        "approval": incident.said("heal"),
        "actual_cause": incident.actual_cause,
        "detail": _detail(incident),
    }


def _detail(incident: Incident) -> dict[str, Any]:
    """Which approvals it waits for or was given, and what else people may want to know of it."""
    heal, quarantine = incident.asked.get("heal"), incident.asked.get("quarantine")
    told = {
        "approval_id": heal and heal.approval_id,
        "approval_by": heal and heal.by,
        "quarantine_approval_id": quarantine and quarantine.approval_id,
        "quarantine_approval": quarantine and quarantine.said,
        "quarantine_by": quarantine and quarantine.by,
        "feedback": incident.counted_as,
    }
    return {**incident.detail, **{name: known for name, known in told.items() if known}}


def _finding(finding: Finding) -> dict[str, Any]:
    told = {name: getattr(finding, name) for name in ShownFinding.model_fields}
    off = None if finding.deviation is None else round(finding.deviation, 2)
    return {**told, "deviation": off, "at": rfc3339(finding.at), "detail": dict(finding.detail)}
