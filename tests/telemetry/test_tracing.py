"""An exchange is part of its caller's trace, and the provider's work of the gateway's."""

from itertools import count

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from gateway.model.errors import Refusal
from gateway.telemetry.otlp import resource_of
from gateway.telemetry.redaction import Redaction
from gateway.telemetry.spans import Spans
from gateway.telemetry.trace_context import Sampler
from gateway.telemetry.tracing import Tracing
from tests.telemetry.exchanges import exchange, vitals

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SENT = f"00-{TRACE}-00f067aa0ba902b7-01".encode()


class Sink(list[ReadableSpan]):
    def on_end(self, span: ReadableSpan) -> None:
        self.append(span)


def tracing(sink: Sink | None, ratio: str = "1", propagate: bool = True) -> Tracing:
    ids = count(1)
    return Tracing(
        sink,
        Spans(resource_of({}, "0"), "0", Redaction()),
        Sampler({"OTEL_TRACES_SAMPLER_ARG": ratio}, lambda: 0.0),
        propagate=propagate,
        bits=lambda size: next(ids),
        clock=lambda: 13.0,
        wall_clock=lambda: 1_000_013.0,
    )


def test_spans_hang_below_the_callers_and_the_provider_hangs_below_ours() -> None:
    sink = Sink()
    traced = tracing(sink)
    one = exchange({b"traceparent": SENT, b"tracestate": b"vendor=1"})
    trace = traced.begin(one)
    headers = traced.outgoing(trace, [(b"a", b"b"), (b"traceparent", SENT), (b"tracestate", b"vendor=1")])
    trace.sent_at = 10.5
    traced.end(one, trace, vitals())
    server, client = sink
    assert server.parent is not None and client.parent is not None
    assert [f"{span.context.trace_id:032x}" for span in sink] == [TRACE, TRACE]
    assert (server.parent.span_id, client.parent.span_id) == (0x00F067AA0BA902B7, server.context.span_id)
    assert (server.kind, client.kind) == (SpanKind.SERVER, SpanKind.CLIENT)
    sent = f"00-{TRACE}-{client.context.span_id:016x}-01".encode()
    assert headers == [(b"a", b"b"), (b"tracestate", b"vendor=1"), (b"traceparent", sent)]
    assert client.context.trace_state.get("vendor") == "1"


def test_times_are_those_of_the_exchange() -> None:
    sink = Sink()
    traced = tracing(sink)
    one = exchange()
    trace = traced.begin(one)
    trace.sent_at = 10.5
    traced.end(one, trace, vitals())
    assert [(span.start_time, span.end_time) for span in sink] == [
        (1_000_010_000_000_000, 1_000_013_000_000_000),
        (1_000_010_500_000_000, 1_000_013_000_000_000),
    ]


def test_without_an_exporter_the_callers_context_travels_on_untouched() -> None:
    traced = tracing(None)
    trace = traced.begin(exchange({b"traceparent": SENT}))
    headers = [(b"traceparent", SENT)]
    assert traced.outgoing(trace, headers) == [(b"traceparent", SENT)]
    assert f"{trace.trace_id:032x}" == TRACE  # log lines name it


def test_a_trace_nobody_records_is_passed_on_as_it_came() -> None:
    traced = tracing(Sink(), ratio="0")
    unsampled = SENT[:-1] + b"0"
    trace = traced.begin(exchange({b"traceparent": unsampled}))
    assert traced.outgoing(trace, [(b"traceparent", unsampled)]) == [(b"traceparent", unsampled)]


def test_a_request_without_a_trace_begins_one() -> None:
    traced = tracing(Sink(), ratio="0")
    trace = traced.begin(exchange())
    ((name, value),) = traced.outgoing(trace, [])
    assert name == b"traceparent" and value.endswith(b"-00") and not trace.recorded


def test_context_that_cannot_be_read_goes_no_further() -> None:
    traced = tracing(Sink())
    trace = traced.begin(exchange({b"traceparent": b"00-x"}))
    headers = traced.outgoing(trace, [(b"traceparent", b"00-x"), (b"tracestate", b"a=1"), (b"b", b"c")])
    assert headers == [(b"b", b"c"), (b"traceparent", trace.traceparent)]


def test_providers_get_no_context_if_they_should_not() -> None:
    traced = tracing(Sink(), propagate=False)
    assert traced.outgoing(traced.begin(exchange({b"traceparent": SENT})), []) == []


def test_a_refused_request_has_one_span_that_says_so() -> None:
    sink = Sink()
    traced = tracing(sink)
    one = exchange(dispatched=False, answer=None, status=403, failure=Refusal("policy_denied", "secret reason"))
    traced.end(one, traced.begin(one), vitals())
    (server,) = sink
    attributes = dict(server.attributes or {})
    assert (attributes["error.type"], attributes["leuko.decision"]) == ("policy_denied", "deny")
    assert [event.name for event in server.events] == ["leuko.decision"]
    assert "secret reason" not in server.to_json()


OTHER = "0af7651916cd43dd8448eb211c80319c"


def test_a_message_is_part_of_the_trace_it_names_and_its_request_is_a_link() -> None:
    sink = Sink()
    traced = tracing(sink)
    one = exchange({b"traceparent": SENT})
    trace = traced.begin(one)
    traced.adopt(trace, f"00-{OTHER}-00f067aa0ba902b8-01", "vendor=2")
    onward = traced.onward(trace)
    headers = traced.outgoing(trace, [(b"traceparent", SENT)])
    trace.sent_at = 10.5
    traced.end(one, trace, vitals())
    server, client = sink
    assert [f"{span.context.trace_id:032x}" for span in sink] == [OTHER, OTHER]
    assert server.parent is not None and server.parent.span_id == 0x00F067AA0BA902B8
    assert [f"{link.context.trace_id:032x}" for link in server.links] == [TRACE] and client.links == ()
    sent = f"00-{OTHER}-{client.context.span_id:016x}-01"
    assert onward == {"traceparent": sent, "tracestate": "vendor=2"} and headers == [(b"traceparent", sent.encode())]


def test_what_a_message_names_that_is_no_trace_changes_nothing() -> None:
    traced = tracing(Sink())
    trace = traced.begin(exchange({b"traceparent": SENT}))
    traced.adopt(trace, "00-nonsense \ud800", None)
    assert f"{trace.trace_id:032x}" == TRACE and trace.ambient is None


def test_a_message_says_nothing_of_a_trace_that_nobody_records() -> None:
    for traced in (tracing(None), tracing(Sink(), ratio="0"), tracing(Sink(), propagate=False)):
        assert traced.onward(traced.begin(exchange())) == {}
