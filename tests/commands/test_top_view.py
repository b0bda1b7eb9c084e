"""What `leuko top` makes of the admin API's answers."""

from typing import Any

from gateway.commands.top_view import Rates, called, in_order, mode_of


def agent(id: str, state: str = "HEALTHY", **more: Any) -> dict[str, Any]:
    totals = {"requests": 0, "input_tokens": 0, "output_tokens": 0}
    return {"agent_id": f"agt_{id}", "name": id, "state": state, "throttled": False, **totals, **more}


def test_rates_are_of_the_last_minute() -> None:
    rates = Rates()
    assert rates.of("agt_a") is None
    for second in range(0, 181, 2):
        # Once a second for two minutes, then not any more.
        rates.add(float(second), [agent("a", requests=min(second, 120), input_tokens=10 * min(second, 120))])
        if second == 0:
            assert rates.of("agt_a") is None
        if second == 2:
            assert rates.of("agt_a") == (60.0, 600.0)
    assert rates.of("agt_a") == (0.0, 0.0)


def test_an_agent_that_was_forgotten_begins_anew() -> None:
    rates = Rates()
    rates.add(0.0, [agent("a", requests=100)])
    rates.add(60.0, [agent("a", requests=1)])
    assert rates.of("agt_a") is None
    rates.add(120.0, [agent("a", requests=2)])
    assert rates.of("agt_a") == (1.0, 0.0)
    rates.add(180.0, [])
    rates.add(240.0, [agent("a", requests=3)])
    assert rates.of("agt_a") is None


def test_trouble_stands_first_then_the_busiest_and_rows_do_not_dance() -> None:
    rates = Rates()
    names = ["d", "c", "b", "a"]
    for now, busy in ((0.0, 0), (60.0, 5)):
        rates.add(now, [agent(name, requests=busy if name == "c" else 0) for name in names])
    states = {"b": "SUSPECTED", "d": "QUARANTINED"}
    agents = [agent(name, states.get(name, "HEALTHY")) for name in names] + [agent("z", throttled=True)]
    assert [one["name"] for one in in_order(agents, rates)] == ["d", "b", "z", "c", "a"]


def test_the_mode_is_everyones_or_where_policies_begin() -> None:
    policies = {"ops": ["NORMAL", "EMERGENCY"], "sre": ["CALM"], "other": []}
    assert mode_of({}) == "?"
    assert mode_of({"mode": None, "items": [], "policies": {}}) == "none"
    assert mode_of({"mode": None, "items": [], "policies": policies}) == "CALM/NORMAL"
    items = [{"scope": "everyone"}, {"scope": "team:ops"}]
    assert mode_of({"mode": "EMERGENCY", "items": items, "policies": policies}) == "EMERGENCY (+1 of a part)"


def test_an_agent_is_idby_its_name_or_its_id() -> None:
    agents = [agent("a"), agent("b", name=None)]
    assert called(agents, "agt_a") == "a"
    assert called(agents, "agt_b") == "agt_b"
    assert called(agents, "agt_7Q2W3E4R5T6Z") == "agt_7Q2W3E4R…"
    assert called(agents, None) == "the fleet"
