"""Spans of instrumented agents, as the real SDK makes them, and what is reported of them."""

import multiprocessing
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Tracer, TracerProvider
from opentelemetry.trace import SpanKind, Status, StatusCode

from gateway.sdk import ImmuneReporter
from gateway.sdk.otel import ImmuneSpanProcessor
from tests.support.gateway import eventually, running_gateway
from tests.support.redis import RedisServer


class Reporter:
    """Keeps what is reported."""

    def __init__(self, *, names_needed: bool = True) -> None:
        self.names_needed = names_needed
        self.reported: list[dict[str, Any]] = []
        self.lost = 0
        self.sources: list[Callable[[], None]] = []

    def gather(self, source: Callable[[], None]) -> None:
        self.sources.append(source)

    def report(self, **vitals: Any) -> None:
        self.reported.append(vitals)

    def lose(self, count: int, why: str) -> None:
        self.lost += count

    def flush(self, timeout: float) -> bool:
        return True

    def seen(self, *names: str) -> list[tuple[Any, ...]]:
        """These members of each."""
        return [tuple(one.get(name) for name in names) for one in self.reported]


class Traced:
    """A provider with the processor, whose clock is moved by hand."""

    def __init__(self, reporter: Any, **resource: str) -> None:
        self.now = 0.0
        self.provider = TracerProvider(resource=Resource(resource), shutdown_on_exit=False)
        self.processor = ImmuneSpanProcessor(reporter, clock=lambda: self.now)
        self.provider.add_span_processor(self.processor)
        self.tracer: Tracer = self.provider.get_tracer("an agent")

    def span(self, operation: str, **attributes: Any) -> Any:
        given = {name.replace("__", "."): value for name, value in attributes.items()}
        return self.tracer.start_as_current_span(
            operation, kind=SpanKind.CLIENT, attributes={"gen_ai.operation.name": operation, **given}
        )

    def chat(self, **attributes: Any) -> None:
        with self.span("chat", gen_ai__request__model="gpt-4o", **attributes):
            pass

    def tool(self, name: str, *, error: bool = False) -> None:
        with self.span("execute_tool", gen_ai__tool__name=name) as span:
            if error:
                span.set_attribute("error.type", "timeout")


@pytest.fixture
def reporter() -> Reporter:
    return Reporter()


@pytest.fixture
def traced(reporter: Reporter) -> Traced:
    return Traced(reporter)


def test_an_exchange_alone_is_reported_when_it_ends(traced: Traced, reporter: Reporter) -> None:
    with traced.span("chat", gen_ai__request__model="gpt-4o") as span:
        span.set_attribute("gen_ai.usage.input_tokens", 12)
    (vitals,) = reporter.reported
    assert (vitals["model"], vitals["input_tokens"], vitals["status"]) == ("gpt-4o", 12, 200)
    assert vitals["conversation"] == f"{span.get_span_context().trace_id:032x}"
    assert vitals["name"] == "unknown_service"
    assert vitals["time"] > 1.7e9 and vitals["latency_ms"] > 0.0


def test_calls_count_into_the_exchange_that_made_them_and_failures_into_the_next(
    traced: Traced, reporter: Reporter
) -> None:
    with traced.span("invoke_agent", gen_ai__agent__name="planner", gen_ai__conversation__id="talk-7"):
        traced.chat()
        traced.tool("search")
        traced.tool("fetch", error=True)
        assert reporter.reported == []
        traced.chat()
    assert reporter.seen("tool_names", "tool_calls", "tool_errors") == [(["search", "fetch"], 2, 0), (None, None, 1)]
    assert set(reporter.seen("name", "conversation")) == {("planner", "talk-7")}


def test_calls_within_an_exchange_are_its_own(traced: Traced, reporter: Reporter) -> None:
    with traced.span("chat", gen_ai__request__model="gpt-4o"):
        traced.tool("search", error=True)
    assert reporter.seen("tool_names", "tool_errors") == [(["search"], 1)]


def test_without_an_agents_span_the_outermost_one_holds_them_together(traced: Traced, reporter: Reporter) -> None:
    with traced.tracer.start_as_current_span("POST /chat", kind=SpanKind.SERVER):
        with traced.tracer.start_as_current_span("step"):
            traced.tool("remember")
            traced.chat()
        with traced.tracer.start_as_current_span("step"):
            traced.tool("search")
    assert reporter.seen("tool_names") == [(["remember", "search"],)]


def test_a_call_is_counted_once_whatever_it_is_made_of(traced: Traced, reporter: Reporter) -> None:
    with traced.span("invoke_agent"):
        traced.chat()
        with traced.span("execute_tool", gen_ai__tool__name="search"):
            traced.tool("search")
    assert reporter.seen("tool_names") == [(["search"],)]


def test_usage_is_reported_once_by_the_innermost_that_has_it(traced: Traced, reporter: Reporter) -> None:
    used = {"gen_ai__usage__input_tokens": 10}
    with traced.span("invoke_agent", **used), traced.span("invoke_agent", **used), traced.span("chat", **used):
        traced.chat(**used)
        traced.tool("search")
    assert reporter.seen("model", "tool_names") == [("gpt-4o", ["search"])]
    with traced.span("invoke_agent", gen_ai__agent__name="far", **used):
        pass
    assert reporter.seen("name", "input_tokens")[1:] == [("far", 10)]


def test_an_agents_span_without_usage_is_no_exchange(traced: Traced, reporter: Reporter) -> None:
    with traced.span("invoke_agent"):
        traced.tool("search")
    assert reporter.reported == []


def test_a_call_that_takes_long_holds_nothing_up(traced: Traced, reporter: Reporter) -> None:
    (source,) = reporter.sources
    with traced.span("invoke_agent"):
        traced.chat()
        traced.now += 4.9
        source()
        assert reporter.reported == []
        traced.now += 0.1
        source()
        assert len(reporter.reported) == 1
        traced.tool("late")
        traced.chat()
    assert reporter.seen("tool_names") == [(None,), (["late"],)]


def test_whose_it_is_the_reporter_says_or_the_spans_or_the_service() -> None:
    one, other = Reporter(names_needed=False), Reporter()
    for reporter in (one, other):
        traced = Traced(reporter, **{"service.name": "shop"})
        traced.chat(gen_ai__agent__name="planner")
        traced.chat()
    assert one.seen("name", "agent_id") == [(None, None)] * 2
    assert other.seen("name") == [("planner",), ("shop",)]


def test_a_failed_exchange_is_reported_without_its_text(traced: Traced, reporter: Reporter) -> None:
    with pytest.raises(TimeoutError), traced.span("chat", gen_ai__input__messages="a prompt"):
        raise TimeoutError("a prompt")
    with traced.span("chat") as span:
        span.set_status(Status(StatusCode.ERROR, "a prompt"))
    assert [one["error_type"] for one in reporter.reported] == ["error", "error"]
    assert "a prompt" not in str(reporter.reported)


def test_what_a_server_did_for_others_is_not_the_agents(traced: Traced, reporter: Reporter) -> None:
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
    with traced.tracer.start_as_current_span("chat", kind=SpanKind.SERVER, attributes=attributes):
        pass
    assert reporter.reported == []


def test_what_is_held_is_reported_when_it_is_asked_for(traced: Traced, reporter: Reporter) -> None:
    with traced.span("invoke_agent"):
        traced.chat()
        assert traced.provider.force_flush()
        assert len(reporter.reported) == 1
        traced.chat()
        traced.provider.shutdown()
    assert len(reporter.reported) == 2


def test_spans_that_never_end_cost_no_memory(
    traced: Traced, reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.sdk.otel._OPEN", 3)
    run = traced.span("invoke_agent")
    run.__enter__()
    traced.chat()
    for _ in range(5):
        traced.tracer.start_span("forgotten")
    assert len(reporter.reported) == 1
    run.__exit__(None, None, None)


def test_a_span_that_cannot_be_read_fails_nobody(
    traced: Traced, reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traced.processor, "_reporter", type("Odd", (), {"names_needed": True, "lose": reporter.lose})())
    traced.chat()
    assert reporter.lost == 1


def count_in_child(traced: Traced, reporter: Reporter) -> None:
    traced.chat()
    assert len(reporter.reported) == 1


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_is_not_locked_out(traced: Traced, reporter: Reporter) -> None:
    with traced.processor._lock:
        child = multiprocessing.get_context("fork").Process(target=count_in_child, args=(traced, reporter))
        child.start()
        child.join(20)
    assert child.exitcode == 0


def test_a_real_instrumentation_reports_real_calls_to_a_real_gateway(shared_redis: RedisServer, tmp_path: Path) -> None:
    key = "igk-" + secrets.token_hex(12)
    env = {
        "GATEWAY_REDIS_URL": shared_redis.url,
        "GATEWAY_REDIS_PREFIX": f"otel{secrets.token_hex(4)}:",
        "GATEWAY_DATA_DIR": str(tmp_path),
        "INGEST_API_KEY": key,
    }
    with running_gateway("--stub", env=env) as gateway, ImmuneReporter(gateway.url, key, interval=0.05) as reporter:
        traced = Traced(reporter, **{"service.name": "shop"})
        instrumentor = OpenAIInstrumentor()
        instrumentor.instrument(tracer_provider=traced.provider)
        try:
            with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="sk-shop-0123456789", max_retries=0) as client:
                ask: Any = {"messages": [{"role": "user", "content": "a prompt"}]}
                client.chat.completions.create(model="stub-echo", **ask)
                usage: Any = {"stream": True, "stream_options": {"include_usage": True}}
                list(client.chat.completions.create(model="stub-echo", **ask, **usage))
                with pytest.raises(openai.InternalServerError):
                    client.chat.completions.create(model="stub-error-500", **ask)
                client.embeddings.create(model="stub-echo", input="a prompt")
        finally:
            instrumentor.uninstrument()
        assert traced.provider.force_flush()
        assert (reporter.sent, reporter.dropped) == (4, 0)

        def named() -> list[dict[str, Any]]:
            return [one for one in gateway.admin("/agents").json()["items"] if one["name"] == "shop"]

        eventually(named)
        path = f"/agents/{named()[0]['agent_id']}/vitals"
        eventually(lambda: len(gateway.admin(path).json()["items"]) == 4)
        found = gateway.admin(path).json()["items"]
        assert [one["status"] for one in reversed(found)] == [200, 200, 500, 200]
        assert all(one["input_tokens"] for one in found if one["status"] == 200)
        assert "a prompt" not in str(found)
