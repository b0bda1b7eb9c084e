"""The deployment of a scenario, and an agent in it: under the POLICY, and of the TEAM, that the module names. There is
one loop for all modules.
"""

from collections.abc import Iterator

import pytest

from gateway.sdk import CreatedAgent
from tests.scenarios.deployment import Deployment, deployed
from tests.scenarios.loop import Loop, running_loop
from tests.support.redis import RedisServer


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest, shared_redis: RedisServer) -> Iterator[Deployment]:
    with deployed(shared_redis, request.module.POLICY) as one:
        yield one


@pytest.fixture(scope="module")
def agent(request: pytest.FixtureRequest, world: Deployment) -> CreatedAgent:
    return world.agent(request.module.TEAM)


@pytest.fixture(scope="session")
def _loop(shared_redis: RedisServer) -> Iterator[Loop]:
    with running_loop(shared_redis) as one:
        yield one


@pytest.fixture
def loop(_loop: Loop) -> Loop:
    """With clouds that nobody has called yet."""
    for running in (_loop.cloud, _loop.vault, _loop.guarded):
        running.cloud.calls.clear()
        running.heads.clear()
        running.meta.clear()
    return _loop
