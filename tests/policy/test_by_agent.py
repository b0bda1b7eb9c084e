"""What is worked out for an agent is kept until it changes."""

from dataclasses import replace

from gateway.model.agent import Agent
from gateway.policy.by_agent import ByAgent

AGENT = Agent("agt_1", owner_team="ops")


def test_it_is_worked_out_once_for_an_agent_until_that_changes() -> None:
    asked: list[str | None] = []

    def team(agent: Agent) -> str | None:
        asked.append(agent.owner_team)
        return agent.owner_team

    made = ByAgent(team)
    assert [made.of(AGENT), made.of(AGENT), made.of(replace(AGENT)), made.of(AGENT)] == ["ops"] * 4
    assert made.of(replace(AGENT, owner_team="dev")) == "dev"
    assert made.of(Agent("agt_2")) is None
    assert asked == ["ops", "dev", None]


def test_never_too_much_is_kept() -> None:
    asked: list[str] = []
    made = ByAgent(lambda agent: asked.append(agent.agent_id))
    for number in range(10_001):
        made.of(Agent(f"agt_{number}"))
    made.of(Agent("agt_10000"))
    assert len(asked) == 10_001
    made.of(Agent("agt_0"))
    assert len(asked) == 10_002, "the first was forgotten"
