"""What call tokens of released calls say, for every replica, for a minute."""

import time

import pytest

from gateway.intents.claims import LONGEST_CALL
from gateway.store.call_tokens import CallTokens, ReleasedCall
from gateway.store.connection import Connection
from gateway.store.errors import StoreUnavailable
from tests.support.redis import RedisServer

CALL = ReleasedCall(
    "call_1", "restart_service", None, "h1", "dec_1", intent="int_1", step="s1", digest="d", grants=("d", "e")
)


async def test_the_claims_of_a_released_call_are_the_same_at_each_look_on_any_replica(connection: Connection) -> None:
    now = time.time()
    one, other = (CallTokens(connection, clock=lambda: now) for _ in range(2))
    await one.save("agt_1", [CALL, ReleasedCall("call_2", "drop", "cloud", "h2", "dec_2", tdef="t")])
    found = await one.get("agt_1", "call_1", audience="tools")
    assert found is not None and found == await other.get("agt_1", "call_1", audience="tools")
    first, call = found
    assert call == CALL
    assert (first.agent_id, first.audience, first.tool, first.args_hash) == ("agt_1", "tools", "restart_service", "h1")
    assert (first.call_id, first.intent, first.decision, first.tdef) == ("call_1", "int_1", "dec_1", None)
    assert first.expires - first.issued == LONGEST_CALL and first.jti.startswith("cal_")
    found = await other.get("agt_1", "call_2", audience="tools")
    assert found is not None
    second = found[0]
    assert (second.audience, second.tdef) == ("cloud", "t") and second.jti != first.jti


async def test_an_id_is_one_agents_alone_and_its_latest_call_counts(connection: Connection) -> None:
    tokens = CallTokens(connection, clock=time.time)
    await tokens.save("agt_1", [CALL])
    await tokens.save("agt_1", [ReleasedCall("call_1", "read", None, "h9", "dec_9")])
    assert await tokens.get("agt_2", "call_1", audience="tools") is None
    found = await tokens.get("agt_1", "call_1", audience="tools")
    assert found is not None and found[0].tool == "read"


async def test_after_a_minute_there_is_none(connection: Connection) -> None:
    now = time.time()
    await CallTokens(connection, clock=lambda: now - LONGEST_CALL).save("agt_1", [CALL])
    assert await CallTokens(connection, clock=lambda: now).get("agt_1", "call_1", audience="tools") is None
    (key,) = (await connection.execute("SCAN", "0", "COUNT", "1000"))[1]
    assert b"call_1" not in key and 0 < await connection.execute("TTL", key) <= LONGEST_CALL


async def test_without_redis_there_is_no_answer(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url, op_timeout=0.5)
    tokens = CallTokens(connection, clock=time.time)
    await tokens.save("agt_1", [CALL])
    own_redis.kill()
    with pytest.raises(StoreUnavailable):
        await tokens.save("agt_1", [CALL])
    with pytest.raises(StoreUnavailable):
        await tokens.get("agt_1", "call_1", audience="tools")
    await connection.close()
