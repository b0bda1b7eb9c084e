"""What is served about intents and call tokens, and about the keys that sign them."""

import secrets
import time
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request

from gateway.assembly.path import Path
from gateway.assembly.state import State
from gateway.edge.admin import intents as admin_intents
from gateway.edge.admin import signing_keys
from gateway.edge.admin.access import AdminAccess, principal
from gateway.edge.admin.agents import as_agent
from gateway.edge.admin.problems import Problem
from gateway.edge.agents_api import calls, intents, introspect
from gateway.edge.agents_api.access import own_agent
from gateway.edge.agents_api.pace import Pace
from gateway.edge.jwks import JWKS
from gateway.intents.claims import LONGEST_CALL, CallClaims, TokenProblem
from gateway.intents.tokens import Verifier
from gateway.model.agent import Agent
from gateway.model.errors import Refusal
from gateway.phases.declaring import Declaring
from gateway.phases.minting import Minting
from gateway.policy.actions import split_server
from gateway.settings import Settings
from gateway.store.call_tokens import ReleasedCall
from gateway.store.intent_uses import Use


class IntentOperations:
    """Routers, and the public keys.

    Args:
        access: knows operators' keys.
        lifecycle: raises Refusal for an agent that may do nothing now.
        pace: how often an agent may do what has this name, a minute.
    """

    def __init__(
        self,
        settings: Settings,
        state: State,
        path: Path,
        *,
        access: AdminAccess,
        lifecycle: Callable[[Agent], Awaitable[None]],
        pace: Callable[[str, int], Pace],
    ) -> None:
        self._state, self._path = state, path
        self._access = access
        self._lifecycle = lifecycle
        self._pace = pace
        self._issuer = settings.deployment
        self._clock = time.time  # noqa: TID251 - tokens expire at a date
        self._own = own_agent(state.identities.rules)
        self.jwks = JWKS(state.token_keys.ring)

    def of_agents(self) -> list[APIRouter]:
        """Below `/api/v1`."""
        state = self._state
        verifier = Verifier(state.token_keys.ring, self._issuer, self._issuer)
        looking = introspect.Introspection(verifier, state.intents, issuer=self._issuer, clock=self._clock)
        return [
            introspect.router(looking, self._own, self._pace("introspect", 6000)),
            intents.router(
                self._minting(),
                state.intents,
                self._own,
                self._agent,
                person=self._person,
                split=self._split,
                pace=self._pace("intents", 120),
            ),
            calls.router(
                state.call_tokens, state.token_keys.ring, self._own, self._may_call(), self._spend, issuer=self._issuer
            ),
        ]

    def of_operators(self) -> list[APIRouter]:
        """Below `/api/gateway`."""
        return [admin_intents.router(self._state.intents), signing_keys.router(self._state.token_keys)]

    def _may_call(self) -> Callable[[Agent], Awaitable[None]]:
        """Raises Problem for an agent that may make no calls."""
        pace = self._pace("calls", 6000)

        async def check(agent: Agent) -> None:
            await pace(agent)
            try:
                await self._lifecycle(agent)
            except Refusal as refusal:
                raise Problem(refusal.status, refusal.message, retry_after=refusal.retry_after) from None

        return check

    async def _spend(self, agent: Agent, claims: CallClaims, call: ReleasedCall) -> None:
        """Take the call's grants and its use of the intent, once for this token. Raises Problem, StoreUnavailable."""
        state = self._state
        intent = None if call.intent is None else await state.intents.get(call.intent)
        if call.intent is not None and (intent is None or state.intents.is_revoked(intent.claims)):
            raise Problem(403, "revoked: the intent of this call is not good any more.")
        taken = not call.grants or await state.grants.hand_over(
            agent.agent_id, call.grants, claims.jti, seconds=LONGEST_CALL
        )
        if not taken:
            raise Problem(403, "grant_required: this call was executed already, or may not be executed any more.")
        if intent is not None and call.step is not None:
            try:
                await state.intents.join(
                    intent.claims, Use(call.step, f"token/{claims.jti}", call.decision, (call.digest,))
                )
            except TokenProblem as problem:
                raise Problem(403, f"{problem}.") from None

    def _minting(self) -> Minting:
        state, path = self._state, self._path
        declaring = Declaring(
            lambda agent: path.policies.about(agent).engine,
            path.judging.decisions,
            modes=state.modes.of,
            readers=state.results_seen,
            memories=state.memory,
            people=state.approvals,
            clock=self._clock,
        )
        return Minting(
            declaring,
            state.intents,
            state.token_keys.ring,
            issuer=self._issuer,
            lifecycle=self._lifecycle,
            new_id=lambda: f"int_{secrets.token_hex(12)}",
            clock=self._clock,
        )

    def _split(self, tool: str) -> tuple[str | None, str]:
        return split_server(tool, self._path.policies.current.engine.servers)

    async def _agent(self, agent_id: str) -> Agent | None:
        record = await self._state.agents.get(agent_id)
        if record is None or self._state.identities.rules.stands_for(agent_id) != agent_id:
            return None
        return as_agent(record)

    async def _person(self, request: Request) -> str | None:
        """Whose key came with an agent's, if an operator's did."""
        if "x-admin-key" not in request.headers:
            return None
        await self._access(request)
        who = principal(request)
        if not who.may("operator"):
            raise Problem(403, f"Speaking for an agent takes the role operator; the key shown has {who.role}.")
        return who.key_id
