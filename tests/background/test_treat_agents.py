"""A treatment as it is given and taken away: what lasts, and what executors are asked for once."""

from dataclasses import replace

from gateway.immune.ladder import Treatment
from gateway.immune.prescription import NOTHING, Prescription
from gateway.immune.record import Good
from tests.background.healing import LOOP, Means, healer
from tests.support.waiting import until

RESET = Treatment(
    "memory_corruption",
    "control_agent",
    Prescription(("control_agent",), drop_history=True, once=("revoke_intents", "control_agent")),
    False,
)


async def test_a_treatment_is_in_place_once_executors_have_done_their_part(redis_url: str) -> None:
    means = Means(frozenset({"control_agent"}))
    async with healer(redis_url, means) as one:
        assert await one.treatments.give("agt_1", "inc_1", RESET, 1.0) is None
        assert one.prescriptions.of("agt_1").drop_history
        await until(lambda: means.did == [("control_agent", "agt_1")])
        await until(lambda: all(task.done() for _, task in one.executing._jobs.values()))
        for _ in range(2):
            assert await one.treatments.give("agt_1", "inc_1", RESET, 1.0) is True
        assert len(means.did) == 1
        await one.treatments.end("agt_1")
        assert one.prescriptions.of("agt_1") == NOTHING
        assert await one.treatments.give("agt_1", "inc_1", RESET, 1.0) is None  # anew


async def test_what_the_gateway_does_itself_is_in_place_at_once(redis_url: str) -> None:
    async with healer(redis_url) as one:
        own = replace(RESET, prescription=replace(RESET.prescription, once=("revoke_intents",)))
        assert await one.treatments.give("agt_1", "inc_1", own, 1.0) is True


async def test_a_prompt_can_be_put_back_only_if_its_text_is_kept(redis_url: str) -> None:
    async with healer(redis_url, Means(frozenset({"process"}))) as one:
        record = await one.ill(LOOP)
        patient = await one.treatments.patient(record, await one.incident())
        assert (patient.good_prompt, patient.executors) == ("good", {"process"})
        record.good = Good("lost", None, ())
        assert (await one.treatments.patient(record, await one.incident())).good_prompt is None
