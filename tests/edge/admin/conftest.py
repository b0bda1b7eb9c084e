"""One gateway that five agents have used."""

import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.gateway import ADMIN_KEY, GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer


@pytest.fixture(scope="package")
def gateway(shared_redis: RedisServer) -> Iterator[GatewayProcess]:
    env = {"GATEWAY_REDIS_URL": shared_redis.url, "GATEWAY_REDIS_PREFIX": f"adm{secrets.token_hex(4)}:"}
    with running_gateway("--stub", env=env) as one:
        for number in range(5):
            ask = {"model": "stub-echo", "messages": [{"role": "user", "content": "Hello"}]}
            headers = {"authorization": f"Bearer sk-agent-0123456789-{number}", "user-agent": f"agent/{number}"}
            httpx.post(f"{one.url}/v1/chat/completions", json=ask, headers=headers)
        eventually(lambda: len(one.admin("/agents").json()["items"]) == 5)
        yield one


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem document of an error with this status."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    return document


def send(
    gateway: GatewayProcess, method: str, path: str, content: object = None, *, key: str = ADMIN_KEY, **headers: str
) -> httpx.Response:
    """Any request with any headers; text is sent as YAML, anything else as JSON."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    given: dict[str, Any] = {"json": content} if content is not None else {}
    if isinstance(content, str):
        named["content-type"] = "application/yaml"
        given = {"content": content}
    url = f"{gateway.url}/api/gateway{path}"
    return httpx.request(method, url, headers={"x-admin-key": key, **named}, timeout=20, **given)
