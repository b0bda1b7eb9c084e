"""`/intents/introspect`: whether a token is good now, and what it says, as of RFC 7662."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from gateway.edge.admin.problems import Problem, invalid
from gateway.edge.agents_api.access import Own
from gateway.intents.claims import IntentClaims, TokenProblem
from gateway.intents.payload import of_call, of_intent
from gateway.intents.tokens import CALL, INTENT, Verifier, stated_audience
from gateway.model.agent import Agent
from gateway.model.errors import UnreadableRequest
from gateway.store.intents import Intents
from gateway.wire import strict_json

_LONGEST = 16 * 1024
_FORM = "application/x-www-form-urlencoded"
_BODY = {"type": "object", "properties": {"token": {"type": "string"}}, "required": ["token"]}
_DOCUMENTED = {
    "requestBody": {"required": True, "content": {kind: {"schema": _BODY} for kind in ("application/json", _FORM)}}
}


class Introspection:
    """Looks at tokens of either kind.

    Args:
        issuer: whom tokens are of, and which gateway intents are for.
        clock: seconds since the epoch.
    """

    def __init__(self, verifier: Verifier, intents: Intents, *, issuer: str, clock: Callable[[], float]) -> None:
        self._verifier = verifier
        self._intents = intents
        self._issuer = issuer
        self._clock = clock

    async def of(self, token: str) -> dict[str, Any]:
        """`{"active": false}` for anything that is not good now (RFC 7662 section 2.2). Raises StoreUnavailable."""
        now = self._clock()
        try:
            if (audience := stated_audience(token)) != self._issuer:
                call = self._verifier.call(token, now, audience)
                return {"active": True, "token_type": CALL, **of_call(call, self._issuer)}
            claims = self._verifier.intent(token, now)
            if self._intents.is_revoked(claims):
                return {"active": False}
            return await self._intent(claims)
        except TokenProblem:
            return {"active": False}

    async def _intent(self, claims: IntentClaims) -> dict[str, Any]:
        used = await self._intents.used(claims)
        if all(used.counts[step.id] >= step.max_uses for step in claims.steps):
            return {"active": False}
        said = of_intent(claims, self._issuer, self._issuer)
        return {"active": True, "token_type": INTENT, **said, "uses": dict(used.counts)}


def router(introspection: Introspection, own: Own, pace: Callable[[Agent], Awaitable[None]]) -> APIRouter:
    """For whoever is shown a token: any agent that proves who it is."""
    routes = APIRouter(tags=["intents"])

    @routes.post(
        "/intents/introspect",
        response_model=dict[str, Any],
        openapi_extra=_DOCUMENTED,
        responses={400: {}, 403: {}, 422: {}, 429: {}, 503: {}},
    )
    async def introspect_token(request: Request) -> JSONResponse:
        """What a token says if it is good now, as a JSON object or as a form; else `active` is false and no more."""
        agent = own(request)
        await pace(agent)
        return JSONResponse(await introspection.of(await _token(request)), headers={"cache-control": "no-store"})

    return routes


async def _token(request: Request) -> str:
    """Raises Problem 400 or 422."""
    body = await request.body()
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM:
        tokens = parse_qs(body.decode("latin-1"), max_num_fields=20).get("token", [])
        if len(tokens) != 1:
            raise invalid("body.token", "is needed, once")
        token: Any = tokens[0]
    else:
        try:
            document = strict_json.loads(body)
        except UnreadableRequest as error:
            raise Problem(400, str(error)) from None
        token = document.get("token") if isinstance(document, dict) else None
    if not isinstance(token, str) or not 0 < len(token) <= _LONGEST:
        raise invalid("body.token", f"is no text of up to {_LONGEST} characters")
    return token
