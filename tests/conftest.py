"""Fixtures every test may use; each comes from one module of `tests.support`."""

from tests.support.redis import own_redis, redis_url, shared_redis

__all__ = ["own_redis", "redis_url", "shared_redis"]
