"""Which intents are revoked: known in memory on every replica."""

import time
from collections.abc import AsyncIterator, Callable

import pytest

from gateway.intents.claims import LONGEST_INTENT, IntentClaims, Step
from gateway.store.control import Control
from gateway.store.quarantine import Quarantine
from gateway.store.revocations import KIND, MOST, Revocations
from tests.store.test_control import replica


def intent(jti: str = "int_1", agent_id: str = "agt_1", issued: float | None = None, **more: object) -> IntentClaims:
    now = int(time.time()) - 1 if issued is None else issued
    return IntentClaims(jti, agent_id, None, (Step("s1", "read"),), now, now + 900, now, **more)  # type: ignore[arg-type]


def over(control: Control, clock: Callable[[], float] = time.time) -> Revocations:
    return Revocations(control, clock=clock)


Pair = tuple[Control, Control]


@pytest.fixture
async def pair(redis_url: str) -> AsyncIterator[Pair]:
    async with replica(redis_url) as one, replica(redis_url) as other:
        yield one, other


async def test_a_revoked_intent_is_revoked_on_every_replica_with_all_that_comes_from_it(pair: Pair) -> None:
    here, there = over(pair[0]), over(pair[1])
    child = intent("int_2", "agt_2", parents=("int_1",), act=("agt_1",))
    grandchild = intent("int_3", "agt_3", parents=("int_1", "int_2"), act=("agt_2", "agt_1"))
    family = [intent(), child, grandchild]
    assert not any(map(there.is_revoked, family))
    assert await pair[0].acknowledged(await here.revoke("agt_2", "int_2", time.time() + 900), 5) == []
    assert [there.is_revoked(one) for one in family] == [False, True, True]
    assert await pair[0].acknowledged(await here.revoke("agt_1", "int_1", time.time() + 900), 5) == []
    assert all(map(there.is_revoked, family)) and not there.is_revoked(intent("int_9"))


async def test_all_that_an_agent_had_before_a_moment_is_revoked_with_what_it_handed_on(pair: Pair) -> None:
    there = over(pair[1])
    await pair[0].change(KIND, "agt_1", {"before": time.time(), "revoked": {}})
    await pair[1].refresh()
    handed_on = intent("int_2", "agt_2", parents=("int_1",), act=("agt_1",))
    assert there.is_revoked(intent()) and there.is_revoked(handed_on)
    assert not there.is_revoked(intent(agent_id="agt_2"))
    assert not there.is_revoked(intent(issued=int(there.before("agt_1")) + 1))


async def test_an_agent_that_is_quarantined_has_no_intent_left_even_after_its_release(pair: Pair) -> None:
    revocations = [over(control) for control in pair]
    operator = Quarantine(pair[0], pair[0]._connection, clock=time.time)
    _, epoch = await operator.block("agt_1", "odd", "root")
    assert await pair[0].acknowledged(epoch, 5) == []
    assert all(one.is_revoked(intent()) for one in revocations)
    _, epoch = await operator.release("agt_1", "fine", "root")
    assert await pair[0].acknowledged(epoch, 5) == []
    assert all(one.is_revoked(intent()) for one in revocations)
    later = intent(issued=int(revocations[0].before("agt_1")) + 1)
    assert not any(one.is_revoked(later) for one in revocations)
    assert over(pair[1]).is_revoked(intent())  # one that starts later knows it too


async def test_what_a_replica_minted_whose_clock_goes_before_is_revoked_too(pair: Pair) -> None:
    revocations = over(pair[0])
    ahead = intent(issued=int(time.time()) + 3)
    await Quarantine(pair[1], pair[1]._connection, clock=time.time).block("agt_1", "odd", "root")
    await pair[0].refresh()
    assert revocations.is_revoked(ahead)


async def test_a_draining_agent_has_none_either(pair: Pair) -> None:
    revocations = over(pair[0])
    await Quarantine(pair[0], pair[0]._connection, clock=time.time).block("agt_1", "odd", "root", drain_seconds=60)
    assert revocations.is_revoked(intent())


async def test_what_is_over_is_forgotten_at_the_next_change(pair: Pair) -> None:
    now = time.time()
    here = over(pair[0], lambda: now)
    await here.revoke("agt_1", "int_1", now + 60)
    now += 120
    await here.revoke("agt_1", "int_2", now + 60)
    found = pair[0].get(KIND, "agt_1")
    assert found is not None and list(found[0]["revoked"]) == ["int_2"]
    await pair[0].change(KIND, "agt_1", {"before": now, "revoked": {}})
    now += LONGEST_INTENT + 60
    await here.revoke("agt_1", "int_3", now + 60)
    found = pair[0].get(KIND, "agt_1")
    assert found is not None and found[0] == {"before": None, "revoked": {"int_3": now + 60}}
    assert here.before("agt_1") == 0.0


async def test_past_a_thousand_all_that_the_agent_has_is_revoked(pair: Pair) -> None:
    here, end = over(pair[0]), time.time() + 900
    await pair[0].change(KIND, "agt_1", {"before": None, "revoked": {f"int_{at}": end for at in range(MOST)}})
    assert here.is_revoked(intent("int_7")) and not here.is_revoked(intent("int_x"))
    await here.revoke("agt_1", "int_last", end)
    assert here.is_revoked(intent("int_x"))
    found = pair[0].get(KIND, "agt_1")
    assert found is not None and found[0]["revoked"] == {}


async def test_all_that_an_agent_has_can_be_revoked_and_what_it_gets_afterwards_is_good(pair: Pair) -> None:
    here, there = over(pair[0]), over(pair[1])
    assert await pair[0].acknowledged(await here.revoke_all("agt_1"), 5) == []
    assert there.is_revoked(intent()) and not there.is_revoked(intent(agent_id="agt_2"))
    assert not there.is_revoked(intent(issued=int(time.time()) + 1))
    later = there.before("agt_1") + 60
    await pair[0].change(KIND, "agt_1", {"before": later, "revoked": {}})
    await here.revoke_all("agt_1")  # takes nothing back
    assert here.before("agt_1") >= later
