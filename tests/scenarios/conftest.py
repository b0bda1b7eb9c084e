"""The deployment of a scenario, and an agent in it: under the POLICY, and of the TEAM, that the module names."""

from collections.abc import Iterator

import pytest

from gateway.sdk import CreatedAgent
from tests.scenarios.deployment import Deployment, deployed
from tests.support.redis import RedisServer


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest, shared_redis: RedisServer) -> Iterator[Deployment]:
    with deployed(shared_redis, request.module.POLICY) as one:
        yield one


@pytest.fixture(scope="module")
def agent(request: pytest.FixtureRequest, world: Deployment) -> CreatedAgent:
    return world.agent(request.module.TEAM)
