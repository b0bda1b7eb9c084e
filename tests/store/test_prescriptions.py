import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.immune.ladder import Treatment
from gateway.immune.prescription import NOTHING, Prescription
from gateway.store.prescriptions import THROTTLED, Case, Lasting, Prescriptions
from tests.store.test_control import replica

NO_SHELL = Prescription(("revoke_tools",), without_tools=frozenset({"shell"}))
CAPPED = Prescription(
    ("cap_output",), output_tokens=100, ended_conversations=frozenset({"c"}), once=("revoke_intents",)
)
REVOKE = Treatment("prompt_injection", "revoke_tools", NO_SHELL, lasting=True)
CAP = Treatment("cost_overrun", "cap_output", CAPPED, lasting=False)

Pair = tuple[Prescriptions, Prescriptions]


@pytest.fixture
async def pair(redis_url: str) -> AsyncIterator[Pair]:
    async with replica(redis_url) as one, replica(redis_url) as other:
        yield Prescriptions(one), Prescriptions(other)


async def everywhere(pair: Pair, epoch: int) -> None:
    assert await pair[0]._control.acknowledged(epoch, 5) == []


async def test_a_throttle_holds_on_every_replica_until_it_is_taken_away(pair: Pair) -> None:
    one, other = pair
    heard: list[tuple[str, Prescription]] = []
    other.on_change.append(lambda agent_id, prescription: heard.append((agent_id, prescription)))
    assert one.of("agt_1") is NOTHING and one.case("agt_1") is None
    epoch = await one.throttle("agt_1", "output_token_spike")
    await everywhere(pair, epoch)
    assert one.of("agt_1") == other.of("agt_1") == THROTTLED
    assert THROTTLED.concurrent == 1 and THROTTLED.remedies == ("throttle",)
    assert other.case("agt_1") == Case(throttled="output_token_spike")
    assert await other.throttle("agt_1", "again") == epoch
    await everywhere(pair, await other.unthrottle("agt_1"))
    assert one.of("agt_1") is NOTHING is other.of("agt_1") and one.case("agt_1") is None
    assert heard == [("agt_1", THROTTLED), ("agt_1", NOTHING)]


async def test_what_is_in_force_is_all_of_it_with_the_names_of_the_remedies(pair: Pair) -> None:
    one, other = pair
    await one.treat("agt_1", "inc_1", REVOKE, at=5.0)
    await one.end("agt_1")
    await one.throttle("agt_1", "latency_spike")
    await everywhere(pair, await one.treat("agt_1", "inc_2", CAP, at=9.5))
    assert other.of("agt_1") == Prescription(
        ("revoke_tools", "throttle", "cap_output"),
        without_tools=frozenset({"shell"}),
        output_tokens=100,
        concurrent=1,
        ended_conversations=frozenset({"c"}),
        once=("revoke_intents",),
    )
    lasting = Lasting("revoke_tools", "prompt_injection", 5.0, NO_SHELL)
    assert other.case("agt_1") == Case(
        "latency_spike", "inc_2", "cap_output", "cost_overrun", 9.5, CAPPED, lasting=(lasting,)
    )


async def test_what_ends_is_gone_but_for_what_lasts_and_did_not_fail(pair: Pair) -> None:
    one, _ = pair
    await one.treat("agt_1", "inc_1", CAP, at=1.0)
    await one.end("agt_1")
    assert one.of("agt_1") is NOTHING
    await one.treat("agt_1", "inc_1", REVOKE, at=2.0)
    await one.end("agt_1", keep=False)
    assert one.of("agt_1") is NOTHING
    for at in (3.0, 4.0):
        await one.treat("agt_1", "inc_1", REVOKE, at=at)
        await one.end("agt_1")
    assert one.of("agt_1") == NO_SHELL
    case = one.case("agt_1")
    assert case is not None and [lasting.since for lasting in case.lasting] == [4.0]
    assert await one.end("agt_1") == await one.end("agt_1")
    await one.clear("agt_1")
    assert one.of("agt_1") is NOTHING and one.case("agt_1") is None


async def test_of_two_replicas_at_once_neither_undoes_what_the_other_did(pair: Pair) -> None:
    one, other = pair
    epochs = await asyncio.gather(
        one.throttle("agt_1", "cost_spike"), other.treat("agt_1", "inc_1", CAP, at=1.0), other.throttle("agt_2", "x")
    )
    await everywhere(pair, max(epochs))
    assert one.of("agt_1") == other.of("agt_1")
    assert one.of("agt_1").remedies == ("throttle", "cap_output")


async def test_names_that_no_json_holds_do_no_harm(pair: Pair) -> None:
    one, _ = pair
    odd = Prescription(("revoke_tools",), without_tools=frozenset({"sh\ud800"}))
    await one.treat("agt_1", "inc_1", Treatment("unknown", "revoke_tools", odd, lasting=False), at=1.0)
    assert one.of("agt_1").without_tools == {"sh?"}


async def test_who_comes_later_knows_it(redis_url: str) -> None:
    async with replica(redis_url) as one:
        await Prescriptions(one).treat("agt_1", "inc_1", CAP, at=1.0)
    async with replica(redis_url) as late:
        assert Prescriptions(late).of("agt_1") == CAPPED
