"""`/intents`: an agent declares what it is about to do, and gets a token that it can prove it with."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel
from starlette.responses import JSONResponse

from gateway.edge.admin.problems import Problem, invalid
from gateway.edge.admin.shapes import Timestamp, rfc3339
from gateway.edge.agents_api.access import Own
from gateway.edge.agents_api.plans import AskedPart, AskedPlan, Split, parts_of, steps_of
from gateway.intents.claims import TokenProblem
from gateway.intents.narrowing import NotNarrower
from gateway.model.agent import Agent
from gateway.model.errors import Refusal, UnreadableRequest
from gateway.phases.declaring import Plan, StepDecision
from gateway.phases.minting import Denied, Minted, Minting, NeedsApproval
from gateway.store.intent_uses import TooManyIntents
from gateway.store.intents import Intent, Intents
from gateway.wire import strict_json

_SESSION = "x-agent-session"

IntentId = Annotated[str, Path(max_length=200)]
Pace = Callable[[Agent], Awaitable[None]]


class Known(Protocol):
    """Agents by their ids. Raises StoreUnavailable."""

    async def __call__(self, agent_id: str) -> Agent | None: ...


class DecidedStep(BaseModel):
    """What was decided about one step; `decision_id` names the entry in the record."""

    step: str
    tool: str
    allowed: bool
    rule: str
    reason: str
    decision_id: str


class MintedIntent(BaseModel):
    intent_id: str
    token: str
    expires_at: Timestamp
    decisions: list[DecidedStep]


class WaitingIntent(BaseModel):
    """Once a person has approved it, the same request is answered with the token."""

    approval_id: str
    decisions: list[DecidedStep]


class ShownStep(BaseModel):
    id: str
    tool: str
    server: str | None
    arguments: dict[str, Any] | None
    constraints: dict[str, dict[str, Any]] | None
    max_uses: int
    used: int
    after: list[str]


class ShownIntent(BaseModel):
    """`status`: active, exhausted, expired or revoked. `parents`: what it was narrowed from, the direct parent last."""

    intent_id: str
    agent_id: str
    status: str
    goal: str
    principal: str | None
    execution: str
    parents: list[str]
    delegated_by: list[str]
    mode: str | None
    issued_at: Timestamp
    expires_at: Timestamp
    steps: list[ShownStep]


class Pending(BaseModel):
    """Replicas that have not said that they refuse it."""

    pending: list[str]


def router(
    minting: Minting,
    intents: Intents,
    own: Own,
    known: Known,
    *,
    person: Callable[[Request], Awaitable[str | None]],
    split: Split,
    pace: Pace,
) -> APIRouter:
    """Intents of agents.

    Args:
        own: the agent that asks; raises Problem. known: others.
        person: the key id of an operator whose key came along; raises Problem for a wrong one.
    """
    routes = APIRouter(tags=["intents"])
    desk = _Desk(minting, intents, own, known, person, split, pace)
    minted: dict[int | str, dict[str, Any]] = {202: {"model": WaitingIntent}, 400: {}, 403: {}, 429: {}, 503: {}}

    @routes.post("/intents", status_code=201, response_model=MintedIntent, responses=minted)
    async def plan_intent(request: Request, body: AskedPlan) -> Response:
        """Every step is judged by the policies now, and every call again when it is made. 403: some step is denied, and
        `decisions` says which. 202: a person has to approve it first."""
        return await desk.plan(request, body)

    @routes.get("/intents/{intent_id}", response_model=ShownIntent, responses={403: {}, 404: {}})
    async def show_intent(request: Request, intent_id: IntentId) -> dict[str, Any]:
        """An intent of the agent's own, or one that it handed on."""
        return await shown(intents, await desk.own_intent(request, intent_id))

    @routes.post(
        "/intents/{intent_id}/delegate",
        status_code=201,
        response_model=MintedIntent,
        responses={**minted, 404: {}},
    )
    async def delegate_intent(request: Request, intent_id: IntentId, body: AskedPart) -> Response:
        """A narrower intent, which shares the counters of this one and ends with it at the latest."""
        return await desk.delegate(request, intent_id, body)

    @routes.delete(
        "/intents/{intent_id}", status_code=204, response_model=None, responses={202: {"model": Pending}, 404: {}}
    )
    async def revoke_intent(request: Request, intent_id: IntentId) -> Response:
        """From now on no replica takes it, nor anything that was narrowed from it. 202: those in `pending` have not
        said so."""
        return revoked(await intents.revoke(await desk.own_intent(request, intent_id)))

    return routes


@dataclass(frozen=True, slots=True)
class _Desk:
    """Reads what is asked, and answers what became of it."""

    minting: Minting
    intents: Intents
    own: Own
    known: Known
    person: Callable[[Request], Awaitable[str | None]]
    split: Split
    pace: Pace

    async def plan(self, request: Request, body: AskedPlan) -> Response:
        agent = await self._begin(request)
        if agent.principal is not None and body.principal not in (None, agent.principal):
            raise invalid("body.principal", "is another than the agent's own token names")
        steps = steps_of(body.steps, self.split)
        plan = Plan(
            body.goal,
            steps,
            body.ttl_seconds,
            body.execution,
            agent.principal or body.principal,
            await self.person(request),
            _session(request),
        )
        return await self._answer(self.minting.plan(agent, plan))

    async def delegate(self, request: Request, intent_id: str, body: AskedPart) -> Response:
        agent = await self._begin(request)
        parent = await self.own_intent(request, intent_id)
        if parent.claims.agent_id != agent.agent_id:
            raise Problem(403, "wrong_agent: the intent was handed on to another agent.")
        status, _ = await self.intents.standing(parent)
        if status in ("expired", "revoked"):
            raise Problem(403, f"{status}: nothing can be narrowed from this intent any more.")
        to = agent if body.agent_id in (None, agent.agent_id) else await self.known(body.agent_id or "")
        if to is None or not to.verified:
            raise invalid("body.agent_id", "is no agent that has a key or a token of its own")
        steps = parts_of(body.steps, parent.claims.steps, self.split)
        person = await self.person(request)
        plan = Plan(body.goal or parent.goal, steps, body.ttl_seconds, body.execution, None, person, _session(request))
        return await self._answer(self.minting.delegate(agent, parent, to, plan))

    async def own_intent(self, request: Request, intent_id: str) -> Intent:
        """Raises Problem 404, also for other agents' intents."""
        agent = self.own(request)
        found = await self.intents.get(intent_id)
        if found is None or agent.agent_id not in (found.claims.agent_id, found.made_by, *found.claims.act):
            raise unknown_intent(intent_id)
        return found

    async def _begin(self, request: Request) -> Agent:
        agent = self.own(request)
        try:
            strict_json.loads(await request.body())
        except UnreadableRequest as error:
            raise Problem(400, str(error)) from None
        await self.pace(agent)
        return agent

    async def _answer(self, minting: Awaitable[Minted | Denied | NeedsApproval]) -> Response:
        try:
            made = await minting
        except Refusal as refusal:
            raise Problem(refusal.status, refusal.message, retry_after=refusal.retry_after) from None
        except TokenProblem as problem:
            raise Problem(403, f"{problem.word}: {problem.detail}.") from None
        except TooManyIntents as error:
            raise Problem(429, str(error), retry_after=60) from None
        except NotNarrower as error:
            where = "body.steps" if error.step is None else f"body.steps.{error.step}"
            raise invalid(where, str(error)) from None
        except ValueError as error:
            raise invalid("body.steps", str(error)) from None
        decisions = _decided(made.decisions)
        if isinstance(made, Denied):
            return _denied(decisions)
        if isinstance(made, NeedsApproval):
            return JSONResponse({"approval_id": made.approval_id, "decisions": decisions}, 202)
        answer = {"intent_id": made.claims.jti, "token": made.token, "expires_at": rfc3339(made.claims.expires)}
        return JSONResponse({**answer, "decisions": decisions}, 201, headers={"cache-control": "no-store"})


async def shown(intents: Intents, intent: Intent) -> dict[str, Any]:
    """An intent as the APIs show it. Raises StoreUnavailable."""
    status, used = await intents.standing(intent)
    claims = intent.claims
    return {
        "intent_id": claims.jti,
        "agent_id": claims.agent_id,
        "status": status,
        "goal": intent.goal,
        "principal": claims.principal,
        "execution": claims.execution,
        "parents": list(claims.parents),
        "delegated_by": list(claims.act),
        "mode": claims.mode,
        "issued_at": rfc3339(claims.issued),
        "expires_at": rfc3339(claims.expires),
        "steps": [
            {
                "id": step.id,
                "tool": step.tool,
                "server": step.server,
                "arguments": step.arguments,
                "constraints": step.constraints,
                "max_uses": step.max_uses,
                "used": used.get(step.id, 0),
                "after": list(step.after),
            }
            for step in claims.steps
        ],
    }


def revoked(pending: list[str]) -> Response:
    """The answer to a revocation."""
    return JSONResponse({"pending": pending}, 202) if pending else Response(status_code=204)


def unknown_intent(intent_id: str) -> Problem:
    return Problem(404, f"There is no intent {intent_id[:80]}, or it ended more than an hour ago.")


def _denied(decisions: list[dict[str, Any]]) -> Response:
    """A problem document (RFC 9457) with the decisions beside it."""
    first = next(one for one in decisions if not one["allowed"])
    detail = f"Step {first['step']} ({first['tool']}) was refused by rule {first['rule']}: {first['reason']}."
    problem = {"type": "about:blank", "title": "Forbidden", "status": 403, "detail": detail, "decisions": decisions}
    return JSONResponse(problem, 403, media_type="application/problem+json")


def _decided(decisions: Sequence[StepDecision]) -> list[dict[str, Any]]:
    return [
        {
            "step": one.step,
            "tool": one.tool,
            "allowed": one.allowed,
            "rule": one.rule,
            "reason": one.reason,
            "decision_id": one.decision_id,
        }
        for one in decisions
    ]


def _session(request: Request) -> str | None:
    return request.headers.get(_SESSION, "")[:200] or None
