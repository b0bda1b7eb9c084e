from gateway.model.agent import Agent
from gateway.store.sighting import LONGEST_NAME, TOOLS, Sighting, add_names, amount
from gateway.store.vitals import Kept


def make(time: float, requests: int, *, ok: bool, client: str | None, tools: set[str]) -> Sighting:
    sighting = Sighting(Agent("agt_1"), time)
    sighting.requests = requests
    sighting.ok = ok
    sighting.client = client
    sighting.tools = tools
    return sighting


def test_an_earlier_sighting_is_taken_over_whole() -> None:
    newer = make(20.0, 2, ok=False, client="new", tools={"a"})
    newer.absorb(make(10.0, 3, ok=True, client="old", tools={"b"}))
    assert (newer.first, newer.last, newer.requests, newer.ok) == (10.0, 20.0, 5, True)
    assert (newer.client, newer.tools) == ("new", {"a", "b"})


def test_names_stay_bounded() -> None:
    names: set[str] = set()
    add_names(names, (f"{n}" * LONGEST_NAME for n in range(10_000)), TOOLS)
    assert len(names) == TOOLS
    assert max(map(len, names)) == LONGEST_NAME


def test_arguments_are_what_the_script_takes() -> None:
    sighting = make(1.5, 2, ok=True, client=None, tools={"\ud800" + "x" * 999})
    sighting.number = 7
    sighting.input_tokens = -1
    sighting.cost = 12
    assert sighting.arguments("ab12", Kept(5, 60)) == [
        *("ab12", 7, 1, 1500, 1500, 2, 0, 0, 12),
        *(2, "agent_id", "agt_1", "verified", 0),
        *(20, 0),
        *(100, 1, b"?" + b"x" * (LONGEST_NAME - 1)),
        *(20, 0),
        *(5, 60, 0),
    ]


def test_an_amount_is_one_that_redis_can_add() -> None:
    assert [amount(n) for n in (-3, 0, 5, 10**30)] == [0, 0, 5, 10**12]
