"""Intent tokens: minted once the policies have judged each step, and narrowed for others to go on with."""

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.intents.canonical import thumb
from gateway.intents.claims import IntentClaims, Step
from gateway.intents.keyring import KeyRing
from gateway.intents.narrowing import delegate, narrow
from gateway.intents.tokens import mint_intent
from gateway.model.agent import Agent
from gateway.phases.declaring import Declared, Declaring, Plan, StepDecision
from gateway.policy.constraints.tighter import tighter
from gateway.store.intents import Intent


class Kept(Protocol):
    """Where intents are kept (`store.intents`)."""

    async def save(self, intent: Intent) -> None:
        """Raises TooManyIntents, TokenProblem, StoreUnavailable."""
        ...

    def before(self, agent_id: str) -> float: ...


@dataclass(frozen=True, slots=True)
class Minted:
    """A new intent and its token."""

    claims: IntentClaims
    token: str
    decisions: tuple[StepDecision, ...]


@dataclass(frozen=True, slots=True)
class Denied:
    """At least one step may not be declared."""

    decisions: tuple[StepDecision, ...]


@dataclass(frozen=True, slots=True)
class NeedsApproval:
    """Asked for again once a person has approved it, the same plan is minted."""

    approval_id: str
    decisions: tuple[StepDecision, ...]


class Minting:
    """Mints.

    Args:
        ring: the keys in force; raises StoreUnavailable.
        issuer: whom tokens are of, and which gateway they are for.
        lifecycle: raises Refusal 403 for an agent that may do nothing now, another where that cannot be said.
        new_id: of an intent.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        declaring: Declaring,
        kept: Kept,
        ring: Callable[[], KeyRing],
        *,
        issuer: str,
        lifecycle: Callable[[Agent], Awaitable[None]],
        new_id: Callable[[], str],
        clock: Callable[[], float],
    ) -> None:
        self._declaring = declaring
        self._kept = kept
        self._ring = ring
        self._issuer = issuer
        self._lifecycle = lifecycle
        self._new_id = new_id
        self._clock = clock

    async def plan(self, agent: Agent, plan: Plan) -> Minted | Denied | NeedsApproval:
        """An intent of an agent's own.

        Raises Refusal, StoreUnavailable, TooManyIntents; ValueError for steps that no token can carry.
        """
        await self._lifecycle(agent)
        jti, issued = self._new_id(), self._issued(agent)
        claims = IntentClaims(
            jti,
            agent.agent_id,
            plan.principal or plan.person,
            plan.steps,
            issued,
            issued + math.floor(plan.seconds),
            issued,
            execution=plan.execution,
            policy="-",
            key_thumbprint=thumb(agent.credential_id.encode()) if agent.credential_id else None,
        )
        return await self._mint(agent, agent, claims, plan)

    async def delegate(self, agent: Agent, parent: Intent, to: Agent, plan: Plan) -> Minted | Denied | NeedsApproval:
        """A part of an intent, for the agent `to`, whose policies judge it.

        Raises as `plan`; NotNarrower, a ValueError, for what is not certainly a part; TokenProblem `revoked`.
        """
        await self._lifecycle(agent)
        if to.agent_id != agent.agent_id:
            await self._lifecycle(to)
        steps = _in_order(narrow(parent.claims, plan.steps, tighter), parent.claims.steps)
        issued = max(self._issued(agent), self._issued(to))
        claims = delegate(
            parent.claims,
            steps,
            jti=self._new_id(),
            agent_id=to.agent_id,
            issued=issued,
            expires=issued + math.floor(plan.seconds),
            execution=plan.execution,
        )
        if claims.expires <= issued:
            raise ValueError("the parent is over in less than a second")
        narrowed = replace(plan, steps=steps, execution=claims.execution, principal=claims.principal, is_part=True)
        return await self._mint(agent, to, claims, narrowed)

    async def _mint(
        self, maker: Agent, agent: Agent, claims: IntentClaims, plan: Plan
    ) -> Minted | Denied | NeedsApproval:
        ring = self._ring()
        mint_intent(claims, ring.current, self._issuer, self._issuer)  # before anybody is asked about it
        declared = await self._declaring.judge(agent, plan, claims.jti)
        if declared.approval_id is not None:
            return NeedsApproval(declared.approval_id, declared.decisions)
        if not declared.allowed:
            return Denied(declared.decisions)
        claims = _judged(claims, declared)
        token = mint_intent(claims, ring.current, self._issuer, self._issuer)
        await self._kept.save(Intent(claims, plan.goal, maker.agent_id))
        return Minted(claims, token, declared.decisions)

    def _issued(self, agent: Agent) -> int:
        """Whole seconds, as tokens have them, and after all that was revoked."""
        return max(math.floor(self._clock()), math.floor(self._kept.before(agent.agent_id)) + 1)


def _in_order(steps: Sequence[Step], parents: Sequence[Step]) -> tuple[Step, ...]:
    order = [step.id for step in parents]
    return tuple(sorted(steps, key=lambda step: order.index(step.id)))


def _judged(claims: IntentClaims, declared: Declared) -> IntentClaims:
    return replace(claims, policy=declared.policy, mode=declared.mode)
