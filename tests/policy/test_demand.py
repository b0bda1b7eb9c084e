from typing import Any

from gateway.model.agent import Agent
from gateway.policy.demand import Demand, claims_of
from gateway.policy.document import parse
from gateway.policy.plan import Plans


def amounts(demand: Demand, **sections: Any) -> dict[str, tuple[float, float]]:
    holdings = Plans([parse({"name": "d", **sections}, "x")]).of(Agent("agt_1"))
    return {claim.bound.name: (claim.base, claim.per) for claim in claims_of(holdings, demand)}


def test_each_measure_claims_what_it_counts() -> None:
    limits = {"requests_per_minute": 9, "tokens_per_minute": 9000, "tool_calls_per_minute": 9, "concurrent": 9}
    budgets = {"tokens_per_day": 9, "usd_per_month": 9, "tool_calls_per_conversation": 9}
    demand = Demand(100, 2, 50, True, "conv", fixed_cost=7.5, token_cost=0.25)
    assert amounts(demand, limits=limits, budgets=budgets) == {
        "tokens_per_day": (100, 2),
        "usd_per_month": (7.5, 0.5),
        "tool_calls_per_conversation": (1, 0),
        "requests_per_minute": (1, 0),
        "tokens_per_minute": (200, 0),
        "tool_calls_per_minute": (1, 0),
        "concurrent": (1, 0),
    }


def test_a_maximum_beyond_the_minute_claims_the_whole_minute_and_text_beyond_it_cannot_fit() -> None:
    limits = {"tokens_per_minute": 1000}
    assert amounts(Demand(100, 1, 50_000), limits=limits) == {"tokens_per_minute": (1000, 0)}
    assert amounts(Demand(1001, 1, 50), limits=limits) == {"tokens_per_minute": (1001, 0)}


def test_a_relayed_request_counts_as_a_request_and_no_more() -> None:
    limits, budgets = {"requests_per_minute": 9, "tokens_per_minute": 9}, {"tool_calls_per_conversation": 9}
    assert amounts(Demand(), limits=limits, budgets=budgets) == {
        "requests_per_minute": (1, 0),
        "tokens_per_minute": (0, 0),
    }
