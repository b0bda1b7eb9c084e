"""One question of an agent held to the intent that it presents, and the step that is used when it may go on."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.intents.claims import IntentClaims, TokenProblem
from gateway.model.agent import Agent
from gateway.phases.bound import Bound
from gateway.phases.presenting import Presenting
from gateway.phases.releasing import NO_FORM, CallNames, Uses, used_of
from gateway.policy.engine import Rules
from gateway.policy.intending import RULE
from gateway.policy.question import Question
from gateway.policy.verdict import Count, Verdict
from gateway.store.intent_uses import Use


@dataclass(frozen=True, slots=True)
class Held:
    """What an intent says of one question.

    Attributes:
        counted: what its steps have counted. `is_planned`: nothing under it is executed.
    """

    claims: IntentClaims
    intent: Bound
    counted: tuple[Count, ...]
    names: CallNames
    uses: Uses
    claim: str

    @property
    def is_planned(self) -> bool:
        return self.claims.execution == "plan_only"

    async def use(self, verdict: Verdict) -> Verdict:
        """The verdict once the step was used that allows it. Raises StoreUnavailable."""
        if not verdict.allowed or verdict.step is None:
            return verdict
        if not self.names.hash:
            return replace(verdict, allowed=False, rule=RULE, reason=NO_FORM)
        try:
            await self.uses.join(self.claims, Use(verdict.step, self.claim, self.claim, self.names.digests))
        except TokenProblem as problem:
            return replace(verdict, allowed=False, rule=RULE, reason=str(problem))
        return verdict


class Holding:
    """Holds questions to intents. A call that was let through in a model's answer has used its step already.

    Args:
        new_id: names one question.
    """

    def __init__(self, presenting: Presenting, uses: Uses, *, new_id: Callable[[], str]) -> None:
        self._presenting = presenting
        self._uses = uses
        self._new_id = new_id

    async def of(self, agent: Agent, rules: Rules, question: Question, token: str) -> Held | None:
        """None for a token that is let pass in shadow. Raises IntentRefused, Refusal, StoreUnavailable."""
        claims = self._presenting.read(token.encode("utf-8", "surrogatepass"), agent)
        if claims is None:
            return None
        names = CallNames(rules, question)
        used = await used_of(self._uses, claims, names.digests)
        counted, _ = rules.demanded(claims.root, [(step.id, step.constraints or {}) for step in claims.steps])
        return Held(claims, Bound(claims, used, executing=True), counted, names, self._uses, self._new_id())
