"""`/agents`, over a real gateway and Redis."""

from gateway.edge.admin.agents import rfc3339
from tests.support.gateway import GatewayProcess


def test_an_agent_shows_what_was_seen_of_it(gateway: GatewayProcess) -> None:
    items = gateway.admin("/agents").json()["items"]
    one = next(item for item in items if item["client"] == "agent/3")
    assert one == gateway.admin(f"/agents/{one['agent_id']}").json()
    assert one["agent_id"].startswith("agt_")
    assert (one["verified"], one["models"], one["providers"], one["requests"]) == (False, ["stub-echo"], ["stub"], 1)
    assert (one["credential"], one["input_tokens"] > 0, one["output_tokens"] > 0) == ("…89-3", True, True)
    assert one["first_seen"].endswith("Z") and one["first_seen"] <= one["last_seen"]


def test_every_agent_stands_on_one_page(gateway: GatewayProcess) -> None:
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = gateway.admin(f"/agents?limit=2{f'&cursor={cursor}' if cursor else ''}").json()
        seen += [item["agent_id"] for item in page["items"]]
        assert len(page["items"]) <= 2
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 5


def test_some_agents_are_asked_for_by_their_ids(gateway: GatewayProcess) -> None:
    first, *_, last = [item["agent_id"] for item in gateway.admin("/agents").json()["items"]]
    page = gateway.admin(f"/agents?agent_id={last}&agent_id=agt_nobody&agent_id={first}&agent_id={last}").json()
    assert [item["agent_id"] for item in page["items"]] == [last, first]
    assert page["next_cursor"] is None
    assert gateway.admin("/agents?" + "&".join(["agent_id=a"] * 101)).status_code == 422


def test_times_are_utc_with_a_z() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
    assert rfc3339(1795200274.875) == "2026-11-20T18:44:34.875Z"
