"""Intents as the settings want them, over real gateways; the loop itself is in `tests/phases/test_releasing.py`."""

from pathlib import Path

import httpx
import pytest

from tests.support.gateway import running_gateway
from tests.support.redis import RedisServer


@pytest.mark.parametrize(("enforcement", "status"), [("enforce", 403), ("shadow", 200)])
def test_a_bad_intent_token_is_refused_unless_all_is_in_shadow(
    shared_redis: RedisServer, tmp_path: Path, enforcement: str, status: int
) -> None:
    env = {
        "GATEWAY_REDIS_URL": shared_redis.url,
        "GATEWAY_REDIS_PREFIX": f"judging-{enforcement}:",
        "GATEWAY_DATA_DIR": str(tmp_path),
        "GATEWAY_ENFORCEMENT": enforcement,
    }
    with running_gateway("--stub", env=env) as gateway:
        answer = httpx.post(
            f"{gateway.url}/v1/chat/completions",
            json={"model": "stub-echo", "messages": [{"role": "user", "content": "Hello"}]},
            headers={"authorization": "Bearer sk-test", "x-intent-token": "no token"},
            timeout=20,
        )
    assert answer.status_code == status, answer.text
