"""Bodies on their way in."""

import asyncio
import gzip
import json
import zlib
from typing import Any

import pytest
import zstandard

from tests.support.path import running_path
from tests.support.raw_http import RawConnection
from tests.support.upstream import Conversation, Request, ScriptedUpstream, event, json_answer

CHAT = "/v1/chat/completions"
BODY = b'{ "model": "m",\t"messages": [], "temperature": 1.00, "seed": 123456789012345678901, "x": "\\u00e9" }'


@pytest.mark.parametrize(
    ("encoding", "coded"),
    [
        ("gzip", gzip.compress(BODY, mtime=0)),
        ("zstd", zstandard.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
    ],
)
async def test_a_compressed_body_is_judged_decoded_and_travels_as_received(encoding: str, coded: bytes) -> None:
    async with ScriptedUpstream(json_answer({"choices": []})) as upstream, running_path(upstream.url) as path:
        answer = await path.client.post(CHAT, content=coded, headers={"content-encoding": encoding})
        seen = await path.sightings.settled()
    assert answer.status_code == 200
    assert upstream.requests[0].body == coded
    assert upstream.requests[0].header("content-encoding") == encoding
    assert seen.vitals.model == "m"


async def test_a_bomb_is_refused() -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    async with running_path() as path:
        answer = await path.client.post(CHAT, content=bomb, headers={"content-encoding": "gzip"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "payload_too_large")


async def test_the_limit_of_a_body_counts_once_it_is_decoded() -> None:
    ask = json.dumps({"model": "stub-echo", "messages": [{"role": "user", "content": "x" * 2000}]}).encode()
    coded = gzip.compress(ask)
    headers = {"content-encoding": "gzip"}
    statuses = []
    for limit in (len(ask), len(ask) - 1):
        assert len(coded) < limit
        async with running_path(judged_limit=limit) as path:
            statuses.append((await path.client.post(CHAT, content=coded, headers=headers)).status_code)
    assert statuses == [200, 413]


async def test_a_body_that_need_not_change_arrives_as_it_was_sent() -> None:
    async with ScriptedUpstream(json_answer({"choices": []})) as upstream, running_path(upstream.url) as path:
        await path.client.post(CHAT, content=BODY)
    assert upstream.requests[0].body == BODY


async def test_a_relayed_body_is_not_read_as_anything() -> None:
    body = b"\x00\xff not json"
    async with ScriptedUpstream(json_answer({})) as upstream, running_path(upstream.url, judged_limit=5) as path:
        answer = await path.client.post("/v1/files", content=body, headers={"content-encoding": "gzip"})
    assert answer.status_code == 200
    assert upstream.requests[0].body == body
    assert upstream.requests[0].header("content-length") == str(len(body))


async def test_a_chunked_relayed_body_stays_chunked() -> None:
    async def parts():
        yield b"one"
        yield b"two"

    async with ScriptedUpstream(json_answer({})) as upstream, running_path(upstream.url) as path:
        await path.client.post("/v1/files", content=parts())
    assert upstream.requests[0].body == b"onetwo"
    assert upstream.requests[0].header("transfer-encoding") == "chunked"


@pytest.mark.parametrize("path_of", [CHAT, "/v1/files"])
async def test_a_body_past_the_limit_is_refused_before_it_is_read(path_of: str) -> None:
    async with ScriptedUpstream(json_answer({})) as upstream:
        async with running_path(upstream.url, judged_limit=100, relayed_limit=100) as path:
            answer = await path.client.post(path_of, content=b"x" * 101)
        assert not upstream.requests
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "payload_too_large")
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("path_of", [CHAT, "/v1/files"])
async def test_a_body_that_says_it_is_too_large_is_not_waited_for(path_of: str) -> None:
    async with (
        running_path(judged_limit=100, relayed_limit=100) as path,
        await RawConnection.open(path.address) as caller,
    ):
        await caller.send(f"POST {path_of} HTTP/1.1\r\nhost: x\r\ncontent-length: 101\r\n\r\n".encode())
        answer = await caller.response()
    assert (answer.status, answer.json()["error"]["code"]) == (413, "payload_too_large")


async def test_a_body_that_grows_past_the_limit_is_refused() -> None:
    async def endless():
        for _ in range(30):
            yield json.dumps("x" * 8).encode()

    async with running_path(judged_limit=100) as path:
        answer = await path.client.post(CHAT, content=endless())
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "payload_too_large")


async def test_a_stored_answer_is_asked_for_without_a_body_to_read() -> None:
    stored = {"id": "resp_1", "object": "response", "status": "completed", "output": []}
    async with ScriptedUpstream(json_answer(stored)) as upstream, running_path(upstream.url) as path:
        answer = await path.client.get("/v1/responses/resp_1")
    assert answer.json() == stored
    assert upstream.requests[0].target == b"/v1/responses/resp_1"


async def test_bodies_count_until_their_provider_answers_and_more_than_fits_is_refused() -> None:
    ask = {"model": "m", "messages": [{"role": "user", "content": "x" * 600}], "stream": True}
    begin = asyncio.Event()

    async def late(request: Request, talk: Conversation) -> None:
        await begin.wait()
        await talk.start()
        await talk.chunk(event({"choices": []}))
        await talk.hang()

    async with ScriptedUpstream(late) as upstream, running_path(upstream.url, bodies_limit=1000) as path:
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(path.client.send(path.client.build_request("POST", CHAT, json=ask), stream=True))
            await upstream.arrived()
            refused = await path.client.post(CHAT, json=ask)
            begin.set()
        assert path.bodies.used == 0
        await first.result().aclose()
        await path.sightings.settled(2)
        assert path.bodies.used == 0
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
    assert refused.headers["retry-after"] == "2"


async def test_a_large_request_is_forgotten_once_it_is_on_its_way() -> None:
    tool = {"type": "function", "function": {"name": "get_status", "description": "x" * 70_000}}
    ask = {"model": "m", "messages": [{"role": "tool", "tool_call_id": "c", "content": "y"}], "tools": [tool]}

    async def look(request: Request, talk: Conversation) -> None:
        (exchange,) = path.pipeline.active
        seen.append((exchange.plain, exchange.body, exchange.ask))
        await talk.json({"choices": []})

    seen: list[Any] = []
    async with ScriptedUpstream(look) as upstream, running_path(upstream.url) as path:
        await path.client.post(CHAT, json=ask)
        settled = await path.sightings.settled()
    ((plain, body, kept),) = seen
    assert (plain, body, kept.document, kept.results) == (b"", None, {}, ())
    assert settled.tools == ("get_status",)
    assert settled.vitals.input_tokens > 17_000
