"""A question held to an intent; with Redis and a gateway in `tests/phases/test_releasing.py`."""

import asyncio
from collections.abc import Sequence

from gateway.intents.claims import IntentClaims, Step, TokenProblem
from gateway.model.agent import Agent
from gateway.phases.holding import Held, Holding
from gateway.policy.engine import Engine
from gateway.policy.question import Question
from gateway.policy.verdict import Verdict
from gateway.store.intent_uses import Use, Used

CLAIMS = IntentClaims("int_1", "agt_1", None, (Step("s1", "add"),), 0.0, 60.0, 0.0, execution="plan_only")
RULES = Engine().of(Agent("agt_1", True))


class Presented:
    def __init__(self, claims: IntentClaims | None = CLAIMS) -> None:
        self._claims = claims

    def read(self, token: bytes, agent: Agent | None) -> IntentClaims | None:
        return self._claims


class OneUse:
    """A step that can be joined once."""

    def __init__(self) -> None:
        self.joined: list[Use] = []

    async def used(self, claims: IntentClaims, digests: Sequence[str] = ()) -> Used:
        return Used({"s1": len(self.joined)}, {})

    async def use(self, claims: IntentClaims, uses: Sequence[Use]) -> None:
        raise NotImplementedError

    async def join(self, claims: IntentClaims, use: Use) -> bool:
        if self.joined:
            raise TokenProblem("uses_exhausted", "step s1: no more")
        self.joined.append(use)
        return False


def held(question: Question, uses: OneUse) -> Held:
    holding = Holding(Presented(), uses, new_id=lambda: "q1")  # type: ignore[arg-type]
    found = asyncio.run(holding.of(Agent("agt_1", True), RULES, question, "token"))
    assert found is not None
    return found


def test_a_step_is_used_when_the_answer_is_yes() -> None:
    uses = OneUse()
    found = held(Question("add", {"a": 1}), uses)
    assert found.is_planned
    assert asyncio.run(found.use(Verdict(True, "", step="s1"))).allowed
    second = asyncio.run(found.use(Verdict(True, "", step="s1")))
    assert (second.allowed, second.rule, second.reason[:14]) == (False, "intent", "uses_exhausted")
    assert len(uses.joined) == 1


def test_nothing_is_used_for_what_is_refused_or_not_bound() -> None:
    uses = OneUse()
    found = held(Question("add", {}), uses)
    for verdict in (Verdict(False, "x", step="s1"), Verdict(True, "x")):
        assert asyncio.run(found.use(verdict)) is verdict
    assert uses.joined == []


def test_arguments_without_an_exact_form_use_no_step() -> None:
    uses = OneUse()
    found = asyncio.run(held(Question("add", {"a": 2**60}), uses).use(Verdict(True, "", step="s1")))
    assert (found.allowed, uses.joined) == (False, [])


def test_a_token_that_shadow_lets_pass_holds_nothing() -> None:
    holding = Holding(Presented(None), OneUse(), new_id=lambda: "q1")  # type: ignore[arg-type]
    assert asyncio.run(holding.of(Agent("agt_1", True), RULES, Question("add", {}), "token")) is None
