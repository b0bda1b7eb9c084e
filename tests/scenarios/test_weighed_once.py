"""What is approved and counted when a model proposes it is not asked about and counted again when it is executed."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway.sdk import CreatedAgent
from tests.scenarios.loop import WEIGHED, Answered, Loop
from tests.support.gateway import eventually

CACHE = {"service": "cache"}
RESTART = ("restart_service", CACHE)
ROLLBACK = ("rollback_deploy", {"service": "api-gateway"})


@pytest.fixture
def agent(loop: Loop) -> CreatedAgent:
    return loop.agent(WEIGHED)


def approved(loop: Loop, agent: CreatedAgent, call: tuple[str, Any]) -> Answered:
    """What a model proposes for the second time, once a person has approved it."""
    assert not loop.propose(agent, call).allowed
    (approval,) = loop.waiting(agent)
    loop.approve(approval)
    return loop.propose(agent, call)


def test_a_person_is_asked_once_about_a_call_that_is_proposed_and_then_executed(
    loop: Loop, agent: CreatedAgent
) -> None:
    assert approved(loop, agent, RESTART).allowed
    assert loop.execute(agent, *RESTART, at=1).allowed
    assert loop.waiting(agent) == [] and loop.cloud.executed() == [RESTART]
    assert not loop.execute(agent, *RESTART).allowed
    assert len(loop.waiting(agent)) == 1 and len(loop.cloud.executed()) == 1


@pytest.mark.parametrize(
    ("arguments", "server", "same_agent"),
    [({"service": "database"}, "cloud", True), (CACHE, "vault", True), (CACHE, "cloud", False)],
)
def test_an_approval_is_for_this_call_of_this_agent_alone(
    loop: Loop, agent: CreatedAgent, arguments: dict[str, Any], server: str, same_agent: bool
) -> None:
    assert approved(loop, agent, ("mcp__cloud__restart_service", CACHE)).allowed
    who = agent if same_agent else loop.agent(WEIGHED)
    assert not loop.execute(who, "restart_service", arguments, server=server).allowed
    assert loop.cloud.executed() == loop.vault.executed() == []


def test_a_call_that_was_not_proposed_waits_for_a_person_at_the_server(loop: Loop, agent: CreatedAgent) -> None:
    assert not loop.execute(agent, *RESTART).allowed
    (approval,) = loop.waiting(agent)
    loop.approve(approval)
    assert [loop.execute(agent, *RESTART).allowed for _ in range(2)] == [True, False]


def test_a_denial_that_a_person_lifted_stays_lifted_for_this_call(loop: Loop, agent: CreatedAgent) -> None:
    with ThreadPoolExecutor() as threads:
        proposing = threads.submit(loop.propose, agent, ROLLBACK)
        eventually(lambda: len(loop.waiting(agent)) == 1)
        (approval,) = loop.waiting(agent)
        loop.approve(approval)
        assert proposing.result().allowed
    assert loop.execute(agent, *ROLLBACK, at=1).allowed and loop.waiting(agent) == []
    loop.cloud.cloud.services["api-gateway"].releases.append("1.9.0")


def test_a_denial_that_was_written_since_counts(loop: Loop, agent: CreatedAgent) -> None:
    assert approved(loop, agent, RESTART).allowed
    assert loop.propose(agent, ("scale_fleet", {"count": 2})).allowed
    loop.admin.set_policy(agent.agent_id, deny=["restart:service", "scale:fleet"])
    assert not loop.execute(agent, *RESTART).allowed
    assert not loop.execute(agent, "scale_fleet", {"count": 2}).allowed
    assert loop.cloud.executed() == []


def test_amounts_are_added_up_once(loop: Loop, agent: CreatedAgent) -> None:
    for count in (2, 3):
        assert loop.propose(agent, ("scale_fleet", {"count": count})).allowed
    for count in (3, 2):
        assert loop.execute(agent, "scale_fleet", {"count": count}).allowed
    for count in (1, 2, 3):
        assert "adds up to more than 5" in loop.execute(agent, "scale_fleet", {"count": count}).text
        assert "adds up to more than 5" in loop.propose(agent, ("scale_fleet", {"count": count})).text
    assert [arguments["count"] for _, arguments in loop.cloud.executed()] == [3, 2]


def test_amounts_that_nobody_proposed_are_added_up_at_the_server(loop: Loop, agent: CreatedAgent) -> None:
    assert [loop.execute(agent, "scale_fleet", {"count": 2}, at=at).allowed for at in (0, 1, 0)] == [True, True, False]
