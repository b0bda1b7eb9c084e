"""What is counted of an exchange, and that no caller can make up labels."""

from typing import Any

from gateway.model.errors import CODES, Refusal
from gateway.telemetry.instruments import Family, Point
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.top_agents import TopAgents
from gateway.telemetry.trace_context import Trace
from tests.telemetry.exchanges import exchange, vitals


def metrics() -> Metrics:
    return Metrics(TopAgents(lambda: 0.0, places=5))


def count(counted: Metrics, numbers: dict[str, Any] | None = None, **values: Any) -> None:
    trace = Trace("req_1")
    trace.sent_at = 10.5
    one = exchange(**values)
    known = None if one.agent is None else vitals(model=one.model, status=one.status, **numbers or {})
    counted.observe(one, trace, known, 13.0)


def families(counted: Metrics) -> dict[str, Family]:
    return {instrument.name: instrument.family() for instrument in counted.instruments()}


def points(counted: Metrics, name: str, **labels: str) -> list[Point]:
    return [p for p in families(counted)[name].points if labels.items() <= dict(p.attributes).items()]


def test_an_answer_is_measured_once() -> None:
    counted = metrics()
    count(counted, {"cached_tokens": 5, "cost_usd": 0.5}, streaming=True, first_content_at=11.0)
    assert [p.value for p in points(counted, "http.server.request.duration")] == [3.0]
    assert [p.value for p in points(counted, "leuko.overhead.duration")] == [0.5]
    assert [p.value for p in points(counted, "gen_ai.client.operation.duration")] == [2.5]
    assert [p.value for p in points(counted, "gen_ai.client.operation.time_to_first_chunk")] == [0.5]
    used = {p.attributes["type"]: p.value for p in points(counted, "leuko.tokens", model="gpt-4o", provider="default")}
    assert used == {"input": 40, "output": 7, "cached": 5, "reasoning": 0}
    assert [p.value for p in points(counted, "leuko.cost.usd")] == [0.5]
    sizes = points(counted, "gen_ai.client.token.usage", **{"gen_ai.request.model": "gpt-4o"})
    assert [(p.attributes["gen_ai.token.type"], p.value) for p in sizes] == [("input", 40), ("output", 7)]
    assert [p.value for p in points(counted, "leuko.agent.tokens", agent="agt_1")] == [47]


def test_an_estimate_is_counted_as_used_and_not_as_the_providers_word() -> None:
    counted = metrics()
    count(counted, {"usage_estimated": True})
    assert sum(p.value for p in points(counted, "leuko.tokens")) == 47
    assert not points(counted, "gen_ai.client.token.usage")


def test_every_refusal_is_there_before_it_happens() -> None:
    reasons = {p.attributes["reason"] for p in points(metrics(), "leuko.decisions", decision="deny")}
    assert reasons == {code for code in CODES if not code.startswith("upstream_")}


def test_a_refusal_is_counted_by_its_reason() -> None:
    counted = metrics()
    failure = Refusal("rate_limit_exceeded", "")
    count(counted, failure=failure, dispatched=False, status=429)
    assert [p.value for p in points(counted, "leuko.decisions", reason="rate_limit_exceeded")] == [1]
    assert [p.value for p in points(counted, "leuko.limit.rejections", limit="rate_limit_exceeded")] == [1]
    assert [p.value for p in points(counted, "leuko.decisions", decision="allow")] == [0]
    assert not points(counted, "gen_ai.client.operation.duration")


def test_a_provider_that_fails_was_no_decision_of_ours() -> None:
    counted = metrics()
    count(counted, failure=Refusal("upstream_timeout", ""), status=504)
    assert [p.value for p in points(counted, "leuko.decisions", decision="allow")] == [1]
    (duration,) = points(counted, "gen_ai.client.operation.duration")
    assert duration.attributes["error.type"] == "upstream_timeout"


def test_who_was_not_identified_is_counted() -> None:
    counted = metrics()
    count(counted, agent=None, failure=Refusal("invalid_api_key", ""), dispatched=False, status=401)
    assert [p.value for p in points(counted, "leuko.decisions", reason="invalid_api_key")] == [1]


def test_what_is_served_while_something_is_missing_is_counted() -> None:
    counted = metrics()
    own = [(b"x-gateway-request-id", b"req_1"), (b"x-gateway-degraded", b"redis,audit")]
    count(counted, own_headers=own)
    count(counted, own_headers=[*own[:1], (b"x-gateway-degraded", b"redis")])
    found = {p.attributes["what"]: p.value for p in points(counted, "leuko.degraded.exchanges")}
    assert found == {"redis": 2, "audit": 1}


def test_withheld_calls_are_told_apart() -> None:
    counted = metrics()
    count(counted, {"tool_calls": 3, "denied_calls": 2})
    assert {p.attributes["decision"]: p.value for p in points(counted, "leuko.tool.calls")} == {"allow": 1, "deny": 2}


def test_made_up_models_are_no_labels() -> None:
    counted = metrics()
    for number in range(1_000):
        count(counted, model=f"made-up-{number}", status=404)
    assert {p.attributes["gen_ai.request.model"] for p in points(counted, "gen_ai.client.operation.duration")} == {
        "other"
    }


def test_a_provider_that_answers_to_every_name_makes_few_labels() -> None:
    counted = metrics()
    for number in range(20_000):
        count(counted, model=f"model-{number}" if number % 2 else "m" * 5_000, status=200)
    series = {name: len(family.points) for name, family in families(counted).items()}
    assert series["gen_ai.client.operation.duration"] == 51
    assert sum(series.values()) < 1_500


def test_made_up_methods_and_statuses_stay_within_bounds() -> None:
    counted = metrics()
    for number in range(2_000):
        one = exchange(status=200 + number % 300)
        object.__setattr__(one.request, "method", f"M{number}")
        counted.observe(one, Trace("req_1"), None, 13.0)
    found = families(counted)["http.server.request.duration"].points
    assert len(found) == 300 and {p.attributes["http.request.method"] for p in found} == {"_OTHER"}
    assert len(counted._served) <= 4_000
