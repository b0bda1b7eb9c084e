"""`leuko agents`."""

from tests.commands.conftest import Leuko, read


def test_an_agent_is_made_changed_shown_and_deleted(leuko: Leuko) -> None:
    made = read(leuko("agents", "create", "billing", "--owner-team", "money", "-o", "json"))
    agent = made["agent_id"]
    assert (made["name"], made["owner_team"], made["verified"]) == ("billing", "money", True)
    leuko("agents", "update", agent, code=2)
    changed = read(leuko("agents", "update", agent, "--inactive", "--environment", "prod", "-o", "json"))
    assert (changed["active"], changed["environment"], changed["owner_team"]) == (False, "prod", "money")
    assert "billing" in leuko("agents", "show", agent).stdout
    assert leuko("agents", "delete", agent).stdout == f"deleted {agent}\n"
    assert leuko("agents", "delete", agent).stdout == f"there was no agent {agent}\n"
    leuko("agents", "show", agent, code=1)


def test_agents_are_listed_as_a_table_or_as_json(leuko: Leuko) -> None:
    head, *rows = leuko("agents", "list").stdout.splitlines()
    assert head.split()[:4] == ["AGENT_ID", "NAME", "VERIFIED", "STATE"] and len(rows) >= 2
    assert {item["client"] for item in read(leuko("agents", "list", "-o", "json"))} >= {"agent/0", "agent/1"}


def test_agents_are_merged_and_split_again_and_have_vitals(leuko: Leuko) -> None:
    first, second = (item["agent_id"] for item in read(leuko("agents", "list", "-o", "json")) if not item["verified"])
    assert read(leuko("agents", "merge", first, second, "-o", "json"))["agent_id"]
    leuko("agents", "split", second)
    assert "stub-echo" in leuko("agents", "vitals", first).stdout
