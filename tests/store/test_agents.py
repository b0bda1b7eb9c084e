import asyncio
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.model.agent import Agent
from gateway.model.vitals import Vitals
from gateway.store.agents import Agents
from gateway.store.connection import Connection
from gateway.store.errors import StoreUnavailable
from gateway.store.sighting import LONGEST_NAME, MODELS, PROVIDERS, TOOLS
from gateway.store.stats import Stats
from tests.store.faults import FaultProxy
from tests.support.redis import RedisServer

EXCHANGE = Vitals(
    agent_id="agt_1",
    request_id="req_1",
    time=1_700_000_000.25,
    dialect="chat_completions",
    provider="openai",
    model="gpt-4o",
    stream=False,
    status=200,
    latency_ms=12.5,
    input_tokens=100,
    output_tokens=20,
    cached_tokens=10,
    reasoning_tokens=5,
    tool_calls=1,
)
NOW = 1_700_000_500.0


def make(connection: Connection, **options: int) -> Agents:
    return Agents(connection, clock=lambda: NOW, **options)


async def test_an_agent_is_written_as_it_was_seen(connection: Connection) -> None:
    agents = make(connection)
    agent = Agent("agt_1", verified=True, credential="…a1b2", name="billing")
    agents.seen(agent, EXCHANGE, client="OpenAI/Python 3.52.0", tools=("get_status", "pay"), ok=True)
    later = replace(EXCHANGE, time=EXCHANGE.time + 5, model="gpt-5", provider="azure")
    agents.seen(agent, later, ok=True)
    assert await agents.flush()
    assert agents.pending == 0
    record = await agents.get("agt_1")
    assert record is not None
    assert record.agent_id == "agt_1"
    assert record.verified
    assert (record.credential, record.name, record.client) == ("…a1b2", "billing", "OpenAI/Python 3.52.0")
    assert (record.first_seen, record.last_seen) == (EXCHANGE.time, later.time)
    assert (record.models, record.providers) == (("gpt-4o", "gpt-5"), ("azure", "openai"))
    assert record.tools == ("get_status", "pay")
    assert (record.requests, record.input_tokens, record.output_tokens) == (2, 200, 40)


async def test_later_flushes_add_and_keep_what_is_not_said_again(connection: Connection) -> None:
    agents, other = make(connection), make(connection)
    agents.seen(Agent("agt_1", credential="…a1b2"), EXCHANGE, client="first", tools=("a",), ok=True)
    await agents.flush()
    older = replace(EXCHANGE, time=EXCHANGE.time - 60)
    other.seen(Agent("agt_1"), older, tools=("b",), ok=True)
    await other.flush()
    record = await agents.get("agt_1")
    assert record is not None
    assert (record.credential, record.client, record.tools, record.requests) == ("…a1b2", "first", ("a", "b"), 2)
    assert (record.first_seen, record.last_seen) == (EXCHANGE.time, EXCHANGE.time)


async def test_only_an_exchange_that_worked_makes_an_agent(connection: Connection) -> None:
    agents = make(connection)
    failed = replace(EXCHANGE, status=401, model="made-up", input_tokens=0, output_tokens=0)
    agents.seen(Agent("agt_1"), failed, tools=("made-up",), ok=False)
    await agents.flush()
    assert await agents.get("agt_1") is None
    assert await agents.list(10) == ((), None)
    agents.seen(Agent("agt_1"), EXCHANGE, ok=True)
    agents.seen(Agent("agt_1"), failed, tools=("made-up",), ok=False)
    await agents.flush()
    agents.seen(Agent("agt_1"), failed, ok=False)
    await agents.flush()
    record = await agents.get("agt_1")
    assert record is not None
    assert (record.requests, record.models, record.tools) == (3, ("gpt-4o",), ())
    assert (await Stats(connection, clock=lambda: NOW).read()).executions == 4


async def test_an_agent_exists_from_the_head_of_its_first_answer_and_counts_once(connection: Connection) -> None:
    agents, agent = make(connection), Agent("agt_1", verified=False, credential="…a1b2")
    agents.begun(agent, time=EXCHANGE.time - 9, client="curl/8", address="10.0.0.1")
    assert await agents.flush()
    record = await agents.get("agt_1")
    assert record is not None and record.requests == 0 and record.first_seen == record.last_seen == EXCHANGE.time - 9
    assert (record.client, record.address, record.proxied) == ("curl/8", "10.0.0.1", EXCHANGE.time - 9)
    assert (await agents.list(10))[0] == (record,)
    agents.begun(agent, time=EXCHANGE.time - 8)
    assert agents.pending == 0
    agents.seen(agent, EXCHANGE, ok=True)
    agents.begun(agent, time=EXCHANGE.time + 100)
    assert await agents.flush()
    record = await agents.get("agt_1")
    assert record is not None and (record.requests, record.input_tokens) == (1, 100)
    assert (record.first_seen, record.last_seen) == (EXCHANGE.time - 9, EXCHANGE.time + 100)


async def test_names_are_bounded_in_number_and_length_also_over_many_flushes(connection: Connection) -> None:
    agents = make(connection)
    for n in range(300):
        exchange = replace(EXCHANGE, model=f"m{n:03}" + "x" * 300, provider=f"p{n:03}")
        agents.seen(Agent("agt_1"), exchange, client="u" * 5000, tools=(f"t{n:03}", "t" * 999), ok=True)
        if n % 7 == 0:
            await agents.flush()
    await agents.flush()
    record = await agents.get("agt_1")
    assert record is not None
    assert (len(record.models), len(record.tools), len(record.providers)) == (MODELS, TOOLS, PROVIDERS)
    assert record.models[0] == ("m000" + "x" * 300)[:LONGEST_NAME]
    assert record.client == "u" * LONGEST_NAME


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec=None), min_size=1, max_size=50))
async def test_any_text_of_a_client_can_be_stored(connection: Connection, text: str) -> None:
    await connection.execute("FLUSHALL")
    agents = make(connection)
    agent = Agent("agt_1", name=text)
    agents.seen(agent, replace(EXCHANGE, model=text, provider=text), client=text, tools=(text,), ok=True)
    assert await agents.flush()
    record = await agents.get("agt_1")
    assert record is not None
    kept = text.encode("utf-8", "replace").decode()
    assert record.client == record.name == kept
    assert record.tools == record.models == record.providers == (kept,)


async def test_absurd_token_counts_of_a_provider_do_no_harm(connection: Connection) -> None:
    agents = make(connection)
    for tokens in (10**40, -5):
        agents.seen(Agent("agt_1"), replace(EXCHANGE, input_tokens=tokens, output_tokens=1), ok=True)
        assert await agents.flush()
    record = await agents.get("agt_1")
    assert record is not None
    assert (record.requests, record.input_tokens, record.output_tokens) == (2, 10**12, 2)
    assert agents.dropped == 0


async def test_the_list_is_the_latest_made_first_and_each_agent_stands_once(connection: Connection) -> None:
    agents = make(connection)
    for n in range(25):
        agents.seen(Agent(f"agt_{n:02}"), replace(EXCHANGE, time=1000.0 + n // 2), ok=True)
    await agents.flush()
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(20):
        page, cursor = await agents.list(4, cursor)
        assert len(page) <= 4
        seen += [record.agent_id for record in page]
        # Agents that are seen again, and new ones, must not move the others between pages.
        agents.seen(Agent("agt_03"), EXCHANGE, ok=True)
        agents.seen(Agent(f"agt_new{len(seen)}"), EXCHANGE, ok=True)
        await agents.flush()
        if cursor is None:
            break
    assert cursor is None
    assert seen == [f"agt_{n:02}" for n in reversed(range(25))]


async def test_a_cursor_outlives_its_agent(connection: Connection) -> None:
    agents = make(connection)
    for n in range(6):
        agents.seen(Agent(f"agt_{n}"), replace(EXCHANGE, time=1000.0 + n), ok=True)
    await agents.flush()
    first, cursor = await agents.list(2)
    await connection.execute("ZREM", connection.keys.agents, "agt_4")
    await connection.execute("DEL", connection.keys.agent("agt_4"))
    second, _ = await agents.list(10, cursor)
    assert [record.agent_id for record in first + second] == ["agt_5", "agt_4", "agt_3", "agt_2", "agt_1", "agt_0"]


@pytest.mark.parametrize("cursor", ["", "x", "%%%", "YQ", "YTpi", "OmFndF8x", "ä", "MTow" * 1000])
async def test_a_cursor_of_another_form_is_refused(connection: Connection, cursor: str) -> None:
    agents = make(connection)
    if cursor == "MTow" * 1000:  # reads as a score and an id, only an unknown one
        assert await agents.list(1, cursor) == ((), None)
        return
    with pytest.raises(ValueError, match="not a cursor"):
        await agents.list(1, cursor)


async def test_nothing_is_lost_and_nothing_counted_twice_while_redis_is_away(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url, jitter=lambda: 0.0, op_timeout=0.3)
    watching = asyncio.create_task(connection.watch())
    agents = make(connection)
    running = asyncio.create_task(agents.run())
    try:
        sent = 0
        for round_ in range(6):
            for n in range(300):
                agents.seen(Agent(f"agt_{n}"), EXCHANGE, ok=True)
                sent += 1
                if n % 30 == 0:
                    await asyncio.sleep(0.005)
            if round_ in (1, 3):
                own_redis.freeze()
            if round_ in (2, 4):
                own_redis.thaw()
        async with asyncio.timeout(10):
            while agents.pending or not await agents.flush():
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        stats = await Stats(connection, clock=lambda: NOW).read()
        page, _ = await agents.list(1000)
        assert agents.dropped == 0
        assert stats.agents == len(page) == 300
        assert sum(record.requests for record in page) == stats.executions == sent
    finally:
        running.cancel()
        watching.cancel()
        await connection.close()


@pytest.mark.parametrize("after", [0, 1, 2])  # the agents themselves, the list of them, the totals
async def test_a_flush_whose_answer_was_lost_counts_once(redis_url: str, after: int) -> None:
    async with FaultProxy(redis_url) as proxy:
        connection = Connection(f"redis://127.0.0.1:{proxy.port}", op_timeout=0.5, jitter=lambda: 0.0)
        try:
            agents = make(connection)

            def see() -> None:
                for n in range(10):
                    agents.seen(Agent(f"agt_{n}"), EXCHANGE, ok=True)

            see()
            assert await agents.flush()  # so that Redis knows the scripts
            see()
            proxy.fault, proxy.after = "cut", after  # Redis does it, the replies do not arrive
            for _ in range(5):
                assert not await agents.flush()
            assert proxy.spoiled
            proxy.fault = ""
            see()
            async with asyncio.timeout(5):
                while not await agents.flush():
                    await asyncio.sleep(0.05)
            page, _ = await agents.list(100)
            assert {record.agent_id: record.requests for record in page} == {f"agt_{n}": 3 for n in range(10)}
            assert (await Stats(connection, clock=lambda: NOW).read()).executions == 30
        finally:
            await connection.close()


async def test_what_waits_is_bounded_and_what_is_left_out_is_counted() -> None:
    connection = Connection("unix:///tmp/leuko-there-is-nothing.sock")
    agents = make(connection, max_pending=10)
    for n in range(30):
        agents.seen(Agent(f"agt_{n}"), EXCHANGE, ok=True)
        assert not await agents.flush()
        agents.seen(Agent("agt_0"), EXCHANGE, ok=True)
    assert agents.pending == 10
    assert agents.dropped == 20
    with pytest.raises(StoreUnavailable):
        await agents.get("agt_0")
    await connection.close()


async def test_the_running_duty_writes_by_itself_and_once_more_when_it_ends(connection: Connection) -> None:
    agents = make(connection)
    running = asyncio.create_task(agents.run())
    agents.seen(Agent("agt_1"), EXCHANGE, ok=True)
    async with asyncio.timeout(5):
        while await agents.get("agt_1") is None:
            await asyncio.sleep(0.01)
    agents.seen(Agent("agt_2"), EXCHANGE, ok=True)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await agents.get("agt_2") is not None


async def test_a_key_somebody_else_has_written_does_not_stop_the_others(
    connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    await connection.execute("SET", connection.keys.agent("agt_bad"), "text")
    agents = make(connection)
    for name in ("agt_bad", "agt_good"):
        agents.seen(Agent(name), EXCHANGE, ok=True)
    assert await agents.flush()
    assert (agents.dropped, agents.pending) == (1, 0)
    assert "agt_bad" in caplog.text
    assert await agents.get("agt_good") is not None
    for key in (connection.keys.agents, connection.keys.stats):
        await connection.execute("SET", key, "text")
    agents.seen(Agent("agt_good"), EXCHANGE, ok=True)
    assert await agents.flush()
