"""The text that Prometheus reads, by the reader of its own client library."""

from prometheus_client.parser import text_string_to_metric_families

from gateway.telemetry.exposition import exposition, prometheus_name
from gateway.telemetry.instruments import Counter, Family, Histogram, Point


def test_names_are_those_of_opentelemetrys_translation() -> None:
    assert [
        prometheus_name("gen_ai.client.token.usage", "{token}", "histogram"),
        prometheus_name("leuko.overhead.duration", "s", "histogram"),
        prometheus_name("leuko.cost.usd", "{usd}", "counter"),
        prometheus_name("process.memory.usage", "By", "gauge"),
        prometheus_name("process.cpu.time", "s", "counter"),
    ] == [
        "gen_ai_client_token_usage",
        "leuko_overhead_duration_seconds",
        "leuko_cost_usd_total",
        "process_memory_usage_bytes",
        "process_cpu_time_seconds_total",
    ]


def test_a_histogram_has_rising_buckets_a_sum_and_a_count() -> None:
    histogram = Histogram("waits", "s", "Waiting.", bounds=(0.1, 1))
    for value in (0.05, 0.5, 0.5, 7):
        histogram.child({"gen_ai.x": "y"}).record(value)
    (family,) = text_string_to_metric_families(exposition([(histogram.family(), {})]))
    found = {(sample.name, sample.labels.get("le")): sample.value for sample in family.samples}
    assert found == {
        ("waits_seconds_bucket", "0.1"): 1,
        ("waits_seconds_bucket", "1"): 3,
        ("waits_seconds_bucket", "+Inf"): 4,
        ("waits_seconds_sum", None): 8.05,
        ("waits_seconds_count", None): 4,
    }
    assert all(sample.labels["gen_ai_x"] == "y" for sample in family.samples)


def test_no_label_can_forge_a_line_or_break_the_encoding() -> None:
    nasty = 'a"} 1\nforged 1\\\ud800'
    family = Family("c", "counter", "{x}", "about\nit", (Point({"model": nasty}, 1),))
    text = exposition([(family, {})])
    text.encode()
    (found,) = text_string_to_metric_families(text)
    assert [sample.labels["model"] for sample in found.samples] == [nasty.replace("\ud800", "?")]


def test_families_of_several_processes_become_one() -> None:
    counter = Counter("c", "{x}", "")
    counter.child({}).add(1)
    text = exposition([(counter.family(), {"worker": "0"}), (counter.family(), {"worker": "1"})])
    assert text.count("# TYPE c_total counter") == 1
    (found,) = text_string_to_metric_families(text)
    assert [sample.labels for sample in found.samples] == [{"worker": "0"}, {"worker": "1"}]
