"""What the official SDKs make of refused answers: the same bytes on a socket, streamed and whole."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import openai
import orjson
import pytest

from gateway.model.errors import Refusal
from gateway.model.verdict import allow_all
from gateway.wire.messages import MESSAGES
from gateway.wire.responses import RESPONSES
from tests.support.transcripts import MARK, Run, deny_all, events, load, names
from tests.support.upstream import answer, threaded

REASON = "The call was refused by rule no-tools: not today"
STREAM = [("content-type", "text/event-stream")]
JSON = [("content-type", "application/json")]
RESPONSES_DENIED = [name for name in names("responses") if MARK in load(name) and not re.search("error|failed", name)]
MESSAGES_DENIED = [name for name in names("messages") if MARK in load(name) and "error" not in name]


@contextmanager
def openai_at(body: bytes, headers: list[tuple[str, str]], status: int = 200) -> Iterator[openai.OpenAI]:
    with (
        threaded(answer(status, body, headers)) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="sk-test", max_retries=0, timeout=20) as client,
    ):
        yield client


@contextmanager
def anthropic_at(body: bytes, headers: list[tuple[str, str]], status: int = 200) -> Iterator[anthropic.Anthropic]:
    with (
        threaded(answer(status, body, headers)) as server,
        anthropic.Anthropic(base_url=server.url, api_key="sk-ant-test", max_retries=0, timeout=20) as client,
    ):
        yield client


def denied(name: str) -> bytes:
    return Run(RESPONSES if name.startswith("responses") else MESSAGES, deny_all, (load(name),)).out


def ask_messages() -> dict[str, Any]:
    return {"model": "claude-opus-5", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize("name", RESPONSES_DENIED)
def test_openai_reads_a_denied_stream_as_an_ordinary_answer(name: str) -> None:
    with openai_at(denied(name), STREAM) as client, client.responses.stream(model="gpt-5.5", input="hi") as stream:
        seen = list(stream)
        final: Any = seen[-1].response  # type: ignore[union-attr]
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    indexes = [event.output_index for event in seen if event.type == "response.output_item.added"]
    assert indexes == list(range(len(final.output)))
    assert "refused by rule" in final.output_text
    assert {item.type for item in final.output} <= {"message", "reasoning"}
    assert final.usage.total_tokens == 160
    assert final.model_extra["leuko"]["denied"][0].keys() == {"tool", "rule", "decision_id"}
    if "incomplete" in name:
        assert (final.status, final.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    else:
        assert (final.status, final.incomplete_details) == ("completed", None)
        assert stream.get_final_response().output_text == final.output_text


@pytest.mark.parametrize("name", RESPONSES_DENIED)
def test_openai_reads_a_denied_whole_answer_as_an_ordinary_one(name: str) -> None:
    document: Any = events(load(name))[-1]["response"]
    calls = RESPONSES.read_answer(document).calls[0]
    body = orjson.dumps(RESPONSES.withhold(document, {0: deny_all(calls)}))  # type: ignore[dict-item]
    assert MARK not in body
    with openai_at(body, JSON) as client:
        made = client.responses.create(model="gpt-5.5", input="hi")
    assert made.output_text.endswith(REASON)
    assert {item.type for item in made.output} <= {"message", "reasoning"}
    assert made.status == ("incomplete" if "incomplete" in name else "completed")
    assert made.model_extra is not None
    assert len(made.model_extra["leuko"]["denied"]) == len(calls)


@pytest.mark.parametrize(
    "name", [name for name in names("responses") if not re.search("error|incomplete|failed", name)]
)
def test_openai_accepts_our_transcripts_as_they_are(name: str) -> None:
    """Else a refusal that passes here would prove little."""
    with openai_at(load(name), STREAM) as client, client.responses.stream(model="gpt-5.5", input="hi") as stream:
        assert stream.get_final_response().status == "completed"


@pytest.mark.parametrize("name", MESSAGES_DENIED)
@pytest.mark.parametrize("beta", [False, True])
def test_anthropic_reads_a_denied_stream_as_an_ordinary_answer(name: str, beta: bool) -> None:
    with anthropic_at(denied(name), STREAM) as client:
        source: Any = client.beta.messages if beta else client.messages
        with source.stream(**ask_messages()) as stream:
            starts = [event for event in stream if event.type == "content_block_start"]
            final = stream.get_final_message()
    assert [event.index for event in starts] == list(range(len(final.content)))
    assert final.content[-1].text == REASON
    assert not any(block.type == "tool_use" for block in final.content)
    assert final.stop_reason == ("max_tokens" if "max-tokens" in name else "end_turn")
    assert (final.usage.input_tokens, final.usage.output_tokens) == (25, 89)


@pytest.mark.parametrize("name", MESSAGES_DENIED)
def test_anthropic_reads_a_denied_whole_answer_as_an_ordinary_one(name: str) -> None:
    with (
        anthropic_at(Run(MESSAGES, allow_all, (load(name),)).out, STREAM) as client,
        client.messages.stream(**ask_messages()) as stream,
    ):
        document = stream.get_final_message().to_dict()
    calls = MESSAGES.read_answer(document).calls[0]
    body = orjson.dumps(MESSAGES.withhold(document, {0: deny_all(calls)}))  # type: ignore[dict-item]
    assert MARK not in body
    with anthropic_at(body, JSON) as client:
        made = client.messages.create(**ask_messages())
    assert made.content[-1].to_dict() == {"type": "text", "text": REASON}
    assert made.stop_reason == ("max_tokens" if "max-tokens" in name else "end_turn")
    assert made.model_extra is not None
    assert len(made.model_extra["leuko"]["denied"]) == len(calls)


def test_openai_raises_on_a_refusal_before_the_answer() -> None:
    refusal = Refusal("tool_call_denied", "Rule no-tools: not today", param="tools[0]")
    with (
        openai_at(RESPONSES.error_body(refusal), JSON, 403) as client,
        pytest.raises(openai.PermissionDeniedError) as caught,
    ):
        client.responses.create(model="gpt-5.5", input="hi")
    assert (caught.value.code, caught.value.param) == ("tool_call_denied", "tools[0]")
    assert "not today" in caught.value.message


def test_anthropic_raises_on_a_refusal_before_the_answer() -> None:
    refusal = Refusal("tool_call_denied", "Rule no-tools: not today")
    with (
        anthropic_at(MESSAGES.error_body(refusal), JSON, 403) as client,
        pytest.raises(anthropic.PermissionDeniedError) as caught,
    ):
        client.messages.create(**ask_messages())
    body: Any = caught.value.body
    assert body["error"]["type"] == "permission_error"
    assert body["error"]["code"] == "tool_call_denied"
    assert "not today" in str(caught.value)


def test_anthropic_raises_on_a_refusal_in_the_stream() -> None:
    run = Run(MESSAGES, lambda calls: Refusal("tool_call_denied", "not today"), (load("messages-text-then-call"),))
    with (
        anthropic_at(run.out, STREAM) as client,
        client.messages.stream(**ask_messages()) as stream,
        pytest.raises(anthropic.APIStatusError, match="not today"),
    ):
        stream.until_done()


def test_openai_reads_a_refusal_in_the_stream_as_a_failed_response() -> None:
    run = Run(RESPONSES, lambda calls: Refusal("tool_call_denied", "not today"), (load("responses-text-then-call"),))
    with openai_at(run.out, STREAM) as client:
        seen = list(client.responses.create(model="gpt-5.5", input="hi", stream=True))
    last = seen[-1]
    assert last.type == "response.failed"
    assert last.sequence_number > seen[-2].sequence_number
    assert last.response.id == seen[0].response.id  # type: ignore[union-attr]
    assert last.response.status == "failed"
    error: Any = last.response.error
    assert (error.code, error.message) == ("invalid_prompt", "tool_call_denied: not today")


def test_openai_reads_a_refusal_as_the_first_event() -> None:
    """The response it belongs to was never announced, so its required members are made up."""
    frame = RESPONSES.reader().error_frame(Refusal("upstream_unavailable", "nobody there"))
    with openai_at(frame, STREAM) as client:
        (event,) = client.responses.create(model="gpt-5.5", input="hi", stream=True)
    assert event.type == "response.failed"
    event.response.to_json()
    error: Any = event.response.error
    assert (error.code, error.message) == ("server_error", "upstream_unavailable: nobody there")
