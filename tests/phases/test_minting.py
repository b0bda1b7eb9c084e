"""Intent tokens, minted and narrowed."""

from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.intents.canonical import thumb
from gateway.intents.claims import IntentClaims, Step, TokenProblem
from gateway.intents.keyring import KeyRing, key_of
from gateway.intents.narrowing import NotNarrower
from gateway.intents.tokens import Verifier
from gateway.model.agent import Agent
from gateway.model.errors import Refusal
from gateway.phases.declaring import Declared, Plan, StepDecision
from gateway.phases.minting import Denied, Minted, Minting, NeedsApproval
from gateway.store.errors import StoreUnavailable
from gateway.store.intents import Intent

NOW = 1_800_000_000.7
AGENT, OTHER = Agent("agt_1", True, credential_id="crd_1"), Agent("agt_2", True)
RING = KeyRing([key_of(Ed25519PrivateKey.generate()), key_of(Ed25519PrivateKey.generate(), "next")])
READ = Step("s1", "read_file", constraints={"path": {"enum": ["/a", "/b"]}}, max_uses=3)


class Desk:
    """Judges as a test says."""

    def __init__(self, declared: Declared | None = None) -> None:
        self.declared = declared or Declared(
            True, (StepDecision("s1", "t", True, "r", "why", "dec_1"),), "p1", "NORMAL"
        )
        self.asked: list[tuple[str, Plan, str]] = []

    async def judge(self, agent: Agent, plan: Plan, intent_id: str) -> Declared:
        self.asked.append((agent.agent_id, plan, intent_id))
        return self.declared


class Kept:
    def __init__(self, before: Mapping[str, float] | None = None, problem: Exception | None = None) -> None:
        self.saved: list[Intent] = []
        self._before, self._problem = before or {}, problem

    async def save(self, intent: Intent) -> None:
        if self._problem is not None:
            raise self._problem
        self.saved.append(intent)

    def before(self, agent_id: str) -> float:
        return self._before.get(agent_id, 0.0)


def minting(desk: Desk | None = None, kept: Kept | None = None, blocked: str = "") -> Minting:
    async def lifecycle(agent: Agent) -> None:
        if agent.agent_id == blocked:
            raise Refusal("agent_quarantined", "It is in quarantine.")

    numbers = iter(range(1, 100))
    return Minting(
        desk or Desk(),  # type: ignore[arg-type]
        kept or Kept(),
        lambda: RING,
        issuer="leuko",
        lifecycle=lifecycle,
        new_id=lambda: f"int_{next(numbers)}",
        clock=lambda: NOW,
    )


def plan(*steps: Step, **more: Any) -> Plan:
    return Plan("tidy up", steps or (READ,), more.pop("seconds", 900), **more)


def read(made: Any, now: float = NOW) -> IntentClaims:
    assert isinstance(made, Minted)
    return Verifier(lambda: RING, "leuko", "leuko").intent(made.token, now)


async def test_the_token_says_what_was_judged_and_lives_as_long_as_asked() -> None:
    kept = Kept()
    made = await minting(kept=kept).plan(AGENT, plan(principal="kim", execution="plan_only"))
    claims = read(made)
    assert isinstance(made, Minted) and claims == made.claims
    assert (claims.jti, claims.agent_id, claims.principal, claims.execution) == ("int_1", "agt_1", "kim", "plan_only")
    assert (claims.issued, claims.not_before, claims.expires) == (1_800_000_000, 1_800_000_000, 1_800_000_900)
    assert (claims.policy, claims.mode, claims.steps) == ("p1", "NORMAL", (READ,))
    assert claims.key_thumbprint == thumb(b"crd_1") and "crd_1" not in made.token
    assert kept.saved == [Intent(claims, "tidy up", "agt_1")]


async def test_a_person_who_asks_is_whom_it_is_for_unless_another_is_named() -> None:
    assert read(await minting().plan(AGENT, plan(person="adk_1"))).principal == "adk_1"
    assert read(await minting().plan(AGENT, plan(person="adk_1", principal="kim"))).principal == "kim"
    assert read(await minting().plan(OTHER, plan())).key_thumbprint is None


@pytest.mark.parametrize(
    ("declared", "kind"),
    [(Declared(False, ()), Denied), (Declared(False, (), approval_id="apr_1"), NeedsApproval)],
)
async def test_what_is_not_allowed_is_not_minted(declared: Declared, kind: type) -> None:
    kept = Kept()
    made = await minting(Desk(declared), kept).plan(AGENT, plan())
    assert isinstance(made, kind) and kept.saved == []


async def test_a_token_is_never_older_than_what_was_revoked() -> None:
    kept = Kept({"agt_1": NOW - 0.2})
    assert read(await minting(kept=kept).plan(AGENT, plan())).issued == 1_800_000_001 > NOW - 0.2


async def test_what_cannot_be_kept_is_given_to_nobody() -> None:
    with pytest.raises(StoreUnavailable):
        await minting(kept=Kept(problem=StoreUnavailable("timeout"))).plan(AGENT, plan())


async def test_a_blocked_agent_gets_none_and_none_is_handed_to_one() -> None:
    with pytest.raises(Refusal):
        await minting(blocked="agt_1").plan(AGENT, plan())
    parent = await made_intent()
    for blocked in ("agt_1", "agt_2"):
        with pytest.raises(Refusal):
            await minting(blocked=blocked).delegate(AGENT, parent, OTHER, plan())


async def test_what_no_token_can_carry_is_asked_of_nobody() -> None:
    desk = Desk()
    with pytest.raises(ValueError, match="bytes"):
        await minting(desk).plan(AGENT, plan(Step("s1", "write", arguments={"text": "x" * 9000})))
    assert desk.asked == []


async def made_intent(*steps: Step, seconds: float = 900) -> Intent:
    kept = Kept()
    await minting(kept=kept).plan(AGENT, plan(*steps, seconds=seconds, principal="kim"))
    return kept.saved[0]


async def test_a_part_is_judged_for_the_agent_that_gets_it_and_ends_with_its_parent() -> None:
    desk, kept, parent = Desk(), Kept(), await made_intent(READ, Step("s2", "list_files"))
    wanted = (Step("", "list_files"), Step("s1", "read_file", arguments={"path": "/a"}))
    made = await minting(desk, kept).delegate(AGENT, parent, OTHER, plan(*wanted, seconds=86_400))
    claims = read(made)
    assert (claims.agent_id, claims.act, claims.parents) == ("agt_2", ("agt_1",), (parent.intent_id,))
    assert [step.id for step in claims.steps] == ["s1", "s2"] and claims.expires == parent.claims.expires
    assert (claims.principal, claims.key_thumbprint, claims.execution) == ("kim", None, "execute_safe")
    assert desk.asked[0][0] == "agt_2" and desk.asked[0][1].steps == claims.steps
    assert kept.saved[0].made_by == "agt_1" and desk.asked[0][1].principal == "kim"


async def test_what_is_no_part_is_not_minted() -> None:
    parent = await made_intent()
    for wanted in (Step("s1", "write_file"), Step("s1", "read_file", max_uses=4), Step("s1", "read_file")):
        with pytest.raises(NotNarrower):
            await minting().delegate(AGENT, parent, OTHER, plan(wanted))


async def test_nothing_is_narrowed_from_what_is_over_or_not_known() -> None:
    parent = await made_intent(seconds=1)
    with pytest.raises(ValueError, match="less than a second"):
        await minting(kept=Kept({"agt_2": NOW + 5})).delegate(AGENT, parent, OTHER, plan())
    lost = Kept(problem=TokenProblem("revoked", "its uses are not known any more"))
    with pytest.raises(TokenProblem):
        await minting(kept=lost).delegate(AGENT, await made_intent(), OTHER, plan())


async def test_an_intent_is_handed_on_four_times_at_most() -> None:
    intent = await made_intent()
    for _ in range(4):
        kept = Kept()
        await minting(kept=kept).delegate(AGENT, intent, AGENT, plan())
        intent = kept.saved[0]
    with pytest.raises(NotNarrower, match="at most 4"):
        await minting().delegate(AGENT, intent, AGENT, plan())


async def test_a_part_may_wait_for_a_step_that_stays_with_the_parent() -> None:
    parent = await made_intent(READ, Step("s2", "list_files", after=("s1",)))
    claims = read(await minting().delegate(AGENT, parent, OTHER, plan(Step("s2", "list_files", after=("s1",)))))
    assert [(step.id, step.after) for step in claims.steps] == [("s2", ("s1",))]
    with pytest.raises(NotNarrower, match="does not wait for s1"):
        await minting().delegate(AGENT, parent, OTHER, plan(Step("s2", "list_files")))
