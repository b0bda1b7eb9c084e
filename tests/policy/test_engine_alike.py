"""Agents under the same documents share what these come to, or a crowd of them would take kilobytes each."""

import pytest

from gateway.model.agent import Agent
from gateway.policy import engine as engines
from gateway.policy.document import parse
from gateway.policy.engine import Engine
from gateway.policy.question import Facts, Question

DOCUMENTS = [
    parse({"name": "all", "deny": ["drop *"]}, "a test"),
    parse({"name": "ops", "match": {"teams": ["ops"]}, "deny": ["restart *"]}, "a test"),
    parse({"name": "one", "match": {"agents": ["agt_1"]}, "deny": ["delete *"]}, "a test"),
]


def denied(engine: Engine, agent: Agent) -> list[str]:
    facts, rules = Facts(agent, 0.0, {}), engine.of(agent)
    told = (rules.judge_call(Question(tool, {}), facts) for tool in ("drop_table", "restart_web", "delete_disk"))
    return [verdict.rule for verdict in told if not verdict.allowed]


def test_agents_under_the_same_documents_share_their_rules() -> None:
    engine = Engine(DOCUMENTS)
    crowd = [Agent(f"agt_{number}", verified=True, owner_team="ops" if number % 2 else None) for number in range(100)]
    assert len({id(engine.of(agent)) for agent in crowd}) == 3
    assert denied(engine, crowd[0]) == ["all/deny/0"]
    assert denied(engine, crowd[1]) == ["all/deny/0", "ops/deny/0", "one/deny/0"]
    assert denied(engine, crowd[3]) == ["all/deny/0", "ops/deny/0"]


def test_never_too_much_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_MOST_ALIKE", 2)
    engine = Engine(DOCUMENTS)
    for _ in range(2):
        for agent in (Agent("agt_0"), Agent("agt_1"), Agent("agt_2", owner_team="ops"), Agent("agt_1", name="other")):
            assert denied(engine, agent)[0] == "all/deny/0"
            assert len(engine._alike) <= 2
