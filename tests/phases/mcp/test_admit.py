"""What may be posted, and what is found in it."""

import asyncio
import gzip
import json
from typing import Any

import pytest

from gateway.model.exchange import Exchange
from tests.support.mcp_path import NEW, call, mcp_path, request, result
from tests.support.upstream import ScriptedUpstream, json_answer


def run(steps: Any, *documents: Any, **options: Any) -> None:
    async def all_of_it() -> None:
        answer = json_answer(result())
        async with ScriptedUpstream(answer) as upstream, mcp_path(upstream.url, *documents, **options) as world:
            await steps(world, upstream)

    asyncio.run(all_of_it())


@pytest.mark.parametrize("body", [b"{", b'{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}', b"[]", b"5"])
def test_what_cannot_be_read_goes_nowhere(body: bytes) -> None:
    async def steps(world: Any, upstream: Any) -> None:
        answer = await world.post(body)
        assert answer.status_code == 400 and answer.json()["error"]["code"] in (-32700, -32600)
        assert upstream.requests == [] and world.bodies.used == 0

    run(steps)


def test_headers_that_disagree_with_the_body_go_nowhere() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        answer = await world.post(call("add"), mcp_method="tools/list")
        assert answer.status_code == 400 and answer.json()["error"]["code"] == -32020
        assert answer.json()["id"] == 1
        assert upstream.requests == []

    run(steps)


def test_a_body_that_is_too_large_is_refused() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        answer = await world.post(call("add", text="x" * 2000))
        assert answer.status_code == 413 and answer.json()["jsonrpc"] == "2.0"

    run(steps, limit=1000)


def test_bodies_that_do_not_fit_into_memory_together_wait_outside() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        assert (await world.post(call("add", text="x" * 500))).status_code == 503

    run(steps, bodies=100)


def test_a_compressed_body_is_judged_and_sent_as_it_reads() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        sent = json.dumps(call("add")).encode()
        answer = await world.post(gzip.compress(sent), content_encoding="gzip")
        assert answer.status_code == 200
        assert upstream.requests[0].body == sent and upstream.requests[0].header("content-encoding") is None
        denied = await world.post(gzip.compress(json.dumps(call("delete_file")).encode()), content_encoding="gzip")
        assert denied.json()["result"]["isError"] is True

    run(steps, {"deny": ["delete file"]})


@pytest.mark.parametrize("charset", ["utf-7", "UTF-16", '"utf-7"', "utf-8; charset=utf-7"])
def test_a_body_that_servers_may_read_as_other_text_is_refused(charset: str) -> None:
    async def steps(world: Any, upstream: Any) -> None:
        answer = await world.post(call("add"), content_type=f"application/json; charset={charset}")
        assert answer.status_code == 415 and upstream.requests == []

    run(steps)


@pytest.mark.parametrize("kind", ["text/plain", "", "application/jsonp", "application/json, text/plain", "text/json"])
def test_a_body_that_a_page_of_any_origin_may_send_is_refused(kind: str) -> None:
    async def steps(world: Any, upstream: Any) -> None:
        answer = await world.post(call("add"), content_type=kind)
        assert answer.status_code == 415 and "application/json" in answer.json()["error"]["message"]
        assert upstream.requests == []

    run(steps)


def test_utf_8_may_be_named() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        assert (await world.post(call("add"), content_type="application/json; charset=UTF-8")).status_code == 200

    run(steps)


def test_the_intent_is_found_in_the_head_or_the_body() -> None:
    found: list[str | None] = []

    def gate(exchange: Exchange) -> None:
        found.append(exchange.mcp.intent)

    async def steps(world: Any, upstream: Any) -> None:
        inside = request("tools/call", name="add", _meta={"io.leuko/intent": "token"})
        await world.post(call("add"), x_intent_token="token")
        await world.post(inside)
        await world.post(inside, x_intent_token="token")
        await world.post(call("add"))
        assert found == ["token", "token", "token", None]
        assert (await world.post(inside, x_intent_token="other")).status_code == 400
        assert (await world.post(request("tools/list", _meta={"io.leuko/intent": 5}))).status_code == 400
        for sent in upstream.requests:
            assert b"token" not in sent.body and sent.header("x-intent-token") is None
        assert "_meta" not in upstream.requests[1].json()["params"]

    run(steps, gates=(gate,))


def test_gates_may_take_their_time_and_answer_calls_themselves() -> None:
    async def gate(exchange: Exchange) -> None:
        exchange.mcp.answers[1] = result(1, content=[], isError=True)

    async def steps(world: Any, upstream: Any) -> None:
        assert (await world.post(call("add"))).json() == result(1, content=[], isError=True)
        assert upstream.requests == []

    run(steps, gates=(gate,))


def test_the_stateless_era_needs_its_headers() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        meta = {"io.modelcontextprotocol/protocolVersion": NEW}
        message = request("tools/call", name="add", arguments={}, _meta=meta)
        ok = await world.post(message, mcp_protocol_version=NEW, mcp_method="tools/call", mcp_name="add")
        assert ok.status_code == 200
        assert upstream.requests[0].header("mcp-name") == "add" and upstream.requests[0].json() == message
        bad = await world.post(message, mcp_protocol_version=NEW, mcp_method="tools/call", mcp_name="other")
        assert bad.json()["error"]["code"] == -32020

    run(steps)
