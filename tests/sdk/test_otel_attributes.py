"""What spans say of an exchange, by whichever version of the conventions."""

from typing import Any

import pytest

from gateway.sdk.otel_attributes import agent_of, conversation_of, kind_of, tool_of, used_tokens, vitals_of


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"gen_ai.operation.name": "chat"}, "exchange"),
        ({"gen_ai.operation.name": "text_completion"}, "exchange"),
        ({"gen_ai.operation.name": "generate_content"}, "exchange"),
        ({"gen_ai.operation.name": "embeddings"}, "exchange"),
        ({"llm.request.type": "completion"}, "exchange"),
        ({"gen_ai.system": "openai", "gen_ai.request.model": "gpt-4"}, "exchange"),
        ({"gen_ai.operation.name": "execute_tool"}, "tool"),
        ({"mcp.method.name": "tools/call", "gen_ai.tool.name": "search"}, "tool"),
        ({"traceloop.span.kind": "tool"}, "tool"),
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "gpt-4"}, "agent"),
        ({"traceloop.span.kind": "workflow"}, "agent"),
        ({"gen_ai.operation.name": "create_agent", "gen_ai.request.model": "gpt-4"}, None),
        ({"mcp.method.name": "tools/list"}, None),
        ({"http.request.method": "POST"}, None),
        ({}, None),
    ],
)
def test_a_span_is_an_exchange_an_agent_a_tool_or_nothing(attributes: dict[str, Any], kind: str | None) -> None:
    assert kind_of(attributes) == kind


TODAY = {
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 20,
    "gen_ai.usage.cache_read.input_tokens": 64,
    "gen_ai.usage.reasoning.output_tokens": 5,
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.response.time_to_first_chunk": 0.25,
    "gen_ai.input.messages": "a prompt",
    "gen_ai.system_instructions": "a prompt",
}
EARLIER = {
    "gen_ai.system": "openai",
    "gen_ai.response.model": "gpt-4o",
    "gen_ai.usage.prompt_tokens": 100,
    "gen_ai.usage.completion_tokens": 20,
    "gen_ai.usage.cache_read_input_tokens": 64,
    "gen_ai.usage.reasoning_tokens": 5,
    "llm.response.finish_reason": "stop",
    "gen_ai.server.time_to_first_token": 0.25,
    "llm.is_streaming": True,
    "gen_ai.prompt.0.content": "a prompt",
}


@pytest.mark.parametrize("attributes", [TODAY, EARLIER], ids=["today", "earlier"])
def test_numbers_and_names_are_read_and_text_is_not(attributes: dict[str, Any]) -> None:
    assert vitals_of(attributes, seconds=1.5, failed=False) == {
        "provider": "openai",
        "model": "gpt-4o",
        "latency_ms": 1500.0,
        "ttft_ms": 250.0,
        "stream": True,
        "input_tokens": 100,
        "output_tokens": 20,
        "cached_tokens": 64,
        "reasoning_tokens": 5,
        "finish_reason": "stop",
        "status": 200,
    }


def test_what_is_not_said_is_not_reported() -> None:
    assert vitals_of({"gen_ai.response.finish_reasons": ()}, seconds=0.0, failed=False) == {
        "latency_ms": 0.0,
        "stream": False,
        "status": 200,
    }


@pytest.mark.parametrize(
    ("attributes", "failed", "status", "kind"),
    [
        ({"error.type": "429"}, False, 429, "429"),
        ({"error.type": "openai.RateLimitError"}, True, 429, "RateLimitError"),
        ({"error.type": "timeout", "http.response.status_code": 408}, True, 408, "timeout"),
        ({}, True, 0, "error"),
        ({"error.type": "ends."}, True, 0, "ends."),
    ],
)
def test_a_failure_is_told_by_its_kind(attributes: dict[str, Any], failed: bool, status: int, kind: str) -> None:
    vitals = vitals_of(attributes, seconds=0.0, failed=failed)
    assert (vitals["status"], vitals["error_type"]) == (status, kind)


def test_an_agent_is_named_as_the_gateway_knows_it_or_by_its_name() -> None:
    assert agent_of({"gen_ai.agent.id": "agt_1", "gen_ai.agent.name": "planner"}) == {"agent_id": "agt_1"}
    assert agent_of({"gen_ai.agent.id": "asst_1", "gen_ai.agent.name": "plan\nner"}) == {"name": "planner"}
    assert agent_of({"gen_ai.agent.id": "asst_1"}) == {"name": "asst_1"}
    assert agent_of({"gen_ai.agent.name": 7}) == {}


def test_a_tool_is_named_by_what_says_so() -> None:
    assert tool_of({"gen_ai.tool.name": "search"}, "whatever") == "search"
    assert tool_of({}, "execute_tool search") == "search"
    assert tool_of({}, "tools/call search") == "search"
    assert tool_of({}, "ran `rm -rf` for a person") == "tool"


def test_conversations_and_usage_are_found() -> None:
    assert conversation_of({"gen_ai.conversation.id": "c", "session.id": "s"}) == "c"
    assert conversation_of({"session.id": 7}) is None
    assert used_tokens({"gen_ai.usage.output_tokens": 0}) and not used_tokens({"gen_ai.system": "openai"})
