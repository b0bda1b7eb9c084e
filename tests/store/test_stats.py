from dataclasses import replace

from gateway.model.agent import Agent
from gateway.store.agents import Agents
from gateway.store.connection import Connection
from gateway.store.stats import FIELDS, Stats, Totals
from tests.store.test_agents import EXCHANGE, NOW, make


async def test_the_totals_count_every_exchange_by_its_end(connection: Connection) -> None:
    agents = make(connection)
    stats = Stats(connection, clock=lambda: NOW + 341)
    empty = await stats.read()
    assert (empty.agents, empty.executions, empty.started, empty.runtime_seconds) == (0, 0, None, 0)
    for end in [
        {},
        {"denied_calls": 2},
        {"status": 403, "error_type": "agent_quarantined"},
        {"status": 429, "error_type": "rate_limit_exceeded"},
        {"status": 500},
        {"status": 499, "error_type": "client_gone"},
    ]:
        agents.seen(Agent("agt_1"), replace(EXCHANGE, **end), ok=not end)
    await agents.flush()
    record = await stats.read()
    assert (record.agents, record.executions, record.errors) == (1, 6, 2)
    assert (record.denied, record.client_gone, record.tool_calls) == (3, 1, 6)
    assert (record.tokens, record.cached_tokens, record.reasoning_tokens) == (720, 60, 30)
    assert (record.started, record.runtime_seconds) == (NOW, 341)
    agents.seen(Agent("agt_1"), EXCHANGE, ok=True)
    await agents.flush()
    assert (await stats.read()).executions == 7


async def test_what_watching_found_is_counted_without_an_exchange(connection: Connection) -> None:
    agents = make(connection)
    for what in ("findings", "findings", "infections"):
        agents.tally(what)
    await agents.flush()
    record = await Stats(connection, clock=lambda: NOW).read()
    assert (record.executions, record.findings, record.infections) == (0, 2, 1)


def test_counts_that_were_not_written_are_taken_over_whole() -> None:
    older, newer = Totals(), Totals()
    older.add(EXCHANGE)
    newer.add(replace(EXCHANGE, denied_calls=3))
    newer.absorb(older)
    both = Totals()
    both.add(EXCHANGE)
    both.add(replace(EXCHANGE, denied_calls=3))
    assert [getattr(newer, field) for field in FIELDS] == [getattr(both, field) for field in FIELDS]
    assert newer.arguments() == both.arguments()


async def test_the_totals_of_two_replicas_add_up(connection: Connection) -> None:
    replicas: list[Agents] = [make(connection) for _ in range(70)]
    for replica in replicas:
        replica.seen(Agent("agt_1"), EXCHANGE, ok=True)
        await replica.flush()
    assert (await Stats(connection, clock=lambda: NOW).read()).executions == 70
