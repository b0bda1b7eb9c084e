"""Providers that break off, fall silent, fail, forbid or redirect, seen by the caller of the whole gateway."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.wire.sse import FrameSplitter, parse
from tests.faults.figures import Figures, Stopwatch, milliseconds
from tests.faults.world import CHAT, Pool, Relay, address, chat, gateway_process, paced, request, settled
from tests.support.chat_streams import DONE, call, chunk, usage_chunk
from tests.support.gateway import GatewayProcess
from tests.support.raw_http import Response
from tests.support.transcripts import stream
from tests.support.upstream import (
    SSE,
    Conversation,
    Request,
    ScriptedUpstream,
    answer,
    head,
    http_chunk,
    json_answer,
    sse_answer,
)

USER = [{"role": "user", "content": "Hello"}]
MODEL = {"model": "m", "stream": True}


@dataclass(frozen=True)
class Dialect:
    """One API: how it is asked, a short whole stream in it, and what may only be said by one that is complete."""

    path: str
    body: dict[str, Any]
    events: Sequence[bytes]
    terminal: bytes
    error: bytes

    def asked(self, **members: Any) -> bytes:
        return request(self.path, {**self.body, **members})


def typed(*documents: dict[str, Any]) -> list[bytes]:
    return [stream(document) for document in documents]


RESPONSE = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "in_progress", "output": []}
ITEM = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "f"}
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [],
    "stop_reason": None,
}

DIALECTS = {
    "chat": Dialect(
        CHAT,
        {**MODEL, "messages": USER, "stream_options": {"include_usage": True}},
        [
            chunk({"role": "assistant", "content": "Grüß"}),
            *call(),
            chunk({}, finish="tool_calls"),
            usage_chunk(),
            DONE,
        ],
        b"[DONE]",
        b'data: {"error":{',
    ),
    "responses": Dialect(
        "/v1/responses",
        {**MODEL, "input": "Hello"},
        typed(
            {"type": "response.created", "sequence_number": 0, "response": RESPONSE},
            {"type": "response.output_text.delta", "sequence_number": 1, "output_index": 0, "delta": "Grüß"},
            {"type": "response.output_item.added", "sequence_number": 2, "output_index": 1, "item": ITEM},
            {
                "type": "response.output_item.done",
                "sequence_number": 3,
                "output_index": 1,
                "item": {**ITEM, "arguments": "{}"},
            },
            {
                "type": "response.completed",
                "sequence_number": 4,
                "response": {**RESPONSE, "status": "completed", "output": [{**ITEM, "arguments": "{}"}]},
            },
        ),
        b"response.completed",
        b"event: response.failed\n",
    ),
    "messages": Dialect(
        "/v1/messages",
        {**MODEL, "max_tokens": 9, "messages": USER},
        typed(
            {"type": "message_start", "message": {**MESSAGE, "usage": {"input_tokens": 1, "output_tokens": 1}}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Grüß"}},
            {"type": "content_block_stop", "index": 0},
            {
                "type": "content_block_start",
                "index": 1,
                "content_block": {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
            },
            {"type": "content_block_stop", "index": 1},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}},
            {"type": "message_stop"},
        ),
        b"message_stop",
        b"event: error\n",
    ),
}
dialects = pytest.mark.parametrize("dialect", list(DIALECTS))


def wire(dialect: Dialect) -> tuple[bytes, int]:
    """The whole answer's bytes, and how many of them are the head."""
    whole = sse_answer(dialect.events)
    return whole, whole.index(b"\r\n\r\n") + 4


async def breaks_off(request: Request, talk: Conversation) -> None:
    """Sends as many bytes as the request says, then resets or ends the connection."""
    name, offset, how = request.json()["user"].split(":")
    await talk.send(wire(DIALECTS[name])[0][: int(offset)])
    if how == "reset":
        await asyncio.sleep(0.002)  # else the reset overtakes the bytes, and nothing was sent
        talk.reset()
    else:
        talk.close()


def check_failed_stream(dialect: Dialect, said: Response, code: str) -> None:
    """Whole frames of what was sent, an error in the form of the dialect, a proper end, and no word of completion."""
    assert said.status == 200
    assert said.whole, "the answer itself was cut"
    frames = FrameSplitter().feed(said.body)
    assert b"".join(frames) == said.body, "the last frame is not complete"
    assert dialect.terminal not in said.body
    assert [frame for frame in frames[:-1] if frame not in dialect.events] == []
    assert frames[-1].startswith(dialect.error)
    assert code in json.dumps(json.loads(parse(frames[-1])[1]))
    assert sum(dialect.error in frame for frame in frames) == 1


def check_refused(said: Response, status: int, code: str) -> None:
    assert said.status == status, said.body
    assert said.json()["error"]["code"] == code


def check(dialect: Dialect, said: Response, offset: int) -> None:
    whole, head_ends = wire(dialect)
    if offset < head_ends:
        check_refused(said, 502, "upstream_invalid" if offset else "upstream_unavailable")
    elif dialect.terminal in said.body:
        # All was said before the provider broke off: it is no failure that the caller could do anything about.
        assert offset >= whole.index(dialect.events[-1]) + len(dialect.events[-1])
        assert said.whole
        assert said.body == b"".join(dialect.events)
    else:
        check_failed_stream(dialect, said, "upstream_invalid")


@asynccontextmanager
async def before(
    script: Any, redis_url: str, **timeouts: float
) -> AsyncIterator[tuple[ScriptedUpstream, GatewayProcess, Pool]]:
    """A gateway before a scripted provider."""
    env = {"GATEWAY_TIMEOUTS": json.dumps(timeouts)} if timeouts else {}
    async with (
        ScriptedUpstream(script) as upstream,
        gateway_process(redis_url, upstream=upstream.url, **env) as gateway,
        Pool(address(gateway)) as pool,
    ):
        yield upstream, gateway, pool


async def break_off(relay: Relay, name: str, offsets: Sequence[int]) -> int:
    """Asks once for every offset and way of breaking off; the number of exchanges."""
    dialect = DIALECTS[name]
    cases = [(offset, how) for offset in offsets for how in ("reset", "end")]
    todo = iter(cases)
    relay.says(breaks_off)
    async with Pool(address(relay.gateway)) as pool:

        async def some() -> None:
            for offset, how in todo:
                said = await relay.ask(pool, dialect.asked(user=f"{name}:{offset}:{how}"))
                try:
                    check(dialect, said, offset)
                except AssertionError as error:
                    raise AssertionError(f"{how} after {offset} bytes: {said}") from error

        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(some())
    await relay.settled()
    return len(cases)


@dialects
async def test_a_stream_that_breaks_off_ends_with_an_error_and_never_looks_complete(dialect: str, relay: Relay) -> None:
    whole, head_ends = wire(DIALECTS[dialect])
    edges = [0, 1, head_ends - 1, head_ends, head_ends + 1, len(whole) - 1, len(whole) - 5, len(whole) - 6]
    sample = random.Random(dialect).sample(range(len(whole)), 20)
    await break_off(relay, dialect, sorted({*edges, *sample}))


@pytest.mark.faults
@dialects
async def test_a_stream_breaks_off_at_every_byte(dialect: str, relay: Relay, figures: Figures) -> None:
    whole, _ = wire(DIALECTS[dialect])
    asked = await break_off(relay, dialect, range(len(whole)))
    figures.note(f"provider breaks off: {dialect}", offsets=len(whole), exchanges=asked, looked_complete=0)


async def test_a_provider_that_says_nothing_or_stops_anywhere_is_waited_for_no_longer_than_set(redis_url: str) -> None:
    async def stalls(request: Request, talk: Conversation) -> None:
        name, events = request.json()["user"].split(":")
        if int(events) >= 0:
            await talk.start()
            await talk.events(DIALECTS[name].events[: int(events)])
        await talk.hang()

    async with before(stalls, redis_url, first_byte=0.6, idle=0.6) as (upstream, gateway, pool):

        async def one(name: str, events: int) -> None:
            dialect = DIALECTS[name]
            said = await pool.ask(dialect.asked(user=f"{name}:{events}"))
            if events < 0:
                check_refused(said, 504, "upstream_timeout")
            elif events == len(dialect.events):
                assert said.whole and said.body == b"".join(dialect.events)
            else:
                check_failed_stream(dialect, said, "upstream_timeout")

        cases = [(name, k) for name, dialect in DIALECTS.items() for k in range(-1, len(dialect.events) + 1)]
        watch = Stopwatch()
        await asyncio.gather(*(one(name, k) for name, k in cases))
        assert 0.5 < watch.seconds < 10
        for number in range(len(cases)):
            await upstream.client_gone(number + 1)
        await settled(gateway, len(cases))


# -- storms


def by_two_agents(number: int) -> bytes:
    return request(document=chat("m"), x_agent_id=f"agent-{number % 2}")


FAILED = json_answer({"error": {"message": "overloaded", "type": "server_error", "code": None}}, 503)


async def test_a_provider_that_fails_is_left_alone_at_once(redis_url: str) -> None:
    async with before(FAILED, redis_url) as (upstream, gateway, pool):
        load = await paced(pool, by_two_agents, rate=100, over=2)
        await settled(gateway, load.requests)
        assert load.statuses.keys() == {503}
        assert 5 <= len(upstream.requests) < 40
        said = await pool.ask(by_two_agents(1))
        check_refused(said, 503, "upstream_unavailable")
        assert 1 <= int(said.header("retry-after") or 0) <= 60


@pytest.mark.faults
@pytest.mark.timeout(300)
async def test_a_storm_of_failures_and_the_recovery_from_it(redis_url: str, figures: Figures) -> None:
    """30 s of failures at 200 requests a second, then a provider that is well again."""
    arrivals: list[float] = []
    well = asyncio.Event()
    watch = Stopwatch()

    async def provider(request: Request, talk: Conversation) -> None:
        arrivals.append(watch.seconds)
        if well.is_set():
            await asyncio.sleep(0.05)
            await talk.send(json_answer({"choices": []}))
        else:
            await talk.send(FAILED)

    async with before(provider, redis_url) as (_, gateway, pool):
        storm = await paced(pool, by_two_agents, rate=200, over=20)
        hits = len(arrivals)
        opened_after = arrivals[-1] - arrivals[0]
        assert storm.statuses.keys() == {503}
        assert hits <= 1.1 * storm.requests
        assert opened_after <= 2
        well.set()
        del arrivals[:]
        recovery = await paced(pool, by_two_agents, rate=200, over=60)
        totals = await settled(gateway, storm.requests + recovery.requests)
    assert totals["executions"] == storm.requests + recovery.requests
    # One probe, alone until it is answered; then 10, 25 and 50 % for 5 s each, then all.
    probe = arrivals[0]
    ramp = [sum(probe + 5 * n < at <= probe + 5 * (n + 1) for at in arrivals[1:]) / 1000 for n in range(5)]
    assert arrivals[1] - probe > 0.04
    assert 0.05 < ramp[0] < 0.16 and 0.18 < ramp[1] < 0.33 and 0.4 < ramp[2] < 0.62 and ramp[3] > 0.85, ramp
    rates = Counter(int(at) for at in arrivals)
    figures.note(
        "storm of 503 at 200 requests a second",
        requests=storm.requests,
        reached_the_provider=hits,
        opened_after_s=opened_after,
        probe_after_s=probe - 20,
        shares_of_the_ramp=[round(share, 3) for share in ramp],
        most_in_a_second_after=max(rates.values()),
        **milliseconds(storm.seconds),
    )


RETRY_AFTER = ["2", "0", "-1", "1000000000", "Fri, 31 Dec 2027 23:59:59 GMT", "0.5", "soon", ""]


async def test_a_429_passes_as_it_came_and_never_closes_the_provider(relay: Relay) -> None:
    """Whatever `retry-after` says: it is the provider's word, and the SDKs' to understand."""

    def limited(value: str) -> bytes:
        error = b'{"error":{"message":"slow down","type":"tokens","code":"rate_limit_exceeded"}}'
        pairs = [("content-type", "application/json"), ("retry-after", value), ("retry-after-ms", "15")]
        return answer(429, error, pairs)

    async def provider(request: Request, talk: Conversation) -> None:
        await talk.send(limited(request.json()["user"]))

    relay.says(provider)
    async with Pool(address(relay.gateway)) as pool:
        for number in range(40):
            value = RETRY_AFTER[number % len(RETRY_AFTER)]
            said = await relay.ask(pool, request(document=chat("m", user=value), x_agent_id=f"agent-{number % 2}"))
            assert (said.status, said.header("retry-after"), said.header("retry-after-ms")) == (429, value, "15")
            assert limited(value).endswith(said.body)
        assert len(relay.provider.requests) == 40


async def test_a_redirect_is_never_followed(relay: Relay) -> None:
    async with ScriptedUpstream(json_answer({"choices": []})) as elsewhere:

        async def provider(request: Request, talk: Conversation) -> None:
            status, _, where = request.json()["user"].partition(" ")
            await talk.send(answer(int(status), b"", [("location", where)]))

        relay.says(provider)
        async with Pool(address(relay.gateway)) as pool:
            targets = (f"{elsewhere.url}/v1/chat/completions", "http://169.254.169.254/latest/", "/v1/other", "//evil")
            asked = [f"{status} {target}" for status in (301, 302, 303, 307, 308) for target in targets]
            for user in asked:
                said = await relay.ask(pool, request(document=chat("m", user=user)))
                check_refused(said, 502, "upstream_invalid")
                assert said.header("location") is None
            assert len(relay.provider.requests) == len(asked)
        assert not elsewhere.connections


async def test_a_provider_that_is_not_there_is_told_apart_and_comes_back(redis_url: str) -> None:
    async with ScriptedUpstream(json_answer({"choices": []})) as upstream:
        async with gateway_process(redis_url, upstream="http://127.0.0.1:1") as gateway, Pool(address(gateway)) as pool:
            statuses = [(await pool.ask(by_two_agents(n))).status for n in range(12)]
            assert statuses == [502] * 5 + [503] * 7
            await settled(gateway, 12)
        assert not upstream.connections


CLOSES = ("connection", "close")  # else the next request might meet the end of this connection

BROKEN_ANSWERS = {
    "a megabyte of headers": head(200, [("x", "y" * 2**20)]),
    "ten thousand headers": head(200, [(f"x-{n}", "y") for n in range(10_000)]),
    "no http": b"220 smtp ready\r\n\r\n",
    "a wrong length": head(200, [*SSE, ("content-length", "7x")]),
    "both framings": head(200, [("content-length", "2"), ("transfer-encoding", "chunked")]) + b"{}",
    "a flood of 1xx": b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * 1000,
    "an upgrade": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    "a bad chunk size": head(200, [("transfer-encoding", "chunked")]) + b"zz\r\n{}\r\n",
    "two answers": answer(200, b"{}") + answer(200, b'{"b":1}'),
    "a short body": head(200, [("content-length", "100")]) + b"{}",
    "a redirect without a location": answer(302, b"", [CLOSES]),
    "not json": answer(200, b"<html>", [CLOSES, ("content-type", "text/html")]),
    "a json array": answer(200, b"[]", [CLOSES, ("content-type", "application/json")]),
    "a chunk of a terabyte": head(200, [("transfer-encoding", "chunked")]) + b"10000000000\r\n{}",
    "a coding nobody asked for": head(200, [("transfer-encoding", "gzip, chunked")]) + http_chunk(b"{}"),
}


async def test_an_answer_that_breaks_the_rules_of_http_is_a_502_and_reaches_nobody(relay: Relay) -> None:
    async def provider(request: Request, talk: Conversation) -> None:
        await talk.send(BROKEN_ANSWERS[request.json()["user"]])
        talk.close()

    relay.says(provider)
    async with Pool(address(relay.gateway)) as pool:
        for name in BROKEN_ANSWERS:
            said = await relay.ask(pool, request(document=chat("broken", user=name)))
            assert said.status == 502, f"{name}: {said}"
            assert said.json()["error"]["code"] == "upstream_invalid", name
    assert len({each.connection for each in relay.provider.requests}) == len(BROKEN_ANSWERS)  # none was used again
    await relay.settled()
