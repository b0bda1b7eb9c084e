import asyncio

import pytest

from gateway.immune.prescription import NOTHING, Prescription
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


async def test_an_agent_that_is_treated_has_a_set_of_its_own_until_that_ends() -> None:
    prescribed = {"agt_1": Prescription(("throttle",), concurrent=1)}
    policies = Policies(prescribed=lambda agent_id: prescribed.get(agent_id, NOTHING))
    treated, other = Agent("agt_1"), Agent("agt_2")
    assert policies.about(other) is policies.current
    begun = exchange()
    begun.agent = treated
    found = policies.of(begun)
    assert found.treatment is not None and found.treatment.prescription is prescribed["agt_1"]
    assert policies.about(other) is policies.current
    prescribed["agt_1"] = Prescription(("throttle",), concurrent=1)
    assert policies.about(treated) is found  # compiled once
    prescribed["agt_1"] = Prescription(("throttle",), concurrent=2)
    assert policies.about(treated) is not found
    prescribed["agt_1"] = Prescription(("restart_container",), once=("restart_container",))
    assert policies.about(treated) is policies.current
    prescribed.clear()
    assert policies.about(treated) is policies.current
    assert policies.of(begun) is found


def test_a_treated_agent_is_under_new_documents_at_once() -> None:
    treated = Agent("agt_1")
    policies = Policies(prescribed=lambda agent_id: Prescription(("throttle",), concurrent=1))
    assert len(policies.about(treated).plans.of(treated)) == 1
    policies.current = in_force([parse({"name": "new", "limits": {"concurrent": 2}}, "x")])
    assert [one.document for one in policies.about(treated).plans.of(treated)] == ["new", "immune"]
