"""The server's answer, whole or as a stream, on its way to the caller."""

import asyncio
import gzip
import json
from typing import Any

import pytest

from gateway.model.errors import Refusal
from gateway.phases.mcp import inspect as inspecting
from tests.support.mcp_path import call, mcp_path, request, result
from tests.support.raw_http import RawConnection
from tests.support.upstream import SSE, ScriptedUpstream, answer, event, json_answer, sse_answer
from tests.support.waiting import until

STEP = event({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}}, "message")
DONE = event(result(1, content=[]), "message")


def run(steps: Any, script: Any, *documents: Any, **options: Any) -> None:
    async def all_of_it() -> None:
        async with ScriptedUpstream(script) as upstream, mcp_path(upstream.url, *documents, **options) as world:
            await steps(world, upstream)

    asyncio.run(all_of_it())


def test_a_stream_passes_byte_for_byte() -> None:
    frames = [b": hello\n\n", b"id\ndata: \n\n", STEP, DONE, b"retry: 5\n\n", b"data: unfinished"]

    async def steps(world: Any, upstream: Any) -> None:
        got = await world.post(call("talk"))
        assert got.content == b"".join(frames) and got.headers["content-type"] == "text/event-stream"
        assert (await world.settled()).vitals.stream is True

    run(steps, sse_answer(frames))


def test_an_event_is_gone_on_after_only_by_the_agent_that_was_given_it() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        got = await world.post(call("talk"))
        given = got.content.split(b"\n")[0].removeprefix(b"id: ").decode()
        assert given != "abc" and got.content == f"id: {given}\ndata: \n\n".encode() + DONE
        assert (await world.post(call("talk"), last_event_id=given)).status_code == 200
        assert upstream.requests[-1].header("last-event-id") == "abc"
        for agent_id, server in (("agt_other", "files"), ("one", "mail")):
            foreign = world.sessions.seal_event(server, agent_id, b"abc").decode()
            assert (await world.post(call("talk"), last_event_id=foreign)).status_code == 400
        for made_up in ("abc", "", world.sessions.seal("files", "one", b"abc").decode()):
            assert (await world.post(call("talk"), last_event_id=made_up)).status_code == 400
        assert len(upstream.requests) == 2

    run(steps, sse_answer([b"id: abc\ndata: \n\n", DONE]))


def test_events_leave_as_they_come() -> None:
    async def script(request: Any, talk: Any) -> None:
        await talk.start()
        await talk.chunk(STEP)
        await asked.wait()
        await talk.chunk(DONE)
        await talk.end()

    asked = asyncio.Event()

    async def steps(world: Any, upstream: Any) -> None:
        async with world.client.stream("POST", "/mcp/files", json=call("talk"), headers=world.headers()) as got:
            chunks = got.aiter_raw()
            assert await anext(chunks) == STEP
            asked.set()
            assert await anext(chunks) == DONE

    run(steps, script)


def test_a_whole_answer_is_the_same_bytes() -> None:
    body = b'{ "jsonrpc": "2.0", "id": 1, "result": {} }'

    async def steps(world: Any, upstream: Any) -> None:
        got = await world.post(call("add"))
        assert got.content == body and got.headers["x-kept"] == "1"

    run(steps, answer(200, body, [("content-type", "application/json"), ("x-kept", "1")]))


@pytest.mark.parametrize("status", [202, 400, 403, 404, 500])
def test_other_answers_pass_too(status: int) -> None:
    async def steps(world: Any, upstream: Any) -> None:
        got = await world.post(request("notifications/initialized", None))
        assert (got.status_code, got.content) == (status, b"said")

    run(steps, answer(status, b"said"))


def test_a_server_that_refuses_the_gateways_key_does_not_make_callers_look_for_tokens() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        got = await world.post(call("add"))
        assert got.status_code == 502 and "www-authenticate" not in got.headers
        assert got.json()["error"]["data"]["code"] == "upstream_unavailable"

    run(steps, answer(401, b"", [("www-authenticate", 'Bearer resource_metadata="https://x"')]))


def test_the_session_is_the_callers_own() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        got = await world.post(request("initialize"))
        assert world.sessions.open("files", "one", got.headers["mcp-session-id"].encode()) == b"server-session"
        assert "set-cookie" not in got.headers

    run(steps, json_answer(result(), headers=[("mcp-session-id", "server-session"), ("set-cookie", "a=b")]))


def test_compressed_answers_are_read() -> None:
    headers = [("content-type", "application/json"), ("content-encoding", "gzip")]

    async def steps(world: Any, upstream: Any) -> None:
        got = await world.post(call("add"))
        assert got.json() == result() and "content-encoding" not in got.headers

    run(steps, answer(200, gzip.compress(json.dumps(result()).encode()), headers))


def test_compressed_streams_are_read() -> None:
    headers = [*SSE, ("content-encoding", "gzip")]

    async def steps(world: Any, upstream: Any) -> None:
        assert (await world.post(call("add"))).content == STEP + DONE

    run(steps, answer(200, gzip.compress(STEP + DONE), headers))


def test_what_the_gateway_answers_of_a_batch_joins_a_stream() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        got = await world.post([call("delete_file", 2), call("add", 1)])
        first, rest = got.content.split(b"\n\n", 1)
        assert json.loads(first.partition(b"data: ")[2])["id"] == 2 and rest == DONE

    run(steps, sse_answer([DONE]), {"deny": ["delete file"]})


def test_a_batch_whose_answer_is_no_json_is_the_servers_fault() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        got = await world.post([call("delete_file", 2), call("add", 1)])
        assert got.status_code == 502 and got.json()["error"]["data"]["code"] == "upstream_invalid"

    run(steps, answer(200, b"{", [("content-type", "application/json")]), {"deny": ["delete file"]})


def test_a_single_answer_to_what_is_left_of_a_batch_joins_too() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        got = await world.post([call("delete_file", 2), call("add", 1)])
        assert [one["id"] for one in got.json()] == [2, 1]

    run(steps, json_answer(result(1)), {"deny": ["delete file"]})


def test_an_error_of_the_server_to_what_is_left_of_a_batch_stays_one() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        assert (await world.post([call("delete_file", 2), call("add", 1)])).status_code == 400

    run(steps, answer(400, b"bad"), {"deny": ["delete file"]})


def _edited(exchange: Any) -> None:
    state = exchange.mcp
    state.edits.append(lambda message: {**message, "first": 1} if message.get("id") == 1 else None)
    state.edits.append(lambda message: {**message, "second": 2} if "first" in message else None)


def test_edits_change_whole_answers_and_streams() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        assert (await world.post(request("tools/list"))).json() == {**result(), "first": 1, "second": 2}
        upstream.script = sse_answer([STEP, event(result(1))])
        got = (await world.post(request("tools/list"))).content
        assert got.startswith(STEP)
        assert json.loads(got[len(STEP) :].partition(b"data: ")[2]) == {**result(), "first": 1, "second": 2}

    run(steps, json_answer(result()), gates=(_edited,))


def test_observers_hear_every_answer() -> None:
    heard: list[Any] = []

    async def steps(world: Any, upstream: Any) -> None:
        await world.post(request("tools/list"))
        assert heard == [result(1, content=[])]

    run(steps, sse_answer([STEP, DONE]), gates=(lambda exchange: exchange.mcp.observers.append(heard.append),))


async def _half(request: Any, talk: Any) -> None:
    await talk.start()
    await talk.chunk(STEP + b"data: half an event")
    await talk.hang()


def test_a_stream_that_is_cut_says_why_and_ends_properly() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        async with world.client.stream("POST", "/mcp/files", json=call("slow"), headers=world.headers()) as got:
            chunks = got.aiter_raw()
            assert await anext(chunks) == STEP
            (exchange,) = world.pipeline.active
            exchange.interrupt(Refusal("agent_quarantined", "Agent one is quarantined."))
            rest = b"".join([chunk async for chunk in chunks])
        error = json.loads(rest.partition(b"data: ")[2])
        assert (error["id"], error["error"]["data"]["code"]) == (1, "agent_quarantined")
        await upstream.client_gone()
        assert (await world.settled()).vitals.error_type == "agent_quarantined"

    run(steps, _half)


def test_a_standing_stream_that_is_cut_just_ends() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        async with world.client.stream("GET", "/mcp/files", headers=world.headers()) as got:
            chunks = got.aiter_raw()
            assert await anext(chunks) == STEP
            (exchange,) = world.pipeline.active
            exchange.interrupt(Refusal("invalid_api_key", "Revoked."))
            assert [chunk async for chunk in chunks] == []

    run(steps, _half)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_stopping_gateway_ends_streams_that_stand_at_once(method: str) -> None:
    async def steps(world: Any, upstream: Any) -> None:
        listen = request("subscriptions/listen") if method == "POST" else None
        async with world.client.stream(method, "/mcp/files", json=listen, headers=world.headers()) as got:
            chunks = got.aiter_raw()
            await anext(chunks)
            world.server.stop()
            async with asyncio.timeout(5):
                rest = b"".join([chunk async for chunk in chunks])
            assert (b"gateway_draining" in rest) is (method == "POST")

    run(steps, _half)


def test_a_stopping_gateway_does_not_wait_for_a_stream_that_has_not_begun() -> None:
    async def script(request: Any, talk: Any) -> None:
        await talk.hang()

    async def steps(world: Any, upstream: Any) -> None:
        asking = asyncio.create_task(world.client.get("/mcp/files", headers=world.headers()))
        await upstream.arrived()
        world.server.stop()
        async with asyncio.timeout(5):
            assert (await asking).status_code == 503

    run(steps, script)


def test_a_broken_stream_is_cut_with_an_error_for_who_waits() -> None:
    async def script(request: Any, talk: Any) -> None:
        await talk.start()
        await talk.chunk(STEP)
        talk.reset()

    async def steps(world: Any, upstream: Any) -> None:
        got = (await world.post(call("add"))).content
        assert got.startswith(STEP) and b"upstream_invalid" in got

    run(steps, script)


def test_a_silent_stream_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspecting, "_HEARTBEAT_SECONDS", 0.03)

    async def script(request: Any, talk: Any) -> None:
        await talk.start()
        await asked.wait()
        await talk.chunk(DONE[:10])
        await asyncio.sleep(0.1)
        await talk.chunk(DONE[10:])
        await talk.end()

    asked = asyncio.Event()

    async def steps(world: Any, upstream: Any) -> None:
        async with world.client.stream("POST", "/mcp/files", json=call("slow"), headers=world.headers()) as got:
            chunks = got.aiter_raw()
            assert await anext(chunks) == b":\n"
            assert await anext(chunks) == b":\n"
            asked.set()
            rest = b"".join([chunk async for chunk in chunks])
            assert rest.replace(b":\n", b"", rest.count(b":\n") - DONE.count(b":\n")) == DONE

    run(steps, script)


def test_a_caller_that_does_not_read_gets_no_heap_of_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspecting, "_HEARTBEAT_SECONDS", 0.0)

    async def script(request: Any, talk: Any) -> None:
        await talk.start()
        await talk.chunk(b"data: " + b"x" * 8_000_000 + b"\n\n")
        await talk.hang()

    async def steps(world: Any, upstream: Any) -> None:
        host, _, port = world.url.removeprefix("http://").partition(":")
        async with await RawConnection.open((host, int(port)), receive_buffer=4096) as connection:
            body = json.dumps(call("slow")).encode()
            fields = {**world.headers(), "host": "127.0.0.1", "content-length": str(len(body))}
            head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
            connection.writer.write(f"POST /mcp/files HTTP/1.1\r\n{head}\r\n".encode() + body)
            await until(lambda: any(exchange.on_tick for exchange in world.pipeline.active))
            (exchange,) = world.pipeline.active
            await until(lambda: exchange.on_tick._writing is not None and not exchange.on_tick._writing.done())
            written = exchange.on_tick._writing
            exchange.on_tick(float("inf"))
            assert exchange.on_tick._writing is written
        await until(lambda: not world.pipeline.active)

    run(steps, script)
