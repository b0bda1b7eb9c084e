"""Whether an agent that is only suspected may be quarantined: a person says."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.immune.record import Record
from gateway.immune.settings import Immune
from gateway.model.lifecycle import Life
from tests.background.healing import SEVERE, Healer, healer, reread

CAUSE = "output_token_spike (output), +9.5 σ"


@pytest.fixture
async def one(redis_url: str) -> AsyncIterator[Healer]:
    async with healer(redis_url) as made:
        yield made


async def suspect(one: Healer) -> Record:
    record = await one.ill(SEVERE)
    record.life = Life("agt_1", "SUSPECTED", time.time(), incident_id="inc_agt_1")
    await one.quarantine.change("agt_1", lambda _: record.life)
    record.course = replace(record.course, state="SUSPECTED", asked=True)
    await one.heal.ask_to_block(await one.incident(), CAUSE)
    return record


async def test_what_a_person_approves_is_done(one: Healer) -> None:
    record = await suspect(one)
    (approval,) = await one.asked()
    assert (approval.kind, approval.tool, approval.reason) == ("healing", "quarantine", CAUSE)
    assert (await one.look(record)).state == "SUSPECTED"
    await one.answered("approved")
    life = await one.look(record)
    assert (life.state, life.by, life.sigma, life.credential_id) == ("DRAINING", "adk_kim", True, "crd_agt_1")
    assert life.incident_id == "inc_agt_1" and (await one.incident()).state == "DRAINING"
    assert await one.actions() == [("ask:quarantine", "pending"), ("approve", "by adk_kim")]
    assert [kind for kind, _, _ in one.told.alerts] == ["agent.quarantined"]


async def test_what_a_person_rejects_is_not_done_and_not_asked_again(one: Healer) -> None:
    record = await suspect(one)
    await one.answered("rejected")
    assert (await one.look(record, 3)).state == "SUSPECTED"
    assert len(await one.asked()) == 1 and (await one.incident()).said("heal") is None


async def test_the_answer_is_heard_after_a_restart(redis_url: str) -> None:
    async with healer(redis_url) as before:
        record = await suspect(before)
        await before.answered("approved")
    async with healer(redis_url) as after:
        assert (await after.look(reread(record))).state == "DRAINING"


async def test_what_nobody_answers_is_asked_again(one: Healer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.store.approvals.LIFE_SECONDS", 0.1)
    record = await suspect(one)
    monkeypatch.setattr("gateway.store.approvals.LIFE_SECONDS", 60)
    deadline = time.monotonic() + 10
    while len(await one.asked()) == 1 and time.monotonic() < deadline:
        await one.look(record)
    assert [found.status for found in await one.asked()] == ["pending", "expired"]


async def test_nothing_is_done_where_the_mode_only_warns_or_nothing_was_asked(one: Healer) -> None:
    record = await suspect(one)
    await one.answered("approved")
    assert (await one.look(record, settings=Immune(mode="warn"))).state == "SUSPECTED"
    asked, record.course = record.course, replace(record.course, asked=False)
    assert (await one.look(record)).state == "SUSPECTED"
    record.course = asked
    assert (await one.look(record)).state == "DRAINING"
