"""From a path to an exchange."""

import asyncio

import pytest

from gateway.edge import data_plane
from tests.support.path import running_path
from tests.support.raw_http import RawConnection
from tests.support.upstream import ScriptedUpstream, json_answer


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        ("/nowhere", 404, "not_found"),
        ("/v1/../x", 400, "invalid_request"),
        ("/v1/chat%2Fcompletions", 400, "invalid_request"),
    ],
)
async def test_a_path_that_is_not_ours_is_refused_with_a_request_id(target: str, status: int, code: str) -> None:
    async with running_path() as path, await RawConnection.open(path.address) as caller:
        await caller.send(f"POST {target} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n".encode())
        answer = await caller.response()
    assert (answer.status, answer.json()["error"]["code"]) == (status, code)
    assert answer.header("x-gateway-request-id") and answer.header("x-gateway-agent-id")


@pytest.mark.parametrize("target", ["/v1/responses", "/responses", "/v1/realtime", "/nowhere"])
async def test_a_websocket_is_told_at_once_to_use_http(target: str) -> None:
    async with running_path() as path, await RawConnection.open(path.address) as caller:
        head = f"GET {target} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
        await caller.send(f"{head}sec-websocket-version: 13\r\nsec-websocket-key: AAAA\r\n\r\n".encode())
        answer = await caller.response()
    assert (answer.status, answer.json()["error"]["code"]) == (426, "upgrade_unsupported")


async def test_remembered_paths_do_not_grow_with_what_callers_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_plane, "_CACHED_PATHS", 5)
    async with running_path() as path:
        asked = [path.client.get(f"/v1/models/stub-{number}") for number in range(20)]
        statuses = [answer.status_code for answer in await asyncio.gather(*asked)]
        plane = path.server._listeners[0].app
    assert len(statuses) == 20
    assert len(plane._routes) <= 5


@pytest.mark.parametrize("codings", [("gzip", "identity"), ("identity", "gzip"), ("gzip", "gzip")])
async def test_codings_on_two_lines_are_codings_on_top_of_each_other(codings: tuple[str, str]) -> None:
    headers = [("content-encoding", coding) for coding in codings]
    async with running_path() as path:
        answer = await path.client.post("/v1/chat/completions", content=b'{"model":"stub-echo"}', headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
    assert "several codings" in answer.text


async def test_repeated_headers_do_not_disturb_and_reach_the_provider_as_they_came() -> None:
    sent = [("anthropic-beta", "a"), ("x-agent-id", "planner"), ("anthropic-beta", "b")]
    async with ScriptedUpstream(json_answer({"choices": []})) as upstream, running_path(upstream.url) as path:
        repeated = await path.client.post("/v1/chat/completions", json={"model": "m"}, headers=sent)
        once = await path.client.post("/v1/chat/completions", json={"model": "m"}, headers=sent[:2])
    assert upstream.requests[0].all("anthropic-beta") == ["a", "b"]
    assert repeated.headers["x-gateway-agent-id"] == once.headers["x-gateway-agent-id"]
