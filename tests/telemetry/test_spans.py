"""What spans say, and what they never say."""

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace.status import StatusCode

from gateway.intents.claims import IntentClaims
from gateway.model.agent import Agent
from gateway.model.answer import Answer
from gateway.model.ask import Ask
from gateway.model.errors import ClientGone, Refusal
from gateway.model.exchange import Exchange
from gateway.model.route import Route
from gateway.model.tool_call import ToolCall
from gateway.model.verdict import Denial
from gateway.model.vitals import Vitals
from gateway.telemetry.otlp import resource_of
from gateway.telemetry.redaction import Redaction
from gateway.telemetry.spans import Spans, error_type
from gateway.telemetry.trace_context import Trace
from tests.telemetry.exchanges import exchange, vitals


def spans(one: Exchange, numbers: Vitals | None) -> list[ReadableSpan]:
    trace = Trace("req_1")
    trace.trace_id, trace.span_id, trace.client_id, trace.sent_at, trace.recorded = 1, 2, 3, 10.5, True
    return Spans(resource_of({}, "0"), "0", Redaction(["canary-of-this-process"])).of(one, trace, numbers, 0, 1)


def attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def test_usage_stands_on_the_providers_span_alone() -> None:
    server, client = spans(exchange(), vitals(cached_tokens=5, reasoning_tokens=2, cost_usd=0.25))
    assert not [name for name in attributes(server) if name.startswith("gen_ai.usage")]
    found = attributes(client)
    assert (found["gen_ai.usage.input_tokens"], found["gen_ai.usage.output_tokens"]) == (40, 7)
    assert (found["gen_ai.usage.cache_read.input_tokens"], found["gen_ai.usage.reasoning.output_tokens"]) == (5, 2)
    assert found["leuko.cost.usd"] == 0.25


def test_an_estimate_is_not_passed_off_as_usage() -> None:
    _, client = spans(exchange(), vitals(usage_estimated=True))
    assert not [name for name in attributes(client) if name.startswith("gen_ai.usage")]
    assert attributes(client)["leuko.usage.estimated"] is True


def test_names_are_those_of_the_conventions() -> None:
    server, client = spans(exchange(), vitals(finish_reason="stop", conversation="cnv_1"))
    assert (server.name, client.name) == ("POST /v1/chat/completions", "chat gpt-4o")
    found = attributes(client)
    assert (found["gen_ai.operation.name"], found["gen_ai.provider.name"]) == ("chat", "openai")
    assert found["gen_ai.response.finish_reasons"] == ("stop",)
    assert found["gen_ai.conversation.id"] == attributes(server)["gen_ai.conversation.id"] == "cnv_1"


@pytest.mark.parametrize(("asked", "shown"), [("priority", "priority"), (7, None), (None, None)])
def test_the_tier_of_service_is_what_was_asked_for_and_what_was_given(asked: object, shown: str | None) -> None:
    ask = Ask(model="gpt-4o", stream=False, document={"service_tier": asked})
    one = exchange(ask=ask, answer=Answer(service_tier="default"))
    found = attributes(spans(one, vitals())[1])
    assert found.get("openai.request.service_tier") == shown
    assert found["openai.response.service_tier"] == "default"
    other = exchange(ask=ask, answer=Answer(service_tier="standard"), route=Route("messages", "/messages"))
    assert not [name for name in attributes(spans(other, vitals())[1]) if name.startswith("openai.")]


def test_what_is_relayed_has_few_names() -> None:
    route = Route(None, "/files/file-123")
    server, client = spans(exchange(route=route, model=None, answer=None), vitals(dialect=None))
    assert (server.name, client.name) == ("POST /v1/{path}", "relay")


def test_nobody_known_is_a_span_too() -> None:
    (server,) = spans(exchange(agent=None, status=401, failure=Refusal("invalid_api_key", "")), None)
    assert attributes(server)["error.type"] == "invalid_api_key"


def test_calls_and_refused_calls_are_events() -> None:
    calls = [ToolCall("get_x", "function", "{}", {}, id="call_1"), ToolCall("delete_all", "function", "{}", {})]
    answer = Answer(calls={0: calls})
    one = exchange(answer=answer, denied=[Denial("delete_all", "ops/deny/0", "because", "dec_1")])
    server, client = spans(one, vitals())
    assert [dict(event.attributes or {}) for event in client.events] == [
        {"gen_ai.tool.name": "get_x", "gen_ai.tool.call.id": "call_1"},
        {"gen_ai.tool.name": "delete_all"},
    ]
    assert [(event.attributes or {})["leuko.rule"] for event in server.events] == ["ops/deny/0"]


def test_only_a_fault_of_the_server_is_one_of_its_span() -> None:
    assert [spans(exchange(status=status), vitals())[0].status.status_code for status in (200, 404, 503)] == [
        StatusCode.UNSET,
        StatusCode.UNSET,
        StatusCode.ERROR,
    ]


def test_secrets_are_in_no_attribute() -> None:
    agent = Agent("agt_1", name="sk-proj-0123456789abcdef", owner_team="canary-of-this-process")
    one = exchange(route=Route(None, "/files/canary-of-this-process"), agent=agent, model="sk-proj-0123456789abcdef")
    told = "".join(span.to_json() for span in spans(one, vitals()))
    assert "canary" not in told and "sk-proj" not in told and "[redacted]" in told


def test_how_it_ended_is_one_word() -> None:
    ends = (None, ClientGone(), Refusal("policy_denied", ""))
    assert [error_type(exchange(failure=end)) for end in ends] == [None, "client_gone", "policy_denied"]
    assert error_type(exchange(status=429)) == "429"


def test_the_intent_is_named_where_there_is_one() -> None:
    one = exchange(intent=IntentClaims("int_1", "agt_1", None, (), 0.0, 1.0, 0.0))
    assert attributes(spans(one, vitals())[0])["leuko.intent.id"] == "int_1"
    assert "leuko.intent.id" not in attributes(spans(exchange(), vitals())[0])
