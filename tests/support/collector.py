"""An OpenTelemetry collector that nobody here wrote (rotel), and what it understood of what it was sent."""

import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.gateway import eventually

_ATTRIBUTE = re.compile(r"^ +-> ([\w.]+): (.*)$")
_FIELD = re.compile(r"^ +(Trace ID|Parent ID|ID|Name|Kind|Status code) +: (.*)$")


@dataclass
class ReceivedSpan:
    """A span as the collector printed it: attributes as `Str(chat)`, `Int(5)`; `events` by name."""

    trace_id: str = ""
    parent_id: str = ""
    id: str = ""
    name: str = ""
    kind: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)


@dataclass
class Collector:
    """A running collector. `url` is for `OTEL_EXPORTER_OTLP_ENDPOINT`."""

    url: str
    log: Path

    @property
    def text(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def spans(self, trace_id: str) -> list[ReceivedSpan]:
        """Those of one trace, in the order they came."""
        return [span for span in _spans(self.text) if span.trace_id == trace_id]

    def wait_for_spans(self, trace_id: str, number: int) -> list[ReceivedSpan]:
        eventually(lambda: len(self.spans(trace_id)) >= number)
        return self.spans(trace_id)


@contextmanager
def running_collector(directory: Path) -> Iterator[Collector]:
    """For the length of a block; skips the test where there is no rotel for this system."""
    rotel = pytest.importorskip("rotel")
    port, other = _free_port(), _free_port()
    log = directory / "collector.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [Path(rotel.__file__).parent / "rotel-agent", "start", "--exporter", "blackhole"]
            + ["--debug-log", "traces", "--debug-log", "metrics", "--debug-log-verbosity", "detailed"]
            + ["--otlp-http-endpoint", f"127.0.0.1:{port}", "--otlp-grpc-endpoint", f"127.0.0.1:{other}"]
            + ["--batch-timeout", "100ms"],
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        eventually(lambda: _listens(port))
        yield Collector(f"http://127.0.0.1:{port}", log)
    finally:
        process.kill()
        process.wait()


def _spans(text: str) -> Iterator[ReceivedSpan]:
    names = {"Trace ID": "trace_id", "Parent ID": "parent_id", "ID": "id", "Name": "name", "Kind": "kind"}
    for block in re.split(r"^Span #\d+$", text, flags=re.MULTILINE)[1:]:
        span, in_events = ReceivedSpan(), False
        for line in re.split(r"^Resource(?:Spans|Metrics) #\d+$", block, flags=re.MULTILINE)[0].splitlines():
            in_events = in_events or line == "Events:"
            if (found := _FIELD.match(line)) and found[1] in names:
                setattr(span, names[found[1]], found[2])
            elif found := _ATTRIBUTE.match(line):
                if not in_events:
                    span.attributes[found[1]] = found[2]
                elif found[1] == "Name":
                    span.events.append(found[2])
        yield span


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
