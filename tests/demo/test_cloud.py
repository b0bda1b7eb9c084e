"""The simulated cloud as an MCP server: the real client in both eras, and what a server must refuse."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from mcp import Client

from gateway.demo.cloud_tools import TOOLS
from gateway.wire.mcp import HANDSHAKE_VERSIONS, HEADER_MISMATCH, UNSUPPORTED_VERSION
from tests.support.cloud import RunningCloud, running_cloud

NEW = "2026-07-28"
META = {"io.modelcontextprotocol/protocolVersion": NEW, "io.modelcontextprotocol/clientCapabilities": {}}
LIST: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


@pytest.fixture(scope="module")
def running() -> Iterator[RunningCloud]:
    with running_cloud() as one:
        yield one


def post(running: RunningCloud, body: Any, path: str = "", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    sent: Any = {"content": body} if isinstance(body, bytes) else {"json": body}
    return httpx.post(running.url + path, headers=named, timeout=20, trust_env=False, **sent)


def stateless(running: RunningCloud, method: str, params: dict[str, Any] | None = None, **more: str) -> httpx.Response:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": META, **(params or {})}}
    return post(running, body, mcp_protocol_version=NEW, mcp_method=method, **more)


@pytest.mark.parametrize("mode", ["legacy", "auto", NEW])
def test_the_real_client_lists_and_calls(running: RunningCloud, mode: str) -> None:
    async def use() -> None:
        async with Client(running.url, mode=mode) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == list(TOOLS)
            told = await client.call_tool("get_service_status", {"service": "cache"})
            assert not told.is_error and '"healthy"' in told.content[0].text  # type: ignore[union-attr]
            failed = await client.call_tool("restart_service", {"service": "billing"})
            assert failed.is_error and "no service billing" in failed.content[0].text  # type: ignore[union-attr]

    asyncio.run(use())


@pytest.mark.parametrize("version", [*HANDSHAKE_VERSIONS, "1999-01-01"])
def test_versions_are_negotiated(running: RunningCloud, version: str) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": version}}
    agreed = post(running, body).json()["result"]["protocolVersion"]
    assert agreed == (version if version in HANDSHAKE_VERSIONS else HANDSHAKE_VERSIONS[-1])


def test_it_says_what_it_speaks_in_the_stateless_era(running: RunningCloud) -> None:
    found = stateless(running, "server/discover").json()["result"]
    assert (found["supportedVersions"], found["resultType"]) == ([NEW], "complete")
    assert stateless(running, "tools/list").json()["result"]["cacheScope"] == "public"


def test_notifications_are_taken_in(running: RunningCloud) -> None:
    answer = post(running, {"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (answer.status_code, answer.content) == (202, b"")
    assert post(running, {"jsonrpc": "2.0", "id": 7, "method": "ping"}).json()["result"] == {}


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{", {}, 400, -32700),
        (b'{"jsonrpc": "2.0", "id": 1, "id": 2, "method": "ping"}', {}, 400, -32700),
        (b'"ping"', {}, 400, -32600),
        ([], {}, 400, -32600),
        ([LIST], {"mcp_protocol_version": "2025-11-25"}, 400, -32600),
        ({**LIST, "method": "resources/list"}, {}, 200, -32601),
        ({**LIST, "method": "server/discover"}, {}, 200, -32601),
        ({**LIST, "method": "tools/call", "params": {"name": "reboot"}}, {}, 400, -32602),
        ({**LIST, "method": "tools/call", "params": {"name": "get_fleet", "arguments": []}}, {}, 400, -32602),
        (LIST, {"mcp_protocol_version": "1999-01-01"}, 400, UNSUPPORTED_VERSION),
        (LIST, {"mcp_protocol_version": NEW, "mcp_method": "tools/list"}, 400, -32602),
        (LIST, {"mcp_method": "tools/call"}, 400, HEADER_MISMATCH),
        ({**LIST, "params": {"x": 1024 * 1024 * "x"}}, {}, 413, -32600),
        (LIST, {"origin": "https://evil.example"}, 403, -32600),
    ],
)
def test_what_is_wrong_is_refused(
    running: RunningCloud, body: Any, headers: dict[str, str], status: int, code: int
) -> None:
    answer = post(running, body, **headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_batch_is_answered_in_its_order(running: RunningCloud) -> None:
    note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    batch = [{**LIST, "method": "ping"}, note, {**LIST, "id": 2, "method": "reboot"}]
    answers = post(running, batch).json()
    assert [answer["id"] for answer in answers] == [1, 2]
    assert answers[0]["result"] == {} and answers[1]["error"]["code"] == -32601
    assert post(running, [note]).status_code == 202


def test_a_method_of_the_other_era_is_unknown(running: RunningCloud) -> None:
    assert stateless(running, "initialize").status_code == 404


def test_pages_of_this_machine_may_ask(running: RunningCloud) -> None:
    assert post(running, LIST, origin="http://localhost:3000").status_code == 200


def test_nothing_is_served_elsewhere(running: RunningCloud) -> None:
    assert post(running, LIST, path="/other").status_code == 404
    refused = httpx.get(running.url, timeout=20, trust_env=False)
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
