"""What people say that incidents were."""

from tests.background.healing import LOOP, healer


async def test_a_word_on_the_cause_counts_once_for_an_incident_and_the_last_one_counts(redis_url: str) -> None:
    async with healer(redis_url) as one:
        await one.ill(LOOP)
        assert await one.feedback("inc_none", "unknown") is None
        for _ in range(2):
            incident = await one.feedback("inc_agt_1", "prompt_injection")
        assert incident is not None and incident.actual_cause == "prompt_injection"
        assert [(found.cause, found.confidence) for found in incident.diagnoses] == [("prompt_injection", 1.0)]
        assert dict(await one.counts.read()) == {"actual:tool_loop:prompt_injection": 1}
        await one.feedback("inc_agt_1", "tool_instability")
        counts = await one.counts.read()
        assert (counts["actual:tool_loop:prompt_injection"], counts["actual:tool_loop:tool_instability"]) == (0, 1)
        await one.feedback("inc_agt_1", "prompt_injection")
        assert (await one.counts.read())["actual:tool_loop:prompt_injection"] == 1
