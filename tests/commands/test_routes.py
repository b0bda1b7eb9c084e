"""`leuko routes`."""

from tests.commands.conftest import Leuko, read


def test_an_agent_is_routed_and_let_go(leuko: Leuko) -> None:
    agent = read(leuko("agents", "list", "-o", "json"))[0]["agent_id"]
    assert read(leuko("routes", "create", agent, "stub", "-o", "json")) == {"agent_id": agent, "provider": "stub"}
    assert read(leuko("routes", "list", "-o", "json")) == [{"agent_id": agent, "provider": "stub"}]
    assert agent in leuko("routes", "list").stdout
    assert read(leuko("routes", "delete", agent, "-o", "json")) == {"done": f"deleted the route of {agent}"}
    assert read(leuko("routes", "list", "-o", "json")) == []
    assert leuko("routes", "delete", agent).stdout == f"there was no route of {agent}\n"
