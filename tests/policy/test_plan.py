from typing import Any

import pytest

from gateway.model.agent import Agent
from gateway.policy.document import parse_all
from gateway.policy.plan import Plans

PROVEN = Agent("agt_1", True, name="sre-1", credential_id="c1", owner_team="platform", environment="prod")
UNPROVEN = Agent("agt_2", credential_id="c2")


def plans(*matches: dict[str, Any] | None) -> Plans:
    limits = {"concurrent": 1}
    return Plans(parse_all(({"name": f"d{n}", "match": m, "limits": limits}, "x") for n, m in enumerate(matches)))


def subjects(of: Plans, agent: Agent) -> list[str]:
    return [holding.subject for holding in of.of(agent)]


@pytest.mark.parametrize(
    ("match", "proven", "unproven"),
    [
        (None, ["d0:agent:agt_1"], ["d0:credential:c2"]),
        ({"agents": ["sre-*"]}, ["d0:agent:agt_1"], []),
        ({"agents": ["agt_*"]}, ["d0:agent:agt_1"], ["d0:credential:c2"]),
        ({"teams": ["platform"]}, ["d0:team:platform"], []),
        ({"environments": ["prod"]}, ["d0:environment:prod"], []),
        ({"teams": ["platform"], "environments": ["prod"]}, ["d0:team:platform"], []),
        ({"teams": ["platform"], "environments": ["test"]}, [], []),
        ({"agents": ["sre-*"], "teams": ["platform"]}, ["d0:agent:agt_1"], []),
        ({"agents": ["sre-*"], "teams": ["other"]}, [], []),
    ],
)
def test_an_agent_is_counted_by_itself_or_with_those_the_document_names(
    match: dict[str, Any] | None, proven: list[str], unproven: list[str]
) -> None:
    of = plans(match)
    assert subjects(of, PROVEN) == proven
    assert subjects(of, UNPROVEN) == unproven


def test_all_matching_documents_hold_at_once() -> None:
    assert subjects(plans(None, {"teams": ["platform"]}), PROVEN) == ["d0:agent:agt_1", "d1:team:platform"]


def test_another_name_under_one_credential_is_the_same_subject() -> None:
    of = plans(None)
    assert len({subjects(of, Agent(f"agt_{n}", credential_id="c"))[0] for n in range(50)}) == 1


def test_budgets_come_first() -> None:
    raw = {"limits": {"concurrent": 1}, "budgets": {"tokens_per_day": 1}}
    of = Plans(parse_all([({"name": "a", **raw}, "x"), ({"name": "b", **raw}, "x")]))
    assert [holding.bound.budget for holding in of.of(PROVEN)] == [True, True, False, False]


def test_without_documents_nothing_holds() -> None:
    assert Plans().of(PROVEN) == ()
