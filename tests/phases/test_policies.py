import asyncio

import pytest

from gateway.model.agent import Agent
from gateway.model.exchange import Exchange, Request
from gateway.model.route import Route
from gateway.phases.policies import Policies, in_force
from gateway.policy.document import parse


def exchange() -> Exchange:
    request = Request("POST", "/v1/chat/completions", b"", [], {}, "127.0.0.1")
    return Exchange(
        "req_1", request, Route("chat", "/chat/completions"), asyncio.get_running_loop().create_future(), 0.0
    )


async def test_an_exchange_goes_on_under_the_policies_it_began_with() -> None:
    policies = Policies(old := in_force([parse({"name": "old", "limits": {"concurrent": 1}}, "x")]))
    begun = exchange()
    assert policies.of(begun) is old
    policies.current = new = in_force([parse({"name": "new", "limits": {"concurrent": 2}}, "x")])
    assert policies.of(begun) is old
    assert policies.of(exchange()) is new


async def test_bounds_and_rules_are_of_the_same_documents() -> None:
    found = Policies(in_force([parse({"name": "ops", "limits": {"concurrent": 1}}, "x")])).of(exchange())
    assert [document.name for document in found.engine.documents] == ["ops"]
    assert [holding.document for holding in found.plans.of(Agent("agt_1"))] == ["ops"]


@pytest.mark.parametrize("policies", [Policies(), Policies(in_force())])
async def test_without_documents_nothing_is_bounded_or_judged(policies: Policies) -> None:
    found = policies.of(exchange())
    assert found.engine.of(Agent("agt_1")).idle
    assert found.plans.of(Agent("agt_1")) == ()
