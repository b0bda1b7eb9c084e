"""Few agents have series of their own, and those are the busy ones."""

from gateway.telemetry.top_agents import OTHER, TopAgents


def totals(agents: TopAgents) -> dict[str, int]:
    return {agent_id: one.requests for agent_id, one in agents.totals()}


def test_nobody_is_counted_twice_or_not_at_all() -> None:
    agents = TopAgents(lambda: 0.0, places=2)
    for agent_id in "abcabd":
        agents.count(agent_id, 10, 0.5)
    assert totals(agents) == {"a": 2, "b": 2, OTHER: 2}
    assert [one.tokens for _, one in agents.totals()] == [20, 20, 20]
    assert [one.cost_usd for _, one in agents.totals()] == [1, 1, 1]


def test_a_busy_agent_takes_the_place_of_a_quiet_one() -> None:
    now = [0.0]
    agents = TopAgents(lambda: now[0], places=2)
    for agent_id in "ab" + "b" * 9 + "c" * 20:
        agents.count(agent_id, 0, 0)
    now[0] = 61
    assert totals(agents) == {"b": 10, "c": 0, OTHER: 20}
    agents.count("c", 0, 0)
    assert totals(agents)["c"] == 1


def test_likes_do_not_swap_places_for_ever() -> None:
    now = [0.0]
    agents = TopAgents(lambda: now[0], places=1)
    for agent_id in "aabbb":
        agents.count(agent_id, 0, 0)
    now[0] = 61
    assert totals(agents) == {"a": 2, OTHER: 3}


def test_made_up_agents_cost_no_memory() -> None:
    agents = TopAgents(lambda: 0.0, places=5)
    for number in range(100_000):
        agents.count(f"agt_{number}", 1, 0)
    assert len(totals(agents)) == 6
    assert totals(agents)[OTHER] == 99_995
    assert len(agents._outside) <= 1_000
