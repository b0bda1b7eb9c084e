"""`/enforce`: an agent, or the tool server it calls, asks whether something may be done now."""

import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, StringConstraints

from gateway.edge.admin.problems import Problem
from gateway.edge.admin.shapes import Body, Text
from gateway.edge.agents_api.access import Own
from gateway.edge.agents_api.reported import Members, Resource, redacted
from gateway.model.agent import Agent
from gateway.model.errors import Refusal, UnreadableRequest
from gateway.phases.enforcing import Answer, Enforcing
from gateway.phases.judging_requests import EXECUTION, wants_plan
from gateway.policy.question import Question
from gateway.wire import strict_json

_MOST_CONTEXT = 4096
_SESSION = "x-agent-session"


class Asked(Body):
    """`arguments`: of the tool, as an object; of a tool that takes free text, the text."""

    action: Text
    resource: Resource = ""
    context: Members
    tool: Text | None = None
    arguments: dict[str, Any] | str | None = None
    intent_token: Annotated[str, StringConstraints(max_length=16_384)] | None = None


class Said(BaseModel):
    """`rule`: the clause that decided; `lifecycle` for a blocked agent, `approval` where a person has to say,
    `execution` where nothing is executed, `none` where no policy has a say. `decision_id`, `dec_<chain>_<seq>`: entry
    `<chain>/<seq>` of the record, which operators find as `GET /audit?decision_id=`."""

    allowed: bool
    reason: str
    rule: str
    decision_id: str
    mode: str | None
    approval_id: str | None = Field(default=None)


def router(
    enforcing: Enforcing,
    own: Own,
    pace: Callable[[Agent], Awaitable[None]],
    *,
    redact: Callable[[str], str] = str,
) -> APIRouter:
    """Decisions. `own`: the agent that asks; raises Problem. `redact` takes secrets out of text."""
    routes = APIRouter(tags=["enforce"])

    @routes.post(
        "/enforce",
        response_model=Said,
        response_model_exclude_none=False,
        responses={400: {}, 403: {}, 413: {}, 429: {}, 503: {}},
    )
    async def enforce(request: Request, body: Asked) -> Answer:
        """Whether the agent may do this now: 200 for both, with the rule and the reason. Without an answer: no."""
        agent = own(request)
        context = _context(body, redact)
        question = _question(body, await request.body())
        await pace(agent)
        try:
            return await enforcing.decide(
                agent,
                question,
                conversation=redact(request.headers.get(_SESSION, ""))[:200],
                context=context,
                planned=wants_plan(dict(request.scope["headers"]).get(EXECUTION)),
                token=_token(body, request),
            )
        except Refusal as refusal:
            raise Problem(refusal.status, refusal.message, retry_after=refusal.retry_after) from None

    return routes


def _question(body: Asked, raw: bytes) -> Question:
    """Raises Problem 400 where two readers of the arguments might not read the same."""
    try:
        strict_json.loads(raw)
    except UnreadableRequest as error:
        raise Problem(400, str(error)) from None
    arguments = {} if body.arguments is None else body.arguments
    return Question.stated(body.tool or "", arguments, action=body.action, resource=body.resource)


def _token(body: Asked, request: Request) -> str | None:
    """The intent token. Raises Problem 400 for two that differ."""
    header = request.headers.get("x-intent-token")
    if None not in (header, body.intent_token) and header != body.intent_token:
        raise Problem(400, "Two different intent tokens; send one.")
    return body.intent_token or header


def _context(body: Asked, redact: Callable[[str], str]) -> dict[str, Any]:
    if len(json.dumps(body.context)) > _MOST_CONTEXT:
        raise Problem(413, f"The context is larger than {_MOST_CONTEXT} bytes.")
    found: dict[str, Any] = redacted(body.context, redact)
    return found
