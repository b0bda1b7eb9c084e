"""`/policies/validate`, `/explain`, `/replay`: what a document, a call, or a change of policy would come to.

They change nothing, so viewers may ask.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from gateway.edge.admin.access import needs
from gateway.edge.admin.mode import having, modes_of
from gateway.edge.admin.policies import Check
from gateway.edge.admin.policy_body import ANY_BODY, problem_of, read_body, refusing
from gateway.edge.admin.problems import invalid
from gateway.edge.admin.shapes import Body, Text, Time, Timestamp, rfc3339
from gateway.model.agent import Agent
from gateway.policy.document import Document
from gateway.policy.engine import Engine, Rules
from gateway.policy.errors import PolicyError
from gateway.policy.question import Facts, Memory, Question
from gateway.policy.recorded import Recorded, RecordedCall
from gateway.policy.replay import Difference, Outcome, Replay
from gateway.policy.verdict import Verdict

MOST_LISTED = 1_000
MOST_JUDGED = 10_000
_AT_ONCE = 20  # records judged while everybody else waits
_SLOTS = 2  # documents that viewers have a worker look at; others wait: agents have to be served meanwhile
NOBODY = Agent("agt_none")
"""An agent that only documents about everyone are about."""

AgentOf = Callable[[str], Awaitable[Agent]]
"""An agent by its id. Raises Problem 404, StoreUnavailable."""
ReadCalls = Callable[[float, int], Awaitable[list[Recorded]]]
Text1000 = Annotated[str, Field(min_length=1, max_length=1000)]


class Asked(Body):
    """A call of a tool, or an action. `mode`: as if every document that has it were in this mode."""

    agent_id: Text | None = None
    tool: Text1000 | None = None
    server: Text | None = None
    action: Text1000 | None = None
    resource: Annotated[str, Field(max_length=2000)] | None = None
    arguments: dict[str, Any] | str = {}
    mode: Text | None = None


class Candidate(Body):
    """`since` (RFC 3339): calls before it are left out. `limit`: so many of the newest records are judged."""

    document: dict[str, Any]
    since: Time | None = None
    limit: Annotated[int, Field(strict=True, ge=1, le=MOST_JUDGED)] = MOST_JUDGED


class ShownProblem(BaseModel):
    path: str
    message: str
    hint: str | None


class Validity(BaseModel):
    valid: bool
    problems: list[ShownProblem]


class ShownLook(BaseModel):
    """A rule that was looked at. `effect` is what it does where it matches."""

    rule: str
    effect: str
    matched: bool
    why: str


class ShownShadow(BaseModel):
    rule: str
    reason: str


class Explanation(BaseModel):
    allowed: bool
    approval: bool
    rule: str
    reason: str
    action: str
    resource: str
    mode: str | None
    policy: str | None
    on_deny: Literal["refuse", "error", "hold"]
    shadowed: list[ShownShadow]
    looked_at: list[ShownLook]


class ShownOutcome(BaseModel):
    said: Literal["allow", "deny", "approval"]
    rule: str
    reason: str
    policy: str | None
    mode: str | None
    strip: list[str]
    execution: str | None
    shadow: list[str]


class ShownDifference(BaseModel):
    """`undecided`: why nobody can know what the candidate would say. `covered`: secrets in `arguments` are."""

    kind: Literal["call", "request"]
    time: Timestamp
    request_id: str | None
    agent_id: str
    tool: str | None
    model: str | None
    arguments: Any
    covered: bool
    before: ShownOutcome
    after: ShownOutcome
    undecided: str | None


class Replayed(BaseModel):
    """`judged` records; of the `changed` and the `undecided` ones, the first thousand are listed."""

    since: Timestamp | None
    until: Timestamp | None
    judged: int
    changed: int
    undecided: int
    items: list[ShownDifference]


def router(
    in_force: Callable[[], Engine],
    check_document: Check,
    agent_of: AgentOf,
    *,
    about: Callable[[Agent], Engine],
    modes: Callable[[Agent], Mapping[str, str]],
    recall: Callable[[str, Rules], Awaitable[Memory]],
    calls: ReadCalls,
    replay: Callable[[Sequence[Document], Sequence[Document]], Replay],
    clock: Callable[[], float],
) -> APIRouter:
    """What the policies would say.

    Args:
        in_force: what holds for everyone; `about`: for one agent, whatever is prescribed for it included.
        recall: what an agent did lately, as far as its rules ask; raises StoreUnavailable.
        calls: recorded ones since a time, so many at most.
        replay: of what is in force, and of what would be.
        clock: seconds since the epoch.
    """
    routes = APIRouter(tags=["policies"], dependencies=[needs("viewer")])
    slots = asyncio.Semaphore(_SLOTS)
    _validates(routes, check_document, slots)
    _replays(routes, in_force, check_document, calls, replay, slots)

    @routes.post("/policies/explain", response_model=Explanation, responses={404: {}})
    async def explain(body: Asked) -> dict[str, Any]:
        """What would be decided about a call now, and every rule that was looked at. A conversation is not known here:
        what depends on one is judged as if there were none."""
        agent = NOBODY if body.agent_id is None else await agent_of(body.agent_id)
        engine = about(agent)
        rules = engine.of(agent)
        memory = await recall(agent.agent_id, rules) if rules.needs_memory else None
        facts = Facts(agent, clock(), _modes(engine, modes(agent), body.mode), memory=memory)
        verdict, looked = rules.explain(_question(body), facts)
        return {**_shown(verdict), "looked_at": [_look(one) for one in looked]}

    return routes


def _validates(routes: APIRouter, check_document: Check, slots: asyncio.Semaphore) -> None:
    @routes.post("/policies/validate", response_model=Validity, openapi_extra=ANY_BODY)
    async def validate(request: Request) -> dict[str, Any]:
        """Whether a document could be put in force, its cases included. The first thing that is wrong is said."""
        try:
            async with slots:
                await check_document((await read_body(request)).document)
        except PolicyError as error:
            return {"valid": False, "problems": [problem_of(error)]}
        return {"valid": True, "problems": []}


def _replays(
    routes: APIRouter,
    in_force: Callable[[], Engine],
    check_document: Check,
    calls: ReadCalls,
    replay: Callable[[Sequence[Document], Sequence[Document]], Replay],
    slots: asyncio.Semaphore,
) -> None:
    @routes.post("/policies/replay", response_model=Replayed)
    async def replay_calls(body: Candidate) -> dict[str, Any]:
        """What recorded requests and calls would have met if this document were in force, in the place of the one of
        its name if there is one, in contrast to what is in force now."""
        async with slots:
            return await replayed(body)

    async def replayed(body: Candidate) -> dict[str, Any]:
        with refusing("body.document"):
            candidate = await check_document(body.document)
        now = in_force().documents
        judge = replay(now, (*(one for one in now if one.name != candidate.name), candidate)).judge
        records = await calls(body.since.timestamp() if body.since is not None else 0.0, body.limit)
        found: list[Difference] = []
        for position, record in enumerate(records):
            if position % _AT_ONCE == 0:
                await asyncio.sleep(0)
            if (difference := judge(record)) is not None:
                found.append(difference)
        undecided = sum(one.undecided is not None for one in found)
        return {
            "since": rfc3339(records[0].time) if records else None,
            "until": rfc3339(records[-1].time) if records else None,
            "judged": len(records),
            "changed": len(found) - undecided,
            "undecided": undecided,
            "items": [_difference(one) for one in found[:MOST_LISTED]],
        }


def _question(body: Asked) -> Question:
    if body.tool is None and body.action is None:
        raise invalid("body.tool", "is missing, and so is `action`; one of them is needed")
    return Question.stated(
        body.tool or "", body.arguments, server=body.server, action=body.action, resource=body.resource
    )


def _modes(engine: Engine, set_now: Mapping[str, str], wanted: str | None) -> dict[str, str]:
    """The mode of each document, or the wanted one of those that have it. Raises Problem 422 if none has."""
    found = {one.name: mode for one in engine.documents if (mode := set_now.get(one.name)) is not None}
    if wanted is None:
        return found
    return {**found, **dict.fromkeys(having(wanted, modes_of(engine.documents)), wanted)}


def _shown(verdict: Verdict) -> dict[str, Any]:
    return {
        "allowed": verdict.allowed,
        "approval": verdict.approval,
        "rule": verdict.rule,
        "reason": verdict.reason,
        "action": verdict.action,
        "resource": verdict.resource,
        "mode": verdict.mode,
        "policy": verdict.policy,
        "on_deny": verdict.on_deny.kind,
        "shadowed": [{"rule": rule, "reason": reason} for rule, reason in verdict.shadowed],
    }


def _look(one: Any) -> dict[str, Any]:
    return {"rule": one.rule, "effect": one.effect, "matched": one.matched, "why": one.why}


def _difference(one: Difference) -> dict[str, Any]:
    record = one.record
    call = record if isinstance(record, RecordedCall) else None
    return {
        "kind": "request" if call is None else "call",
        "time": rfc3339(record.time),
        "request_id": record.request_id,
        "agent_id": record.agent.agent_id,
        "tool": None if call is None else call.question.tool,
        "model": None if isinstance(record, RecordedCall) else record.model,
        "arguments": None if call is None else call.question.arguments,
        "covered": call is not None and call.covered,
        "before": _outcome(one.before),
        "after": _outcome(one.after),
        "undecided": one.undecided,
    }


def _outcome(one: Outcome) -> dict[str, Any]:
    return {
        "said": one.said,
        "rule": one.rule,
        "reason": one.reason,
        "policy": one.policy,
        "mode": one.mode,
        "strip": list(one.strip),
        "execution": one.execution,
        "shadow": list(one.shadow),
    }
