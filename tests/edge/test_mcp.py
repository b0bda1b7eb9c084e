"""Who may reach `/mcp` from where: a page in a browser on this machine may not."""

import asyncio
from typing import Any

import pytest

from gateway.edge.mcp import is_mcp
from tests.support.mcp_path import mcp_path, request, result
from tests.support.upstream import ScriptedUpstream, json_answer


@pytest.mark.parametrize(
    ("path", "yes"), [("/mcp", True), ("/mcp/a", True), ("/mcpx", False), ("/v1/mcp", False), ("/", False)]
)
def test_paths(path: str, yes: bool) -> None:
    assert is_mcp(path) is yes


def post(**headers: str) -> Any:
    async def all_of_it() -> Any:
        async with ScriptedUpstream(json_answer(result())) as upstream, mcp_path(upstream.url) as world:
            answer = await world.post(request("ping"), **headers)
            assert (answer.status_code == 200) is bool(upstream.requests)
            return answer

    return asyncio.run(all_of_it())


@pytest.mark.parametrize("host", ["evil.example", "evil.example:4000", "127.0.0.1.evil.example", ""])
def test_a_host_that_is_not_served_is_misdirected(host: str) -> None:
    answer = post(host=host)
    assert answer.status_code in (400, 421)
    if host:
        assert answer.json()["error"]["data"]["code"] == "host_not_allowed" and answer.json()["id"] is None


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9", "127.0.0.1:4000"])
def test_hosts_that_are_served(host: str) -> None:
    assert post(host=host).status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://console.example.evil", "file://", "chrome-extension://localhost"]
)
def test_pages_of_other_origins_are_forbidden(origin: str) -> None:
    answer = post(origin=origin)
    assert answer.status_code == 403 and answer.json()["error"]["data"]["code"] == "host_not_allowed"


@pytest.mark.parametrize(
    "origin", ["http://localhost:6274", "http://127.0.0.1", "https://console.example", "HTTPS://Console.Example"]
)
def test_pages_of_this_machine_and_named_ones_may_ask(origin: str) -> None:
    assert post(origin=origin).status_code == 200
