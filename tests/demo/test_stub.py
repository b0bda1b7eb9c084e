"""The stub models as a provider: routes, errors, timing; read frame by frame as the pipeline reads them."""

import asyncio
import selectors
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.demo.stub import MODELS, StubModels
from gateway.demo.stub_reply import StubReply
from gateway.demo.stub_turns import Turn
from gateway.model.errors import Refusal
from tests.demo.serving import PROVIDER, models

ANSWERED = ["/chat/completions", "/completions", "/responses", "/messages"]
JUDGED = [*ANSWERED, "/messages/count_tokens", "/embeddings"]
T = TypeVar("T")


async def ask(
    path: str, body: Any, *, stub: StubModels | None = None, method: str = "POST", **headers: str
) -> StubReply:
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return await (stub or models()).open(PROVIDER, method, path, b"", sent, data)


async def answer(path: str, body: Any, **more: Any) -> tuple[int, Any]:
    reply = await ask(path, body, **more)
    return reply.status, orjson.loads(await reply.read(10_000_000))


def asked(path: str, model: str, **more: Any) -> dict[str, Any]:
    """A request with every member that one of the dialects wants."""
    said = [{"role": "user", "content": "hello there"}]
    told: dict[str, Any] = {"/completions": {"prompt": "hello there"}, "/chat/completions": {"messages": said}}
    told |= {"/messages": {"messages": said, "max_tokens": 10}, "/messages/count_tokens": {"messages": said}}
    return {"model": model} | told.get(path, {"input": "hello there"}) | more


def in_virtual_time(work: Coroutine[Any, Any, T]) -> tuple[T, float]:
    """Run it in a loop that does not wait: its clock jumps to the next timer. The result, and the seconds it took."""

    class Jumping(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
        now = 0.0

        def select(self, timeout: float | None = None) -> Any:
            self.now += timeout or 0
            return super().select(0)

    selector = Jumping()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    try:
        return loop.run_until_complete(work), selector.now
    finally:
        loop.close()


# -- routes


@pytest.mark.parametrize("prefix", ["", "/v1", "/openai/v1", "//v1/", "/openai/deployments/stub-echo"])
async def test_every_spelling_of_a_path_is_served(prefix: str) -> None:
    status, document = await answer(f"{prefix}/chat/completions", asked("/chat/completions", "stub-echo"))
    assert (status, document["choices"][0]["message"]["content"]) == (200, "hello there")


async def test_an_azure_path_names_the_model() -> None:
    body = {"messages": [{"role": "user", "content": "hello"}]}
    _, document = await answer("/openai/deployments/stub-tool/chat/completions", body)
    assert document["model"] == "stub-tool"


@pytest.mark.parametrize(
    ("status", "kind"), [(400, "invalid_request_error"), (429, "rate_limit_error"), (503, "server_error")]
)
async def test_a_request_may_ask_to_fail(status: int, kind: str) -> None:
    got, document = await answer("/chat/completions", asked("/chat/completions", "stub-echo", stub={"status": status}))
    assert (got, document["error"]["type"], document["error"]["code"]) == (status, kind, "stub_error")


async def test_a_body_may_come_in_parts() -> None:
    async def parts() -> AsyncIterator[bytes]:
        data = orjson.dumps(asked("/responses", "stub-echo"))
        yield data[:10]
        yield data[10:]

    reply = await models().open(PROVIDER, "POST", "/responses", b"", [], parts())
    assert b"hello there" in await reply.read(100_000)


@pytest.mark.parametrize(
    "method, path",
    [("POST", "/files"), ("GET", "/chat/completions"), ("GET", "/responses/resp_1"), ("DELETE", "/models")],
)
async def test_other_routes_are_unknown(method: str, path: str) -> None:
    status, document = await answer(path, b"", method=method)
    assert (status, document["error"]["code"]) == (404, "unknown_url")


async def test_the_listing_is_in_the_form_of_whoever_asks() -> None:
    _, for_openai = await answer("/models", b"", method="GET")
    assert for_openai["object"] == "list"
    assert [model["object"] for model in for_openai["data"]] == ["model"] * len(MODELS)
    _, for_anthropic = await answer("/models", b"", method="GET", anthropic_version="2023-06-01")
    assert [model["type"] for model in for_anthropic["data"]] == ["model"] * len(MODELS)
    assert for_anthropic["has_more"] is False


@pytest.mark.parametrize("version", [{}, {"anthropic_version": "2023-06-01"}])
async def test_an_unknown_model_is_not_listed(version: dict[str, str]) -> None:
    status, document = await answer("/models/gpt-99", b"", method="GET", **version)
    assert status == 404
    assert "type" in document if version else document["error"]["code"] == "model_not_found"


def test_only_its_own_models_are_served() -> None:
    assert all(StubModels.serves(model) for model in MODELS)
    assert not StubModels.serves("gpt-5")
    assert not StubModels.serves(None)


# -- errors


@pytest.mark.parametrize("path", JUDGED)
@pytest.mark.parametrize("stream", [False, True])
async def test_the_failing_model_fails_in_the_form_of_the_dialect(path: str, stream: bool) -> None:
    status, document = await answer(path, asked(path, "stub-error-500", stream=stream))
    assert status == 500
    if path.startswith("/messages"):
        assert (document["type"], document["error"]["type"]) == ("error", "api_error")
    else:
        assert set(document["error"]) == {"message", "type", "param", "code"}
        assert document["error"]["type"] == "server_error"


@pytest.mark.parametrize("path", JUDGED)
async def test_an_unknown_model_is_not_found_in_the_form_of_the_dialect(path: str) -> None:
    status, document = await answer(path, asked(path, "gpt-99"))
    assert status == 404
    error = document["error"]
    assert error["type"] == "not_found_error" if path.startswith("/messages") else error["code"] == "model_not_found"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"model": 7}',
        {"model": "stub-slow", "stub": {"delay_ms": -1}},
        {"model": "stub-slow", "stub": {"events": 0}},
        {"model": "stub-echo", "stub": {"status": 200}},
        {"model": "stub-slow", "stub": {"events": "many"}},
        {"model": "stub-script"},
        {"model": "stub-script", "stub": {"turns": []}},
        {"model": "stub-script", "stub": [{"txet": "hello"}]},
    ],
)
@pytest.mark.parametrize("path", ANSWERED)
async def test_what_cannot_be_answered_is_a_400(path: str, body: Any) -> None:
    status, document = await answer(path, body)
    assert (status, document["error"]["type"]) == (400, "invalid_request_error")


async def test_a_document_too_deep_to_be_told_again_is_a_400() -> None:
    body = b'{"model": "stub-echo", "input": "hi", "tools": [' + b'{"a":' * 400 + b"1" + b"}" * 400 + b"]}"
    status, _ = await answer("/responses", body)
    assert status == 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = ["messages", "input", "prompt", "tools", "functions", "tool_choice", "n", "stream", "stream_options", "text"]
MEMBERS += ["response_format", "output_config", "thread", "previous_response_id", "dimensions", "stub", "metadata"]
TYPED = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["function", "custom", "namespace", "tool_result", "function_call_output", "message"])
        | JSON,
        "role": st.sampled_from(["user", "tool", "assistant"]) | JSON,
        **{name: JSON for name in ("content", "function", "name", "parameters", "input_schema", "tools", "output")},
    },
)
BODIES = st.dictionaries(st.sampled_from(MEMBERS), JSON | TYPED | st.lists(TYPED | JSON, max_size=3), max_size=5)


@settings(max_examples=150, deadline=None)
@given(path=st.sampled_from(JUDGED), model=st.sampled_from(MODELS), body=BODIES)
def test_any_document_is_answered_or_refused(path: str, model: str, body: dict[str, Any]) -> None:
    async def run() -> int:
        reply = await ask(path, body | {"model": model})
        await reply.read(50_000_000)
        return reply.status

    status, _ = in_virtual_time(run())
    assert status in (200, 400, 500)
    assert (status == 500) == (model == "stub-error-500")


# -- answers


@pytest.mark.parametrize("path", ANSWERED)
async def test_a_stream_is_declared_and_each_chunk_is_a_whole_event(path: str) -> None:
    reply = await ask(path, asked(path, "stub-echo", stream=True))
    assert dict(reply.headers)[b"content-type"].startswith(b"text/event-stream")
    frames = []
    while chunk := await reply.chunk():
        frames.append(chunk)
    assert all(frame.endswith(b"\n\n") and frame.count(b"\n\n") == 1 for frame in frames)
    assert (frames[-1] == b"data: [DONE]\n\n") == path.endswith("completions")
    assert await reply.chunk() == b""


@pytest.mark.parametrize("path", JUDGED)
async def test_a_whole_answer_says_its_length(path: str) -> None:
    reply = await ask(path, asked(path, "stub-echo"))
    assert int(dict(reply.headers)[b"content-length"]) == len(await reply.read(100_000))


async def test_a_script_given_at_start_is_followed_unless_the_body_has_one() -> None:
    stub = models((Turn("from the start"),))
    _, given_at_start = await answer("/responses", asked("/responses", "stub-script"), stub=stub)
    assert given_at_start["output"][0]["content"][0]["text"] == "from the start"
    body = asked("/responses", "stub-script", stub=["from the body"])
    _, from_body = await answer("/responses", body, stub=stub)
    assert from_body["output"][0]["content"][0]["text"] == "from the body"


async def test_tokens_are_counted_without_a_script() -> None:
    status, counted = await answer("/messages/count_tokens", asked("/messages", "stub-script"))
    assert (status, counted) == (200, {"input_tokens": counted["input_tokens"]})


# -- timing


async def collected(path: str, body: Any) -> tuple[list[bytes], list[float]]:
    """The chunks, and when each came."""
    reply, chunks, times = await ask(path, body), [], []
    while chunk := await reply.chunk():
        chunks.append(chunk)
        times.append(asyncio.get_running_loop().time())
    return chunks, times


@pytest.mark.parametrize("path", ANSWERED)
def test_the_slow_model_streams_twenty_words_100_ms_apart(path: str) -> None:
    (chunks, times), seconds = in_virtual_time(collected(path, asked(path, "stub-slow", stream=True)))
    moments = sorted(set(round(at, 6) for at in times if at > 0))
    assert moments == [round(0.1 * n, 6) for n in range(1, 21)]
    assert seconds == pytest.approx(2)


@pytest.mark.parametrize("path", ANSWERED)
def test_the_slow_model_answers_whole_after_two_seconds(path: str) -> None:
    (_, times), _ = in_virtual_time(collected(path, asked(path, "stub-slow")))
    assert times == pytest.approx([2])


def test_the_body_sets_how_slow_any_model_is() -> None:
    body = asked("/chat/completions", "stub-slow", stream=True, stub={"delay_ms": 500, "events": 3})
    assert in_virtual_time(collected("/chat/completions", body))[1] == pytest.approx(1.5)
    body = asked("/chat/completions", "stub-echo", stub={"delay_ms": 700})
    assert in_virtual_time(collected("/chat/completions", body))[1] == pytest.approx(0.7)


async def test_closing_a_slow_stream_ends_it_at_once() -> None:
    body = asked("/responses", "stub-slow", stream=True, stub={"delay_ms": 60_000})
    reply = await ask("/responses", body)
    reading = asyncio.ensure_future(reply.read(1_000_000))
    await asyncio.sleep(0.01)
    assert not reading.done()
    reply.close()
    reply.close()
    with pytest.raises(Refusal):
        await asyncio.wait_for(reading, 5)


async def test_a_slow_whole_answer_can_be_cancelled() -> None:
    opening = asyncio.ensure_future(ask("/responses", asked("/responses", "stub-slow", stub={"delay_ms": 60_000})))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(opening, 5)
