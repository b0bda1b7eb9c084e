"""Debian's Prometheus as a process of its own, scraping a gateway every half second."""

import json
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.gateway import eventually


@dataclass
class Prometheus:
    """A running server."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The instant vector of an expression; fails where Prometheus refuses it."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=20).json()
        assert answer["status"] == "success", f"{expression}: {answer}"
        result = answer["data"]["result"]
        assert isinstance(result, list), f"{expression} is no vector"
        return result

    def label_values(self, metric: str, label: str) -> list[str]:
        """What Grafana asks for a variable."""
        url = f"{self.url}/api/v1/label/{label}/values"
        found = httpx.get(url, params={"match[]": metric}, timeout=20).json()["data"]
        assert isinstance(found, list)
        return found


@contextmanager
def running_prometheus(directory: Path, target: str, key: str, rules: Path) -> Iterator[Prometheus]:
    """For the length of a block, with job `leuko` as `deploy/prometheus` has it; skips the test where it is missing."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("NOT TESTED: no prometheus here; install the package prometheus")
    port = _free_port()
    (directory / "key").write_text(key)
    config: Mapping[str, Any] = {
        "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {
                "job_name": "leuko",
                "metrics_path": "/metrics",
                "authorization": {"type": "Bearer", "credentials_file": str(directory / "key")},
                "static_configs": [{"targets": [target]}],
            }
        ],
    }
    (directory / "prometheus.json").write_text(json.dumps(config))  # JSON is YAML
    log = (directory / "prometheus.log").open("wb")
    process = subprocess.Popen(
        [program, f"--config.file={directory / 'prometheus.json'}", f"--storage.tsdb.path={directory / 'tsdb'}"]
        + [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"],
        stdout=subprocess.DEVNULL,
        stderr=log,
    )
    try:
        found = Prometheus(f"http://127.0.0.1:{port}")
        eventually(lambda: _is_ready(found.url))
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        log.close()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready").status_code == 200
    except httpx.TransportError:
        return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
