"""Questions to people about an agent, and what an incident remembers of them."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.background.ask_people import AskPeople
from gateway.immune.incident import Asked
from gateway.immune.ladder import Treatment
from gateway.immune.prescription import Prescription
from gateway.store.approval_record import Pending
from gateway.store.approvals import PENDING_OF_AGENT, TooManyPending
from tests.background.healing import LOOP, Healer, healer

RESET = Treatment("infinite_loop", "reset_memory", Prescription(("reset_memory",), drop_history=True), False)


@pytest.fixture
async def one(redis_url: str) -> AsyncIterator[Healer]:
    async with healer(redis_url) as made:
        await made.ill(LOOP)
        yield made


def people(one: Healer) -> AskPeople:
    return AskPeople(one.approvals, one.incidents, clock=lambda: 5.0)


async def test_both_questions_can_be_open_and_are_answered_each_by_itself(one: Healer) -> None:
    asking = people(one)
    await asking.may_quarantine(await one.incident(), "odd")
    await asking.may_heal(await one.incident(), RESET)
    quarantine = await one.approvals.get((await one.incident()).asked["quarantine"].approval_id)
    assert quarantine is not None and (quarantine.reason, quarantine.conversation) == ("odd", "conv_1")
    await one.approvals.decide([quarantine.approval_id], "rejected", by="adk_kim")
    for question in ("heal", "quarantine"):
        await asking.heard(question, await one.incident())  # type: ignore[arg-type]
    incident = await one.incident()
    assert (incident.said("heal"), incident.said("quarantine")) == ("pending", "rejected")
    assert (incident.asked["heal"].by, incident.asked["quarantine"].by) == ("", "adk_kim")


async def test_the_same_question_is_asked_once(one: Healer) -> None:
    for _ in range(2):
        await people(one).may_heal(await one.incident(), RESET)
    assert len(await one.asked()) == 1 and await one.actions() == [("ask:heal", "pending")]


async def test_where_too_many_questions_wait_it_is_not_asked_yet(one: Healer) -> None:
    with pytest.raises(TooManyPending):
        for number in range(PENDING_OF_AGENT + 3):
            await one.approvals.ask(Pending("healing", "agt_1", "x", {}, "r", args_hash=str(number)))
    await people(one).may_heal(await one.incident(), RESET)
    assert (await one.incident()).said("heal") is None


async def test_a_question_that_is_not_known_any_more_counts_as_never_asked(one: Healer) -> None:
    def lost(incident):  # type: ignore[no-untyped-def]
        return replace(incident, asked={"heal": Asked("apr_lost")})

    await one.incidents.change("inc_agt_1", lost)
    heard = await people(one).heard("heal", await one.incident())
    assert heard.said("heal") is None and heard == await one.incident()


async def test_what_was_never_asked_is_not_answered(one: Healer) -> None:
    incident = await one.incident()
    assert await people(one).heard("heal", incident) is incident
    await people(one).answered("heal", incident, "adk_kim", "heal now")
    assert await one.asked() == []
