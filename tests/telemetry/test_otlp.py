"""What is sent to a collector, and that a bad one is no burden."""

import socket
import threading
import time
from collections.abc import Sequence
from itertools import count

import pytest
from opentelemetry.sdk.metrics import export as sdk

from gateway.telemetry import otlp
from gateway.telemetry.instruments import Counter, Family, Histogram, Observed


class Sink:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.given: list[sdk.MetricsData] = []
        self.closed = False

    def export(self, metrics_data: sdk.MetricsData, timeout_millis: float = 0) -> None:
        self.given.append(metrics_data)
        if len(self.given) == 1:
            raise ValueError("the first time it fails")

    def shutdown(self, timeout_millis: float = 0) -> None:
        self.closed = True


def families() -> Sequence[Family]:
    counter = Counter("c", "{x}", "Counted.")
    counter.child({"http.response.status_code": "200"}).add(3)
    histogram = Histogram("h", "s", "Measured.", bounds=(1, 2))
    histogram.child({}).record(1.5)
    gauge = Observed("g", "gauge", "By", "Observed.", lambda: [({}, 7)])
    return [counter.family(), histogram.family(), gauge.family(), Counter("unused", "{x}", "").family()]


def test_metrics_are_cumulative_and_go_out_once_more_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    sink, times = Sink(), count(100)
    env = {"OTEL_METRIC_EXPORT_INTERVAL": "10"}
    sender = otlp.MetricSender(families, otlp.resource_of({}, "1"), "1", env, lambda: float(next(times)), sink)
    while len(sink.given) < 2:
        time.sleep(0.005)
    sender.shutdown()
    assert sink.closed and "Metrics were not exported" in caplog.text
    ((scope,),) = [one.scope_metrics for one in sink.given[-1].resource_metrics]
    counter, histogram, gauge = scope.metrics
    assert isinstance(counter.data, sdk.Sum) and isinstance(histogram.data, sdk.Histogram)
    assert counter.data.is_monotonic and counter.data.aggregation_temporality == sdk.AggregationTemporality.CUMULATIVE
    (total,), (spread,), (level,) = counter.data.data_points, histogram.data.data_points, gauge.data.data_points
    assert (total.value, total.start_time_unix_nano, total.attributes) == (
        3,
        100 * 10**9,
        {"http.response.status_code": 200},
    )
    assert (spread.count, spread.sum, tuple(spread.bucket_counts)) == (1, 1.5, (0, 1, 0))
    assert level.value == 7 and total.time_unix_nano > total.start_time_unix_nano


def test_each_process_is_an_instance_of_its_own() -> None:
    one, other = (otlp.resource_of({}, "1").attributes for _ in range(2))
    assert one["service.name"] == "leuko"
    assert one["service.instance.id"] != other["service.instance.id"]


def test_the_operators_name_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    env = {"OTEL_SERVICE_NAME": "edge"}
    monkeypatch.setenv("OTEL_SERVICE_NAME", "edge")
    assert otlp.resource_of(env, "1").attributes["service.name"] == "edge"


@pytest.mark.parametrize(
    ("env", "signal", "wanted"),
    [
        ({}, "traces", False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, "traces", True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, "metrics", True),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c"}, "metrics", True),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c"}, "traces", False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_METRICS_EXPORTER": "none"}, "metrics", False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "true"}, "traces", False),
    ],
)
def test_export_starts_where_an_endpoint_is_set(env: dict[str, str], signal: str, wanted: bool) -> None:
    assert otlp.wants(env, signal) is wanted


def test_a_collector_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        sender = otlp.MetricSender(families, otlp.resource_of({}, "1"), "1", {}, time.time)
        assert not otlp.shut_down([sender.shutdown], 0.2, time.monotonic)


def test_all_are_closed_at_once() -> None:
    both = threading.Barrier(2, timeout=10)
    assert otlp.shut_down([both.wait, both.wait], 10, time.monotonic)
