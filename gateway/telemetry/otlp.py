"""Sends spans and metrics to an OpenTelemetry collector, by the standard `OTEL_*` variables.

Runs in threads of its own: a collector that is slow, down or hung costs the gateway nothing but what it drops.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, cast

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import export as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from gateway.telemetry import names
from gateway.telemetry.instruments import Family, Point

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_INTERVAL_MS = 15_000
_QUEUE = 16_384
_NOT_KEPT = cast(float, None)
"""OTLP's extremes are optional, which the SDK's types do not say."""

log = logging.getLogger(__name__)


def resource_of(env: Mapping[str, str], version: str) -> Resource:
    """Who emits. Each process is an instance of its own: two that shared an id would overwrite each other's totals."""
    given = {"service.instance.id": str(uuid.uuid4()), "service.version": version}
    if "OTEL_SERVICE_NAME" not in env and "service.name=" not in env.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        given["service.name"] = "leuko"
    return Resource.create(given, names.SCHEMA_URL)


def wants(env: Mapping[str, str], signal: str) -> bool:
    """Whether `traces` or `metrics` are to be exported."""
    if env.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    endpoint = env.get(ENDPOINT) or env.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT")
    return bool(endpoint) and env.get(f"OTEL_{signal.upper()}_EXPORTER", "otlp") != "none"


def span_processor(env: Mapping[str, str]) -> BatchSpanProcessor:
    """Batches spans and sends them; drops the oldest when more wait than it may hold."""
    queue = None if "OTEL_BSP_MAX_QUEUE_SIZE" in env else _QUEUE
    return BatchSpanProcessor(OTLPSpanExporter(), max_queue_size=queue)


class MetricSink(Protocol):
    """The SDK's exporter, as far as it is used here."""

    def export(self, metrics_data: sdk.MetricsData, timeout_millis: float = ...) -> object: ...

    def shutdown(self, timeout_millis: float = ...) -> None: ...


class MetricSender:
    """Sends all metrics every `OTEL_METRIC_EXPORT_INTERVAL` (15 s), and once more at the end.

    Args:
        collect: called in this sender's thread.
        wall_clock: seconds since the epoch.
    """

    def __init__(
        self,
        collect: Callable[[], Sequence[Family]],
        resource: Resource,
        version: str,
        env: Mapping[str, str],
        wall_clock: Callable[[], float],
        sink: MetricSink | None = None,
    ) -> None:
        self._collect = collect
        self._resource = resource
        self._scope = InstrumentationScope(names.SCOPE, version, names.SCHEMA_URL)
        self._wall_clock = wall_clock
        self._began = round(wall_clock() * 1e9)
        self._sink: MetricSink = sink or OTLPMetricExporter()
        self._interval = _interval(env) / 1000
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leuko-metrics", daemon=True)
        self._thread.start()

    def shutdown(self) -> None:
        """Send what there is, then end; blocks while the collector does."""
        self._stopping.set()
        self._thread.join()
        self._sink.shutdown()

    def _run(self) -> None:
        while not self._stopping.wait(self._interval):
            self._send()
        self._send()

    def _send(self) -> None:
        try:
            self._sink.export(self._data())
        except Exception:  # broad: an exporter's defect must not end the thread that would try again
            log.exception("Metrics were not exported")

    def _data(self) -> sdk.MetricsData:
        now = round(self._wall_clock() * 1e9)
        metrics = [_metric(family, self._began, now) for family in self._collect() if family.points]
        scope = sdk.ScopeMetrics(self._scope, metrics, names.SCHEMA_URL)
        return sdk.MetricsData([sdk.ResourceMetrics(self._resource, [scope], names.SCHEMA_URL)])


def shut_down(closers: Sequence[Callable[[], object]], within: float, clock: Callable[[], float]) -> bool:
    """Call them all, each in a thread nobody waits for longer than `within` seconds; whether they came to an end."""
    threads = [threading.Thread(target=close, daemon=True) for close in closers]
    for thread in threads:
        thread.start()
    end = clock() + within
    for thread in threads:
        thread.join(max(0.0, end - clock()))
    return not any(thread.is_alive() for thread in threads)


def _metric(family: Family, began: int, now: int) -> sdk.Metric:
    data: sdk.Histogram | sdk.Sum | sdk.Gauge
    if family.kind == "histogram":
        points = [_distribution(point, family.bounds, began, now) for point in family.points]
        data = sdk.Histogram(points, sdk.AggregationTemporality.CUMULATIVE)
    else:
        start = began if family.kind == "counter" else None
        numbers = [sdk.NumberDataPoint(_typed(p.attributes), start or 0, now, p.value) for p in family.points]
        data = (
            sdk.Gauge(numbers)
            if start is None
            else sdk.Sum(numbers, sdk.AggregationTemporality.CUMULATIVE, is_monotonic=True)
        )
    return sdk.Metric(family.name, family.description, family.unit, data)


def _distribution(point: Point, bounds: tuple[float, ...], began: int, now: int) -> sdk.HistogramDataPoint:
    return sdk.HistogramDataPoint(
        attributes=_typed(point.attributes),
        start_time_unix_nano=began,
        time_unix_nano=now,
        count=sum(point.buckets),
        sum=point.value,
        bucket_counts=point.buckets,
        explicit_bounds=bounds,
        min=_NOT_KEPT,
        max=_NOT_KEPT,
    )


def _typed(attributes: Mapping[str, str]) -> dict[str, str | int]:
    """The only attribute that is a number to OpenTelemetry is one."""
    return {name: int(value) if name == names.STATUS else value for name, value in attributes.items()}


def _interval(env: Mapping[str, str]) -> int:
    value = env.get("OTEL_METRIC_EXPORT_INTERVAL", "")
    return int(value) if value.isdigit() and int(value) else _INTERVAL_MS
