"""Fixtures every test may use; each comes from one module of `tests.support`."""

import gc
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.measuring import Measuring
from tests.support.prepared import end_prepared
from tests.support.redis import own_redis, redis_url, shared_redis
from tests.support.redis_sets import own_cluster, sentinels, shared_cluster
from tests.support.trust import share_trust

pytest.register_assert_rewrite("tests.support.expectations")  # it asserts in place of tests
settings.register_profile("tests", deadline=None)  # a busy machine is no fault
settings.load_profile("tests")

__all__ = ["own_cluster", "own_redis", "redis_url", "sentinels", "shared_cluster", "shared_redis"]

# These rooms need no process and no server: their many short files come last, so that none of the long ones does.
QUICK = tuple(f"tests/{room}/" for room in ("identity", "ledger", "model", "policy", "pricing", "wire"))

# Whole gateways under load, or for a whole story: what they run, quicker tests measure.
UNMEASURED = ("tests/faults/", "tests/scenarios/")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Measuring())
    share_trust()
    gc.disable()  # until everything is collected, nothing is garbage


def pytest_collection_finish() -> None:
    """Thousands of tests, looked through for cycles again and again, would take longer than most of them."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long starts first; otherwise one worker would wait for the other at the end."""
    items.sort(key=lambda item: item.nodeid.startswith(QUICK))
    for item in items:
        if item.nodeid.startswith(UNMEASURED):
            item.add_marker("exhaustive")


@pytest.fixture(scope="session", autouse=True)
def _ended() -> Iterator[None]:
    """The last thing to go, and before coverage is put together."""
    yield
    end_prepared()
