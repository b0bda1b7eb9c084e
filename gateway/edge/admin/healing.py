"""`/healing`: the agents that are treated or wait for it, what was tried, what it did, and the word to begin now."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.requests import Request

from gateway.edge.admin.access import needs, principal
from gateway.edge.admin.agents import AgentId, known
from gateway.edge.admin.problems import Problem, invalid
from gateway.edge.admin.shapes import Timestamp, rfc3339
from gateway.edge.admin.states import States
from gateway.immune.incident import Approval, Incident
from gateway.immune.memory import Cause, Pattern, patterns
from gateway.immune.moves import Trigger
from gateway.immune.remedies import REMEDIES
from gateway.model.lifecycle import IllegalMove, Life, State
from gateway.store.agents import Agents
from gateway.store.immune_counts import ImmuneCounts
from gateway.store.incidents import Incidents
from gateway.store.prescriptions import Case, Prescriptions
from gateway.store.quarantine import Quarantine

_AGENTS = 500  # that one answer shows
_PATIENTS = frozenset(("QUARANTINED", "HEALING", "EXHAUSTED"))
_NAMES = frozenset(remedy.name for remedy in REMEDIES)
_WAITS = {"DRAINING": "its running streams end first", "HEALING": "is being healed already"}


class ShownPatient(BaseModel):
    """`cause` is the likeliest one, `remedies` what is in force; `held`: only an operator ends its quarantine.
    `approval`: a person's word on the healing, where one was asked for, `approval_id` what is to be decided."""

    agent_id: str
    state: State
    since: Timestamp
    reason: str
    held: bool
    incident_id: str | None
    cause: Cause | None
    confidence: float | None
    deviation: float | None
    approval: Approval | None
    approval_id: str | None
    trigger: Trigger | None
    remedies: list[str]


class ShownTreatment(BaseModel):
    """`outcome`: `applied` while it is tried, then `healed` or `failed`."""

    at: Timestamp
    agent_id: str
    incident_id: str
    action: str
    outcome: str


class Healing(BaseModel):
    """`agents`: at most 500, those that came there last; `items`: the latest treatments of all agents."""

    agents: list[ShownPatient]
    items: list[ShownTreatment]
    next_cursor: str | None = None


class ShownPattern(BaseModel):
    """What a remedy did against a cause, over all agents."""

    cause: str
    remedy: str
    healed: int
    failed: int
    success_rate: float


class PatternList(BaseModel):
    items: list[ShownPattern]
    next_cursor: None = None


class Begun(BaseModel):
    agent_id: str
    state: State
    since: Timestamp
    incident_id: str | None


class BegunOrNot(Begun):
    """`healing`: this request began it; else `reason` says why not."""

    healing: bool
    reason: str | None


class BegunList(BaseModel):
    items: list[BegunOrNot]
    next_cursor: None = None


class Healer(Protocol):
    """What begins treatments; all raise StoreUnavailable."""

    async def heal_now(self, agent_id: str, by: str) -> Life:
        """Raises IllegalMove."""

    async def heal_all(self, by: str) -> list[Life]:
        """The agents that are being healed from now on."""


def router(
    quarantine: Quarantine,
    incidents: Incidents,
    prescriptions: Prescriptions,
    counts: ImmuneCounts,
    agents: Agents,
    states: States,
    healer: Healer,
    *,
    order: Callable[[str, dict[str, Any]], None],
    notify: Callable[[str, dict[str, Any]], None],
) -> APIRouter:
    """Any worker answers for all.

    Args:
        order: asks something of whoever watches an agent, in memory.
        notify: tells whoever watches the events.
    """
    routes = APIRouter(tags=["healing"])
    _reads(routes, _Patients(quarantine, incidents, prescriptions), incidents, counts)
    _begins(routes, quarantine, agents, states, healer)
    _ends(routes, agents, prescriptions, order, notify)
    return routes


def _reads(routes: APIRouter, patients: "_Patients", incidents: Incidents, counts: ImmuneCounts) -> None:
    @routes.get("/healing", response_model=Healing, dependencies=[needs("viewer")])
    async def get_healing(
        limit: Annotated[int, Query(ge=1, le=1000, description="incidents whose treatments are shown")] = 100,
        cursor: Annotated[str, Query(max_length=200)] = "",
    ) -> dict[str, Any]:
        """Who is treated or waits for it, and what was tried: incident by incident, the newest first."""
        try:
            found, following = await incidents.page(limit=limit, cursor=cursor)
        except ValueError:
            raise invalid("query.cursor", "no such cursor") from None
        return {"agents": await patients.shown(), "items": _treatments(found), "next_cursor": following}

    @routes.get("/healing/patterns", response_model=PatternList, dependencies=[needs("viewer")])
    async def get_patterns() -> dict[str, Any]:
        """What remedies did, those tried most at the top."""
        return {"items": [_pattern(one) for one in patterns(await counts.read())]}


def _begins(routes: APIRouter, quarantine: Quarantine, agents: Agents, states: States, healer: Healer) -> None:
    @routes.post(
        "/agents/{agent_id}/heal",
        response_model=Begun,
        dependencies=[needs("operator")],
        responses={404: {}, 409: {}},
    )
    async def heal_agent(agent_id: AgentId, request: Request) -> dict[str, Any]:
        """Treat an agent that is in quarantine or out of remedies now, whoever put it there and whatever its approval
        says. It stays blocked until a remedy is in force."""
        try:
            if quarantine.of(agent_id) is None:  # it was never blocked
                await known(agents, agent_id)
                raise IllegalMove((await states.of([agent_id]))[agent_id].state, "HEALING")
            return _begun(await healer.heal_now(agent_id, principal(request).key_id))
        except IllegalMove as error:
            raise Problem(409, f"{error} Only one that is QUARANTINED or EXHAUSTED can.") from None

    @routes.post("/heal-all", response_model=BegunList, dependencies=[needs("operator")])
    async def heal_all(request: Request) -> dict[str, Any]:
        """Treat all agents that are in quarantine or out of remedies, but for those that somebody holds there."""
        before = sorted(quarantine.blocked.values(), key=lambda life: life.since, reverse=True)
        begun = {life.agent_id: life for life in await healer.heal_all(principal(request).key_id)}
        rest = [life for life in before if life.agent_id not in begun]
        items = [{**_begun(life), "healing": True, "reason": None} for life in begun.values()]
        items += [
            {**_begun(quarantine.of(life.agent_id) or life), "healing": False, "reason": _why(life)} for life in rest
        ]
        return {"items": items}


def _ends(
    routes: APIRouter,
    agents: Agents,
    prescriptions: Prescriptions,
    order: Callable[[str, dict[str, Any]], None],
    notify: Callable[[str, dict[str, Any]], None],
) -> None:
    @routes.delete("/healing/{agent_id}", status_code=204, dependencies=[needs("operator")], responses={404: {}})
    async def end_remedies(agent_id: AgentId, request: Request) -> None:
        """Take away every remedy that is in force for an agent, a throttle too; what is found anew may bring it back.
        It does not end a quarantine."""
        if prescriptions.case(agent_id) is None:
            await known(agents, agent_id)
            return
        remedies = list(prescriptions.of(agent_id).remedies)
        await prescriptions.clear(agent_id)
        order(agent_id, {"do": "unthrottle"})
        data = {"agent_id": agent_id, "outcome": "ended", "remedies": remedies, "by": principal(request).key_id}
        notify("healing", data)


class _Patients:
    """Agents that are treated, or wait for it."""

    def __init__(self, quarantine: Quarantine, incidents: Incidents, prescriptions: Prescriptions) -> None:
        self._quarantine = quarantine
        self._incidents = incidents
        self._prescriptions = prescriptions

    async def shown(self) -> list[dict[str, Any]]:
        """Raises StoreUnavailable."""
        found = [life for life in self._quarantine.lives() if self._is_one(life)]
        latest = sorted(found, key=lambda life: life.since, reverse=True)[:_AGENTS]
        ids = list(dict.fromkeys(life.incident_id for life in latest if life.incident_id is not None))
        cases = dict(zip(ids, await asyncio.gather(*map(self._incidents.get, ids)), strict=True))
        return [self._shown(life, cases.get(life.incident_id or "")) for life in latest]

    def _is_one(self, life: Life) -> bool:
        if life.state == "PROBATION":  # after a treatment, not after a release
            return self._prescribed(life.agent_id).remedy is not None
        return life.state in _PATIENTS

    def _prescribed(self, agent_id: str) -> Case:
        return self._prescriptions.case(agent_id) or Case()

    def _shown(self, life: Life, incident: Incident | None) -> dict[str, Any]:
        first = incident.diagnoses[0] if incident is not None and incident.diagnoses else None
        waits = incident is not None and incident.said("heal") == "pending"
        return {
            **_begun(life),
            "reason": life.reason,
            "held": life.held,
            "cause": first.cause if first is not None else None,
            "confidence": first.confidence if first is not None else None,
            "deviation": _furthest(incident),
            "approval": incident.said("heal") if incident is not None else None,
            "approval_id": incident.asked["heal"].approval_id if incident is not None and waits else None,
            "trigger": incident.trigger if incident is not None else None,
            "remedies": list(self._prescriptions.of(life.agent_id).remedies),
        }


def _furthest(incident: Incident | None) -> float | None:
    scored = [one.deviation for one in incident.findings if one.deviation is not None] if incident is not None else []
    furthest = max(scored, key=abs, default=None)
    return None if furthest is None else round(furthest, 2)


def _treatments(incidents: Iterable[Incident]) -> list[dict[str, Any]]:
    found = [
        (one.at, {"agent_id": incident.agent_id, "incident_id": incident.incident_id}, one)
        for incident in incidents
        for one in incident.actions
        if one.action in _NAMES
    ]
    found.sort(key=lambda row: row[0], reverse=True)
    return [{**of, "at": rfc3339(at), "action": one.action, "outcome": one.outcome} for at, of, one in found]


def _pattern(pattern: Pattern) -> dict[str, Any]:
    tried = pattern.healed + pattern.failed
    return {
        "cause": pattern.cause,
        "remedy": pattern.remedy,
        "healed": pattern.healed,
        "failed": pattern.failed,
        "success_rate": round(pattern.healed / tried, 3) if tried else 0.0,
    }


def _why(life: Life) -> str:
    if life.held:
        return "an operator holds it: heal it by its id"
    return _WAITS.get(life.state, "a person has rejected its healing: heal it by its id")


def _begun(life: Life) -> dict[str, Any]:
    return {
        "agent_id": life.agent_id,
        "state": life.state,
        "since": rfc3339(life.since),
        "incident_id": life.incident_id,
    }
