"""Limits and budgets on the whole path: real Redis, real sockets, a scripted provider."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from gateway.immune.prescription import NOTHING, Prescription
from gateway.model.exchange import Exchange
from gateway.phases.policies import Policies, in_force
from gateway.phases.reserve import Reserve
from gateway.policy.document import parse
from gateway.pricing.price import Price, Rates
from gateway.store.connection import Connection
from gateway.store.errors import StoreUnavailable
from gateway.store.limits import Limits
from tests.support.path import Path, running_path
from tests.support.redis import RedisServer
from tests.support.upstream import Conversation, Request, ScriptedUpstream, event, json_answer, sse_answer

CHAT = "/v1/chat/completions"
ASK = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
PRICE = Price(Rates(input=1_000_000, output=4_000_000))  # 1 and 4 USD per million tokens


def answered(inputs: int = 10, outputs: int = 5, calls: int = 0, headers: Any = ()) -> bytes:
    message: dict[str, Any] = {"role": "assistant", "content": "Hi"}
    if calls:
        function = {"name": "f", "arguments": "{}"}
        message["tool_calls"] = [{"id": f"c{n}", "type": "function", "function": function} for n in range(calls)]
    usage = {"prompt_tokens": inputs, "completion_tokens": outputs, "total_tokens": inputs + outputs}
    choices = [{"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}]
    return json_answer({"id": "c", "choices": choices, "usage": usage}, headers=headers)


class World:
    """A bounded path and what it counted."""

    def __init__(self, path: Path, upstream: ScriptedUpstream, reserve: Reserve, limits: Limits) -> None:
        self.path, self.upstream, self.reserve, self.limits = path, upstream, reserve, limits
        self.settled = 0

    async def ask(self, _path: str = CHAT, _agent: str = "", **members: Any) -> httpx.Response:
        headers = {"authorization": "Bearer sk-0123456789abcdef", **({"x-agent-id": _agent} if _agent else {})}
        return await self.path.client.post(_path, json={**ASK, **members}, headers=headers)

    async def flush(self, number: int = 1) -> None:
        """Wait until that many more exchanges are settled, in Redis too."""
        self.settled += number
        await self.path.sightings.settled(self.settled)
        assert await self.limits.flush()

    async def counted(self, field: str) -> int:
        connection = self.limits._connection
        (key,) = await connection.execute(
            "KEYS", f"*{{limits}}:counts:*{'conversation:*' if 'per_con' in field else ''}"
        )
        return int(await connection.execute("HGET", key, field) or 0)


@asynccontextmanager
async def world(
    redis_url: str,
    script: Any = b"",
    *,
    price: Callable[[Exchange], Price | None] = lambda exchange: PRICE,
    replicas: int = 1,
    prescribed: Prescription = NOTHING,
    **document: Any,
) -> AsyncIterator[World]:
    connection = Connection(redis_url, op_timeout=1)
    limits = Limits(connection, clock=time.monotonic)
    ops = in_force([parse({"name": "ops", **document}, "ops.yaml")])
    policies = Policies(ops, prescribed=lambda agent_id: prescribed)
    reserve = Reserve(
        limits,
        policies,
        price=price,
        replicas=lambda: replicas,
        why_throttled=lambda agent_id: "latency_spike, incident inc_1",
        clock=time.monotonic,
    )
    async with (
        ScriptedUpstream(script or answered()) as upstream,
        running_path(upstream.url, gates=(reserve,), observers=(reserve.settle,)) as path,
    ):
        yield World(path, upstream, reserve, limits)
    await connection.close()


async def test_without_a_document_that_bounds_nothing_is_asked() -> None:
    async with world("unix:///nowhere", match={"agents": ["nobody"]}, limits={"concurrent": 1}) as w:
        assert (await w.ask()).status_code == 200
        assert w.reserve.alone == 0


async def test_a_rate_lets_exactly_its_number_pass_and_says_when_to_come_again(redis_url: str) -> None:
    async with world(redis_url, limits={"requests_per_minute": 7}) as w:
        answers = await asyncio.gather(*(w.ask() for _ in range(40)))
        assert sorted(answer.status_code for answer in answers) == [200] * 7 + [429] * 33
        assert len(w.upstream.requests) == 7
        refused = next(answer for answer in answers if answer.status_code == 429)
    error = refused.json()["error"]
    assert (error["code"], error["type"]) == ("rate_limit_exceeded", "rate_limit_error")
    assert "requests_per_minute is 7 (rule ops/limits/requests_per_minute)" in error["message"]
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert "x-should-retry" not in refused.headers
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert refused.headers["x-ratelimit-limit-requests"] == "7"


async def test_rotating_the_agent_id_buys_nothing(redis_url: str) -> None:
    async with world(redis_url, limits={"requests_per_minute": 3}) as w:
        answers = await asyncio.gather(*(w.ask(_agent=f"bot-{n}") for n in range(20)))
        assert sum(answer.status_code == 200 for answer in answers) == 3


async def test_relayed_requests_count_too(redis_url: str) -> None:
    async with world(redis_url, json_answer({}), limits={"requests_per_minute": 2}) as w:
        found = [(await w.path.client.get("/v1/models/m")).status_code for _ in range(3)]
    assert found == [200, 200, 429]


async def test_answers_say_how_much_of_the_minute_is_left(redis_url: str) -> None:
    async with world(redis_url, limits={"requests_per_minute": 7, "tokens_per_minute": 9000}) as w:
        headers = (await w.ask(max_tokens=100)).headers
        left = 9000 - 100 - len(w.upstream.requests[0].body) // 2 - 8
    assert {name: value for name, value in headers.items() if "ratelimit" in name} == {
        "x-ratelimit-limit-requests": "7",
        "x-ratelimit-remaining-requests": "6",
        "x-ratelimit-reset-requests": "1m0s",
        "x-ratelimit-limit-tokens": "9000",
        "x-ratelimit-remaining-tokens": str(left),
        "x-ratelimit-reset-tokens": "1m0s",
    }


@pytest.mark.parametrize("stream", [False, True])
async def test_what_a_provider_says_of_its_own_limits_stands(redis_url: str, stream: bool) -> None:
    theirs = [("x-ratelimit-limit-tokens", "1")]
    script = sse_answer([event("[DONE]")], theirs) if stream else answered(headers=theirs)
    async with world(redis_url, script, limits={"requests_per_minute": 7}) as w:
        headers = (await w.ask(stream=stream)).headers
    assert {name: value for name, value in headers.items() if "ratelimit" in name} == dict(theirs)


async def test_a_request_larger_than_the_minute_is_refused_for_good(redis_url: str) -> None:
    async with world(redis_url, limits={"tokens_per_minute": 20}) as w:
        answer = await w.ask()
    assert answer.status_code == 429
    assert answer.headers["x-should-retry"] == "false"
    assert "Request too large: tokens_per_minute is 20" in answer.json()["error"]["message"]


async def test_tokens_are_counted_as_the_provider_counts_them(redis_url: str) -> None:
    async with world(redis_url, answered(300, 40), limits={"tokens_per_minute": 10_000}) as w:
        await w.ask(max_tokens=5000)
        assert await w.counted("tokens_per_minute") > 5000
        await w.flush()
        assert await w.counted("tokens_per_minute") == 340


async def test_a_budget_is_never_exceeded_and_nearly_used_up(redis_url: str) -> None:
    async def script(request: Request, talk: Conversation) -> None:
        size = min(200, request.json()["max_completion_tokens"])
        await talk.send(answered(30, size))

    async with world(redis_url, script, budgets={"tokens_per_day": 3000}) as w:
        used = 0
        for _ in range(3):
            answers = await asyncio.gather(*(w.ask(max_completion_tokens=200) for _ in range(20)))
            used += sum(a.json()["usage"]["total_tokens"] for a in answers if a.status_code == 200)
            await w.flush(20)
        assert await w.counted("tokens_per_day") == used
    assert 3000 - 300 <= used <= 3000


async def test_a_spent_budget_is_refused_with_the_time_it_resets(redis_url: str) -> None:
    async with world(redis_url, answered(30, 40), budgets={"tokens_per_day": 120}) as w:
        assert (await w.ask()).status_code == 200
        await w.flush()
        answer = await w.ask()
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"]) == (429, "budget_exceeded", "insufficient_quota")
    assert answer.headers["x-should-retry"] == "false"
    assert "retry-after" not in answer.headers
    assert "tokens_per_day is 120 (rule ops/budgets/tokens_per_day), 70 are used" in error["message"]
    assert "It resets at 2" in error["message"]
    assert error["message"].endswith("T00:00:00Z.")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (CHAT, "max_tokens"),
        (CHAT, "max_completion_tokens"),
        ("/v1/responses", "max_output_tokens"),
        ("/v1/messages", "max_tokens"),
    ],
)
async def test_a_maximum_is_lowered_to_what_the_budget_leaves(redis_url: str, path: str, name: str) -> None:
    async with world(redis_url, json_answer({}), budgets={"tokens_per_day": 1_000_000}) as w:
        await w.ask(path, **{name: 77})
        await w.ask(path, **{name: 77_000_000})
    first, second = (request.json() for request in w.upstream.requests)
    assert first == {**ASK, name: 77}
    assert 900_000 < second.pop(name) < 1_000_000
    assert second == ASK


@pytest.mark.parametrize(
    ("path", "members", "name"),
    [
        (CHAT, {}, "max_tokens"),
        (CHAT, {"max_completion_tokens": None}, "max_tokens"),
        (CHAT, {"model": "o4-mini"}, "max_completion_tokens"),
        ("/v1/responses", {}, "max_output_tokens"),
        ("/v1/messages", {}, "max_tokens"),
    ],
)
async def test_a_request_without_a_maximum_is_given_one_that_the_budget_can_pay(
    redis_url: str, path: str, members: dict[str, Any], name: str
) -> None:
    ask = {**ASK, **members}
    async with world(redis_url, json_answer({}), budgets={"tokens_per_day": 20_000}) as w:
        await w.ask(path, **members)
        await w.ask(path, **members)
        assert await w.counted("tokens_per_day") == 20_000
    first, second = (request.json() for request in w.upstream.requests)
    assert first == {**ask, name: 16_384}
    assert 3_000 < second.pop(name) < 20_000 - 16_384
    assert {**second, **members} == ask


async def test_what_is_written_above_the_estimate_is_owed(redis_url: str) -> None:
    async with world(redis_url, answered(10, 40_000), budgets={"tokens_per_day": 20_000}) as w:
        assert (await w.ask()).status_code == 200
        await w.flush()
        assert await w.counted("tokens_per_day") == 40_010
        assert (await w.ask(max_tokens=20)).json()["error"]["code"] == "budget_exceeded"


async def test_a_maximum_that_servers_read_as_none_is_replaced(redis_url: str) -> None:
    async with world(redis_url, json_answer({}), budgets={"tokens_per_day": 1_000_000}) as w:
        await w.ask(max_tokens=-1)
    assert w.upstream.requests[0].json() == {**ASK, "max_tokens": 16_384}


async def test_without_a_budget_the_request_stays_as_it_is(redis_url: str) -> None:
    async with world(redis_url, limits={"tokens_per_minute": 1000, "tool_calls_per_minute": 5}) as w:
        await w.ask()
    assert w.upstream.requests[0].json() == ASK


async def test_a_stream_is_capped_and_asked_for_its_usage(redis_url: str) -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    said = event({"id": "c", "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]})
    script = sse_answer([said, event({"id": "c", "choices": [], "usage": usage}), event("[DONE]")])
    async with world(redis_url, script, budgets={"tokens_per_day": 1_000}) as w:
        answer = await w.ask(stream=True)
        await w.flush()
        assert await w.counted("tokens_per_day") == 9
    sent = w.upstream.requests[0].json()
    assert sent["stream_options"] == {"include_usage": True} and 800 < sent["max_tokens"] < 1_000
    assert b"usage" not in answer.content


async def test_money_is_counted_to_the_nanodollar(redis_url: str) -> None:
    async with world(redis_url, answered(1000, 500), budgets={"usd_per_day": 1}) as w:
        await w.ask()
        await w.path.sightings.settled(1)
        held = await w.counted("usd_per_day")
        assert held > 16_384 * 4_000
        await w.flush()
        assert await w.counted("usd_per_day") == 1000 * 1_000 + 500 * 4_000


@pytest.mark.parametrize(("tier", "factor"), [("default", 1), ("flex", 1), ("priority", 2)])
async def test_a_dearer_tier_has_to_fit_before_it_is_served(redis_url: str, tier: str, factor: int) -> None:
    services = (
        ("flex", Price(Rates(input=500_000, output=2_000_000))),
        ("priority", Price(Rates(input=2_000_000, output=8_000_000))),
    )
    price = Price(PRICE.base, services=services)
    async with world(redis_url, price=lambda _: price, budgets={"usd_per_day": 1}) as w:
        await w.ask(service_tier=tier, max_tokens=1000)
        await w.path.sightings.settled(1)
        held = await w.counted("usd_per_day")
    assert factor * 1000 * 4_000 < held < factor * 1100 * 4_000


async def test_a_model_without_a_price_is_refused_where_money_is_bounded(redis_url: str) -> None:
    async with world(redis_url, price=lambda exchange: None, budgets={"usd_per_month": 5}) as w:
        answer = await w.ask()
        assert w.upstream.requests == []
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (429, "budget_exceeded", "model")
    assert error["message"] == "A budget holds (rule ops/budgets/usd_per_month), and what model `m` costs is not known."


@pytest.mark.parametrize(
    "path",
    [
        "/v1/batches",
        "/v1/audio/speech",
        "/v1/responses/compact",
        "/v1/responses/Compact",
        "/v1/models/m:generateContent",
    ],
)
async def test_what_nobody_can_count_is_refused_where_a_budget_holds(redis_url: str, path: str) -> None:
    async with world(redis_url, json_answer({}), budgets={"tokens_per_day": 5000}) as w:
        assert (await w.ask(path)).json()["error"]["code"] == "budget_exceeded"
        assert (await w.ask("/v1/files")).status_code == 200
        assert (await w.path.client.get(path)).status_code == 200


async def test_counting_tokens_uses_none(redis_url: str) -> None:
    async with world(redis_url, json_answer({"input_tokens": 900}), budgets={"tokens_per_day": 50}) as w:
        assert (await w.ask("/v1/messages/count_tokens")).status_code == 200
        assert w.upstream.requests[0].json() == ASK


async def test_embeddings_are_charged_for_their_input(redis_url: str) -> None:
    script = json_answer({"model": "m", "data": [], "usage": {"prompt_tokens": 21, "total_tokens": 21}})
    async with world(redis_url, script, budgets={"tokens_per_day": 5000}) as w:
        await w.path.client.post("/v1/embeddings", json={"model": "m", "input": "x"})
        await w.flush()
        assert await w.counted("tokens_per_day") == 21


async def test_tool_calls_are_counted_and_only_who_offers_tools_is_stopped(redis_url: str) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    limits, budgets = {"tool_calls_per_minute": 3}, {"tool_calls_per_conversation": 9}
    async with world(redis_url, answered(calls=3), limits=limits, budgets=budgets) as w:
        assert (await w.ask(tools=tools)).status_code == 200
        await w.flush()
        assert (await w.ask(tools=tools)).json()["error"]["code"] == "rate_limit_exceeded"
        assert (await w.ask()).status_code == 200


async def test_a_conversation_has_a_budget_of_its_own(redis_url: str) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    async with world(redis_url, answered(calls=2), budgets={"tool_calls_per_conversation": 2}) as w:
        assert (await w.ask(tools=tools)).status_code == 200
        await w.flush()
        refused = (await w.ask(tools=tools)).json()["error"]
        assert refused["code"] == "budget_exceeded"
        assert refused["message"].endswith("It holds for the whole conversation.")
        other = [{"role": "user", "content": "Something else"}]
        assert (await w.ask(tools=tools, messages=other)).status_code == 200


async def test_a_slot_is_free_again_when_its_request_is_over(redis_url: str) -> None:
    arrived, release = asyncio.Event(), asyncio.Event()

    async def script(request: Request, talk: Conversation) -> None:
        arrived.set()
        await release.wait()
        await talk.send(answered())

    async with world(redis_url, script, limits={"concurrent": 1}) as w:
        first = asyncio.create_task(w.ask())
        await arrived.wait()
        refused = await w.ask()
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert "Too many requests at a time: concurrent is 1" in refused.json()["error"]["message"]
        release.set()
        assert (await first).status_code == 200
        await w.flush(2)
        assert (await w.ask()).status_code == 200


async def test_a_request_that_was_never_sent_costs_nothing(redis_url: str) -> None:
    limits, budgets = {"requests_per_minute": 5}, {"tokens_per_day": 50_000}
    async with world(redis_url, limits=limits, budgets=budgets) as w:
        answer = await w.ask("/p/nobody/v1/chat/completions")
        assert answer.status_code == 400
        await w.flush()
        assert (await w.counted("requests_per_minute"), await w.counted("tokens_per_day")) == (0, 0)


async def test_a_failed_request_counts_and_costs_no_tokens(redis_url: str) -> None:
    limits, budgets = {"requests_per_minute": 5}, {"tokens_per_day": 50_000}
    async with world(redis_url, json_answer({"error": {}}, 500), limits=limits, budgets=budgets) as w:
        await w.ask()
        await w.flush()
        assert (await w.counted("requests_per_minute"), await w.counted("tokens_per_day")) == (1, 0)


async def test_an_aborted_stream_is_charged_for_what_it_said(redis_url: str) -> None:
    said = event({"id": "c", "choices": [{"index": 0, "delta": {"content": "x" * 400}}]})

    async def script(request: Request, talk: Conversation) -> None:
        await talk.start()
        await talk.chunk(said)
        await talk.hang()

    async with world(redis_url, script, budgets={"tokens_per_day": 50_000}) as w:
        async with w.path.client.stream("POST", CHAT, json={**ASK, "stream": True}) as answer:
            async for _ in answer.aiter_bytes():
                break
        await w.flush()
        assert 100 <= await w.counted("tokens_per_day") < 200


async def test_an_answer_in_the_background_stays_charged_as_set_aside(redis_url: str) -> None:
    script = json_answer({"id": "r", "status": "queued", "output": [], "usage": None})
    async with world(redis_url, script, budgets={"tokens_per_day": 50_000}) as w:
        await w.ask("/v1/responses", background=True, max_output_tokens=2000)
        await w.flush()
        assert await w.counted("tokens_per_day") > 2000


async def test_without_redis_each_process_lets_its_share_of_a_rate_pass(own_redis: RedisServer) -> None:
    async with world(own_redis.url, replicas=2, limits={"requests_per_minute": 6}) as w:
        assert (await w.ask()).status_code == 200
        own_redis.kill()
        answers = [await w.ask() for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 3
        assert {answer.headers["x-gateway-degraded"] for answer in answers} == {"redis"}
        assert w.reserve.alone == 6


async def test_without_redis_budgets_are_closed(own_redis: RedisServer) -> None:
    async with world(own_redis.url, budgets={"tokens_per_day": 50_000}) as w:
        assert (await w.ask()).status_code == 200
        own_redis.kill()
        answer = await w.ask()
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "state_unavailable")
        assert answer.headers["x-gateway-degraded"] == "redis"
        assert "retry-after" in answer.headers
        assert w.reserve.closed == 1
        own_redis.start()
        async with asyncio.timeout(10):
            while (await w.ask()).status_code != 200:
                await asyncio.sleep(0.02)


async def test_a_late_answer_of_a_redis_that_is_there_lets_nobody_pass_uncounted(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def late(*_: object, **__: object) -> None:
        raise StoreUnavailable("timeout")

    async with world(redis_url, limits={"requests_per_minute": 6}) as w:
        assert (await w.ask()).status_code == 200
        monkeypatch.setattr(w.limits, "reserve", late)
        answer = await w.ask()
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "state_unavailable")
        assert len(w.upstream.requests) == 1


# Throttled agents

THROTTLE = Prescription(("throttle",), concurrent=1)


async def slowly(request: Request, talk: Conversation) -> None:
    await talk.start()
    await talk.hang()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_throttled_agent_that_asks_one_thing_at_a_time_never_waits_in_vain(
    redis_url: str, stream: bool
) -> None:
    script = sse_answer([event({"choices": []}), event("[DONE]")]) if stream else answered()
    async with world(redis_url, script, prescribed=THROTTLE) as w:
        settling = asyncio.create_task(w.limits.run())
        assert {(await w.ask(stream=stream)).status_code for _ in range(50)} == {200}
        settling.cancel()
        await asyncio.gather(settling, return_exceptions=True)


@pytest.mark.parametrize("lost", [False, True])
async def test_of_two_requests_at_once_a_throttled_agent_gets_one_through(redis_url: str, lost: bool) -> None:
    async with world("unix:///nowhere" if lost else redis_url, slowly, prescribed=THROTTLE) as w:
        first = asyncio.create_task(w.ask(stream=True))
        await w.upstream.arrived()
        refused = await w.ask()
        error = refused.json()["error"]
        assert (refused.status_code, error["code"]) == (429, "rate_limit_exceeded")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert "throttled: latency_spike, incident inc_1." in error["message"]
        assert "rule immune/limits/concurrent" in error["message"]
        assert len(w.upstream.requests) == 1
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)


async def test_without_redis_too_a_throttled_agent_waits_for_its_own_end(redis_url: str) -> None:
    async with world("unix:///nowhere", prescribed=THROTTLE) as w:
        assert {(await w.ask()).status_code for _ in range(20)} == {200}


async def test_a_throttled_agent_hears_how_many_a_minute(redis_url: str) -> None:
    slow = Prescription(("throttle",), requests_per_minute=2)
    async with world(redis_url, prescribed=slow) as w:
        found = [await w.ask() for _ in range(3)]
    assert [one.status_code for one in found] == [200, 200, 429]
    assert "throttled" in found[2].text and "2 requests a minute" in found[2].text
    assert found[2].headers["x-ratelimit-limit-requests"] == "2"


async def test_limits_that_an_operator_set_say_so_at_once_though_the_agent_is_throttled(redis_url: str) -> None:
    async with world(redis_url, limits={"requests_per_minute": 1}, prescribed=THROTTLE) as w:
        assert (await w.ask()).status_code == 200
        await w.flush()
        refused = await w.ask()
    assert refused.status_code == 429 and "rule ops/limits/requests_per_minute" in refused.text
