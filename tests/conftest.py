"""Fixtures every test may use; each comes from one module of `tests.support`."""

import pytest

from tests.support.redis import own_redis, redis_url, shared_redis
from tests.support.redis_sets import own_cluster, sentinels, shared_cluster

pytest.register_assert_rewrite("tests.support.expectations")  # it asserts in place of tests

__all__ = ["own_cluster", "own_redis", "redis_url", "sentinels", "shared_cluster", "shared_redis"]
