"""From quarantine to health, one remedy after the other, with and without people."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.immune.ladder import LADDERS
from gateway.immune.prescription import NOTHING
from gateway.immune.settings import Immune
from gateway.model.lifecycle import IllegalMove
from gateway.store.errors import StoreError
from tests.background.healing import LOOP, SEVERE, Healer, Means, healer, reread, states
from tests.immune.made import finding
from tests.support.redis import RedisServer
from tests.support.waiting import until


@pytest.fixture
async def one(redis_url: str) -> AsyncIterator[Healer]:
    async with healer(redis_url) as made:
        yield made


async def test_a_mild_case_heals_by_itself(one: Healer) -> None:
    record = await one.ill(LOOP)
    assert (await one.look(record)).state == "HEALING"
    assert one.prescriptions.of("agt_1") == NOTHING  # the record is saved first
    life = await one.look(record)
    assert (life.state, states(life)[-2:]) == ("PROBATION", ["HEALING", "PROBATION"])
    assert one.prescriptions.of("agt_1").drop_history
    incident = await one.incident()
    assert (incident.trigger, incident.said("heal"), incident.state) == ("auto", None, "PROBATION")
    assert await one.actions() == [("reset_memory", "applied")]
    await one.heal.ended(record, "healed")
    assert one.prescriptions.case("agt_1") is None and await one.actions() == [("reset_memory", "healed")]
    assert dict(await one.counts.read()) == {"healed:infinite_loop:reset_memory": 1}
    assert record.memory.outcomes[-1].result == "healed"


async def test_what_is_done_is_told_to_everybody(one: Healer) -> None:
    record = await one.ill(LOOP)
    await one.look(record, 2)
    await one.heal.ended(record, "healed")
    assert one.told.treated_ == [("reset_memory", "applied"), ("reset_memory", "healed")] and len(one.told.healed) == 1
    assert one.told.moves == [("QUARANTINED", "HEALING"), ("HEALING", "PROBATION")]
    assert [kind for kind, _ in one.told.events] == ["lifecycle", "lifecycle", "healing", "healing"]
    assert one.told.events[2][1] == {
        "agent_id": "agt_1",
        "incident_id": "inc_agt_1",
        "remedy": "reset_memory",
        "cause": "infinite_loop",
        "outcome": "applied",
    }
    actions = ["move:HEALING", "move:PROBATION", "heal:reset_memory", "heal:reset_memory"]
    assert [entry.action for entry in one.told.audit] == actions
    assert {entry.resource for entry in one.told.audit} == {"inc_agt_1"}


async def test_a_severe_case_waits_for_a_person_who_sees_what_would_be_done(one: Healer) -> None:
    record = await one.ill(SEVERE)
    assert (await one.look(record, 3)).state == "QUARANTINED"
    (approval,) = await one.asked()  # once, however often one looks
    assert (approval.kind, approval.agent_id, approval.tool) == ("healing", "agt_1", "cap_output")
    assert (approval.status, approval.deviation, approval.rule) == ("pending", 9.5, "immune/output_token_spike")
    assert approval.arguments == {"remedies": ["cap_output"], "output_tokens": 1024}
    assert approval.reason.startswith("heal it of cost_overrun (") and approval.reason.endswith("usual for it")
    incident = await one.incident()
    assert (incident.said("heal"), incident.asked["heal"].approval_id) == ("pending", approval.approval_id)


async def test_what_is_approved_heals(one: Healer) -> None:
    record = await one.ill(SEVERE)
    await one.look(record)
    approval = await one.answered("approved")
    assert (await one.look(record, 2)).state == "PROBATION"
    incident = await one.incident()
    assert (incident.trigger, incident.said("heal")) == ("approval", "approved")
    assert record.life.history[-2].by == "adk_kim"
    actions = [("ask:heal", "pending"), ("approve", "by adk_kim"), ("cap_output", "applied")]
    assert await one.actions() == actions
    found = await one.approvals.get(approval.approval_id)
    assert found is not None and found.used_at is not None
    # Of what was approved once, the next remedy is tried without asking.
    await one.relapse(record)
    assert (await one.look(record, 2)).state == "PROBATION" and len(await one.asked()) == 1


async def test_what_is_rejected_stays_until_somebody_wants_it_healed_now(one: Healer) -> None:
    record = await one.ill(SEVERE)
    await one.look(record)
    await one.answered("rejected")
    assert (await one.look(record, 3)).state == "QUARANTINED"
    assert (await one.incident()).said("heal") == "rejected" and len(await one.asked()) == 1
    assert await one.heal.heal_all("adk_lee") == []
    assert (await one.heal.heal_now("agt_1", "adk_lee")).state == "HEALING"
    assert (await one.look(record, 2)).state == "PROBATION"
    assert (await one.incident()).trigger == "heal_now" and record.life.history[-2].by == "adk_lee"
    await one.relapse(record)
    assert (await one.look(record, 3)).state == "QUARANTINED"


async def test_a_question_that_nobody_answers_is_asked_again(one: Healer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.store.approvals.LIFE_SECONDS", 0.15)
    record = await one.ill(SEVERE)
    await one.look(record)
    (first,) = await one.asked()
    monkeypatch.setattr("gateway.store.approvals.LIFE_SECONDS", 60)
    deadline = time.monotonic() + 10
    while len(await one.asked()) == 1 and time.monotonic() < deadline:
        await one.look(record)
    second, again = await one.asked()
    assert again.approval_id == first.approval_id and (second.status, again.status) == ("pending", "expired")
    assert (await one.incident()).asked["heal"].approval_id == second.approval_id
    assert record.life.state == "QUARANTINED"


@pytest.mark.parametrize(("word", "state"), [("approved", "PROBATION"), ("rejected", "QUARANTINED")])
async def test_an_answer_is_heard_whoever_was_restarted_meanwhile(redis_url: str, word: str, state: str) -> None:
    async with healer(redis_url) as before:
        record = await before.ill(SEVERE)
        await before.look(record)
    async with healer(redis_url) as meanwhile:
        await meanwhile.answered(word)
    async with healer(redis_url) as after:
        record = reread(record)
        assert (await after.look(record, 3)).state == state
        assert (await after.incident()).said("heal") == word


async def test_an_approval_counts_though_everybody_was_away_until_it_was_over(
    one: Healer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.approvals.LIFE_SECONDS", 0.5)
    record = await one.ill(SEVERE)
    await one.look(record)
    approval = await one.answered("approved")
    deadline = time.monotonic() + 10
    while (found := await one.approvals.get(approval.approval_id)) and found.status != "expired":
        assert time.monotonic() < deadline
    assert (await one.look(record, 2)).state == "PROBATION"


async def test_heal_now_answers_the_question_that_waits(one: Healer) -> None:
    record = await one.ill(SEVERE)
    await one.look(record)
    await one.heal.heal_now("agt_1", "adk_lee")
    (approval,) = await one.asked()
    assert (approval.status, approval.decided_by, approval.decision_reason) == ("approved", "adk_lee", "heal now")
    assert (await one.look(record, 2)).state == "PROBATION"
    assert (await one.incident()).said("heal") == "approved"


async def test_heal_now_ends_a_hold_and_heal_all_does_not(one: Healer) -> None:
    held, free = await one.ill(LOOP), await one.ill(LOOP, agent_id="agt_2")
    await one.quarantine.block("agt_1", "mine", "adk_kim")
    assert (await one.look(held)).state == "QUARANTINED"
    assert [life.agent_id for life in await one.heal.heal_all("adk_lee")] == ["agt_2"]
    assert (await one.look(free, 2)).state == "PROBATION" and (await one.incident("agt_2")).trigger == "heal_all"
    life = await one.heal.heal_now("agt_1", "adk_lee")
    assert (life.state, life.held) == ("HEALING", False)
    assert (await one.look(held, 2)).state == "PROBATION"


async def test_only_what_is_in_quarantine_or_exhausted_is_healed_now(one: Healer) -> None:
    with pytest.raises(IllegalMove):
        await one.heal.heal_now("agt_9", "adk_lee")
    record = await one.ill(LOOP)
    await one.look(record)
    with pytest.raises(IllegalMove):
        await one.heal.heal_now("agt_1", "adk_lee")


async def test_an_agent_that_only_an_operator_knows_why_it_is_blocked_can_be_healed(one: Healer) -> None:
    life, _ = await one.quarantine.block("agt_1", "odd", "adk_kim")
    record = await one.ill()
    await one.quarantine.change("agt_1", lambda _: life)
    record.life = life
    await one.heal.heal_now("agt_1", "adk_kim")
    assert (await one.look(record, 2)).state == "PROBATION"
    opened = await one.incidents.get(life.incident_id or "")
    assert opened is not None and [found.cause for found in opened.diagnoses] == ["unknown"]
    assert (opened.reason, opened.trigger) == ("odd", "heal_now")


async def test_an_incident_that_an_operator_opened_is_diagnosed_before_it_is_healed(one: Healer) -> None:
    record = await one.ill()
    await one.incidents.change("inc_agt_1", lambda incident: replace(incident, diagnoses=()))
    await one.heal.heal_now("agt_1", "adk_kim")
    assert (await one.look(record, 2)).state == "PROBATION"
    assert [found.cause for found in (await one.incident()).diagnoses] == ["unknown"]


async def test_nobody_is_asked_any_more_whether_an_agent_may_be_quarantined_that_is(one: Healer) -> None:
    record = await one.ill(SEVERE)
    await one.heal.ask_to_block(await one.incident(), "odd")
    await one.look(record)
    healing, block = await one.asked()
    assert (healing.tool, healing.status) == ("cap_output", "pending")
    assert (block.tool, block.status, block.decided_by) == ("quarantine", "approved", "gateway")


async def test_where_nobody_knows_any_more_why_an_agent_is_blocked_a_person_decides(one: Healer) -> None:
    record = await one.ill()
    assert (await one.look(record, 2)).state == "QUARANTINED"
    assert [(found.tool, found.rule) for found in await one.asked()] == [("throttle", "immune/unknown")]


async def test_in_other_modes_nobody_is_healed_without_being_told_to(one: Healer) -> None:
    record = await one.ill(LOOP)
    assert (await one.look(record, 2, Immune(mode="warn"))).state == "QUARANTINED"
    await one.heal.heal_now("agt_1", "adk_lee")
    assert (await one.look(record, 2, Immune(mode="warn"))).state == "PROBATION"


async def test_no_remedy_is_repeated_the_second_hypothesis_is_tried_and_the_end_is_reached(one: Healer) -> None:
    record, tried = await one.ill(LOOP), []
    for _ in range(40):
        life = await one.look(record, 2)
        if life.state == "EXHAUSTED":
            break
        assert life.state == "PROBATION"
        case = one.prescriptions.case("agt_1")
        assert case is not None and case.lasting == ()  # what failed is gone before the next one
        tried.append((case.cause, case.remedy))
        await one.relapse(record)
        record = reread(record)
    remedies = [remedy for _, remedy in tried]
    assert len(remedies) == len(set(remedies))
    of_loops = [name for name in LADDERS["infinite_loop"] if name not in ("control_agent", "restart_container")]
    assert tried[: len(of_loops)] == [("infinite_loop", name) for name in of_loops]
    assert len({cause for cause, _ in tried}) > 1
    assert (await one.incident()).state == "EXHAUSTED"
    assert (await one.actions())[-1] == ("exhausted", "no remedy is left")
    alerts = [kind for kind, _, _ in one.told.alerts]
    assert alerts == [*["agent.released"] * len(tried), "agent.exhausted"]
    assert one.prescriptions.of("agt_1") == NOTHING
    # Wanted once more, it is said once more that nothing is left.
    await one.heal.heal_now("agt_1", "adk_lee")
    assert (await one.look(record, 2)).state == "EXHAUSTED"
    assert (await one.actions())[-1] == ("heal_now", "no remedy is left")
    # A person's word on the cause opens another ladder.
    await one.feedback("inc_agt_1", "cost_overrun")
    await one.heal.heal_now("agt_1", "adk_lee")
    assert (await one.look(record, 2)).state == "PROBATION"
    assert one.prescriptions.of("agt_1").remedies == ("cap_output",)


async def test_nobody_is_asked_to_approve_nothing(one: Healer) -> None:
    record = await one.ill(SEVERE)
    for cause in [found.cause for found in (await one.incident()).diagnoses]:
        for name in LADDERS[cause]:
            record.memory = record.memory.begun("inc_old", cause, name, 1.0).ended("failed")[0]
    assert (await one.look(record)).state == "EXHAUSTED" and await one.asked() == []


async def test_a_step_that_is_taken_again_after_a_crash_changes_nothing_more(one: Healer) -> None:
    record = await one.ill(LOOP)
    before = reread(record)
    await one.look(record)  # begun, and the record is lost with its owner
    assert (await one.look(before)).state == "HEALING"
    begun = reread(before)
    assert (await one.look(before)).state == "PROBATION"
    assert (await one.look(begun)).state == "PROBATION"
    assert begun.memory == before.memory and len(begun.memory.outcomes) == 1
    await one.heal.ended(before, "failed")
    await one.heal.ended(begun, "failed")
    assert begun.memory == before.memory
    assert dict(await one.counts.read()) == {"failed:infinite_loop:reset_memory": 1}
    assert await one.actions() == [("reset_memory", "failed")]


async def test_where_an_operator_takes_hold_while_it_is_healed_it_stays_blocked(one: Healer) -> None:
    record = await one.ill(LOOP)
    await one.look(record)
    await one.quarantine.block("agt_1", "mine", "adk_kim")
    assert (await one.look(record)).state == "EXHAUSTED"
    assert await one.actions() == [("reset_memory", "withheld")]
    assert one.prescriptions.of("agt_1") == NOTHING


async def test_no_remedy_gets_the_credit_for_what_an_operator_let_through(one: Healer) -> None:
    record = await one.ill(LOOP)
    await one.look(record, 2)
    now = time.time()
    await one.quarantine.change(
        "agt_1", lambda life: life.moved("DRAINING", now, "other", "gateway").moved("QUARANTINED", now, "", "gateway")
    )
    await one.quarantine.release("agt_1", "fine", "adk_kim")
    await one.heal.ended(record, "healed")
    assert dict(await one.counts.read()) == {} and await one.actions() == [("reset_memory", "applied")]
    assert one.prescriptions.case("agt_1") is None


# What is done besides


async def test_a_changed_prompt_is_put_back_for_good_and_is_no_change(one: Healer) -> None:
    changed = finding("prompt_change", "prompt", detail={"now": "bad"})
    record = await one.ill(changed)
    await one.look(record, 2)
    assert one.prescriptions.of("agt_1").system_prompt == "good"
    assert "good" in record.state.forms["prompt"].known
    await one.heal.ended(record, "healed")
    assert one.prescriptions.of("agt_1").system_prompt == "good"


async def test_another_model_is_no_change_if_it_is_a_remedy(one: Healer) -> None:
    record = await one.ill(finding("model_change", "model", detail={"now": "gpt-bad"}))
    record.good = replace(record.good, prompt="lost")  # its text is not kept, so nothing can be put back
    await one.look(record, 2)
    assert one.prescriptions.of("agt_1").model == "gpt-good"
    assert record.state.forms["model"].known == ["gpt-good"]


async def test_an_executor_is_waited_for_and_what_it_cannot_do_is_followed_by_the_next_remedy(redis_url: str) -> None:
    means = Means(frozenset({"control_agent", "restart_container", "process"}), failing=True)
    async with healer(redis_url, means) as one:
        record = await one.ill(finding("input_token_spike", hard=True))
        left = [name for name in LADDERS["memory_corruption"] if name not in ("control_agent", "restart_container")]
        for name in left:  # of its own ladder only the executors are left
            record.memory = record.memory.begun("inc_old", "memory_corruption", name, 1.0).ended("failed")[0]
        assert (await one.look(record)).state == "HEALING"
        assert (await one.look(record)).state == "HEALING"  # it is under way
        await until(lambda: all(task.done() for _, task in one.executing._jobs.values()))
        assert (await one.look(record)).state == "HEALING"
        assert await one.actions() == [("control_agent", "failed")]
        assert record.memory.outcomes[-1].result == "failed" and one.prescriptions.case("agt_1") is None
        assert dict(await one.counts.read()) == {}  # nothing was learned about the remedy
        means.failing = False
        await one.look(record, 2)
        await until(lambda: means.did == [("restart_container", "agt_1")])
        await until(lambda: all(task.done() for _, task in one.executing._jobs.values()))
        assert (await one.look(record)).state == "PROBATION"
        assert (await one.actions())[-1] == ("restart_container", "applied")
        assert means.did == [("restart_container", "agt_1")]


async def test_without_redis_nothing_changes_and_it_goes_on_afterwards(own_redis: RedisServer) -> None:
    async with healer(own_redis.url) as one:
        record = await one.ill(LOOP)
        own_redis.kill()
        with pytest.raises(StoreError):
            await one.look(record)
        assert (record.memory.outcomes, one.quarantine.state("agt_1")) == ((), "QUARANTINED")
        own_redis.start()
        deadline = time.monotonic() + 20
        while one.quarantine.state("agt_1") != "PROBATION" and time.monotonic() < deadline:
            try:
                await one.look(record)
            except StoreError:
                continue
        assert one.quarantine.state("agt_1") == "PROBATION"
        assert (await one.actions())[-1] == ("reset_memory", "applied")
