"""Fixtures every test may use; each comes from one module of `tests.support`."""

import pytest

from tests.support.redis import own_redis, redis_url, shared_redis

pytest.register_assert_rewrite("tests.support.expectations")  # it asserts in place of tests

__all__ = ["own_redis", "redis_url", "shared_redis"]
