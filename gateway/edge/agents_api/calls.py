"""`/calls`: the token that proves to a tool server that exactly this call was allowed."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel

from gateway.edge.admin.problems import Problem
from gateway.edge.admin.shapes import Timestamp, rfc3339
from gateway.edge.agents_api.access import Own
from gateway.intents.claims import ANY_SERVER, CallClaims
from gateway.intents.keyring import KeyRing
from gateway.intents.tokens import mint_call
from gateway.model.agent import Agent
from gateway.store.call_tokens import CallTokens, ReleasedCall


class ShownCall(BaseModel):
    """`audience`: the MCP server the call is for, `tools` where none was named."""

    tool_call_id: str
    token: str
    tool: str
    audience: str
    intent_id: str | None
    decision_id: str
    expires_at: Timestamp


def router(
    calls: CallTokens,
    ring: Callable[[], KeyRing],
    own: Own,
    check: Callable[[Agent], Awaitable[None]],
    spend: Callable[[Agent, CallClaims, ReleasedCall], Awaitable[None]],
    *,
    issuer: str,
) -> APIRouter:
    """Call tokens.

    Args:
        ring: the keys in force; raises StoreUnavailable.
        own: the agent that asks; raises Problem.
        check: raises Problem for an agent that may make no calls now.
        spend: makes the token the one right to execute the call, however often it is asked for; raises Problem where
            there is none any more.
        issuer: whom tokens are of.
    """
    routes = APIRouter(tags=["calls"])

    @routes.get(
        "/calls/{tool_call_id:path}", response_model=ShownCall, responses={403: {}, 404: {}, 422: {}, 429: {}, 503: {}}
    )
    async def show_call_token(
        request: Request, response: Response, tool_call_id: Annotated[str, Path(max_length=512)]
    ) -> dict[str, Any]:
        """The call token of a call that the agent was given in the last minute, by the provider's id of the call. The
        same token each time: a tool server takes it once, and the call is not executed at `/mcp` then."""
        agent = own(request)
        await check(agent)
        kept = await calls.get(agent.agent_id, tool_call_id, audience=ANY_SERVER)
        if kept is None:
            raise Problem(404, f"No call token of the last minute belongs to {tool_call_id[:80]}.")
        found, call = kept
        await spend(agent, found, call)
        response.headers["cache-control"] = "no-store"
        return {
            "tool_call_id": found.call_id,
            "token": mint_call(found, ring().current, issuer),
            "tool": found.tool,
            "audience": found.audience,
            "intent_id": found.intent,
            "decision_id": found.decision,
            "expires_at": rfc3339(found.expires),
        }

    return routes
