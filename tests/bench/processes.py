"""Starts the parts of a measurement, pins them to cores, and reads what they cost from the kernel's accounts."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import orjson

_CPUS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
_PROXY_CPU, _LOAD_CPU = _CPUS[0], _CPUS[-1]
_EVENTS, _GAP_MS = 100, 5.0
_PATH = "/v1/chat/completions"
_LIMITS = {"requests_per_minute": 10**9, "tokens_per_minute": 10**12}
_BUDGETS = {"usd_per_day": 10**6}
_RULES = {
    "default": "allow",
    "models": {"deny": ["*-preview"]},
    "always_blocked": ["delete:database", "drop *", "terminate *"],
    "deny": [f"send:{noun}" for noun in ("mail", "money", "secrets", "file", "invoice", "order", "page", "report")],
    "tools": {
        "run_command": {"arguments": {"command": {"command": {"allow": ["cat", "ls"], "paths": ["/sim/**"]}}}},
        "update_config": {"arguments": {"key": {"not_pattern": "(?i)(password|token|secret|key)"}}},
        **{f"scale_{name}": {"arguments": {"count": {"type": "integer", "maximum": 20}}} for name in "abcdef"},
    },
}
_POLICIES = orjson.dumps([{"name": "bench", "limits": _LIMITS, "budgets": _BUDGETS, **_RULES}]).decode()
"""Twenty rules, nothing in the way of the load, everything counted."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """One thing to measure; `pid` None where nothing stands in between. `key` and `intent` are what the load shows it,
    `mcp` is where it is, or stands before, an MCP server."""

    name: str
    url: str
    pid: int | None
    key: str = "sk-bench-0123456789"
    intent: str = ""
    mcp: str = ""


class Bench:
    """Owns every process of a measurement."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        self._dir = Path(tempfile.mkdtemp(prefix="leuko-bench-"))
        self._upstream = self._free_url()
        self._spawn(
            _LOAD_CPU, "-m", "tests.bench.upstream", str(urlsplit(self._upstream).port), str(_EVENTS), str(_GAP_MS)
        )
        self._wait(self._upstream)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for process in reversed(self._processes):
            process.send_signal(signal.SIGINT)
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(self._dir, ignore_errors=True)

    def direct(self) -> Proxy:
        return Proxy("direct", self._upstream + _PATH, None, mcp=f"{self._upstream}/mcp")

    def bare(self) -> Proxy:
        url = self._free_url()
        options = (
            f"--port {urlsplit(url).port} --loop uvloop --http httptools --no-access-log --log-level error".split()
        )
        pid = self._spawn(_PROXY_CPU, "-m", "uvicorn", "tests.bench.bare:app", *options, BENCH_UPSTREAM=self._upstream)
        return self._started("bare", url, pid)

    def leuko(self, *args: str) -> Proxy:
        """The gateway as it comes: identity, vitals, the audit record and metrics of agents that know nothing of it."""
        return self._gateway("leuko", {}, *args)

    def all_on(self, *args: str) -> Proxy:
        """With an agent key, a policy of twenty rules, limits and a budget in Redis, and traces on top."""
        admin_key = secrets.token_hex(16)
        env = {
            "GATEWAY_ADMIN_KEY": admin_key,
            "GATEWAY_POLICIES": _POLICIES,
            "LLM_UPSTREAM_API_KEY": "sk-bench-0123456789",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self._upstream,
            "GATEWAY_MCP_SERVERS": orjson.dumps({"bench": f"{self._upstream}/mcp"}).decode(),
        }
        proxy = self._gateway("all on", env, *args)
        base = proxy.url.removesuffix(_PATH)
        admin = httpx.Client(base_url=f"{base}/api/gateway", headers={"x-admin-key": admin_key}, timeout=30)
        with admin:
            agent = admin.post("/agents", json={"name": "bench"}).raise_for_status().json()
            key = admin.post(f"/agents/{agent['agent_id']}/keys", json={}).raise_for_status().json()["api_key"]
        return replace(proxy, key=key, mcp=f"{base}/mcp/bench")

    def under_intent(self, proxy: Proxy) -> Proxy:
        """The same gateway, asked under an intent."""
        asked = {"goal": "bench", "steps": [{"tool": "get_status"}]}
        url = proxy.url.removesuffix(_PATH) + "/api/v1/intents"
        made = httpx.post(url, json=asked, headers={"authorization": f"Bearer {proxy.key}"}, timeout=30)
        return replace(proxy, name="under an intent", intent=made.raise_for_status().json()["token"])

    def _gateway(self, name: str, more: dict[str, str], *args: str) -> Proxy:
        url = self._free_url()
        env = {
            "GATEWAY_PORT": str(urlsplit(url).port),
            "GATEWAY_DATA_DIR": str(self._dir / name.replace(" ", "-")),
            "LLM_UPSTREAM_URL": self._upstream,
            **more,
        }
        pid = self._spawn(_PROXY_CPU, *(args or ("-m", "gateway")), "serve", **env)
        return self._started(name, url, pid)

    def litellm(self) -> Proxy:
        url, config = self._free_url(), self._dir / "litellm.yaml"
        parameters = {
            "model": "openai/gpt-4o-mini",
            "api_base": self._upstream + "/v1",
            "api_key": "sk-" + secrets.token_hex(8),
        }
        config.write_bytes(orjson.dumps({"model_list": [{"model_name": "gpt-4o-mini", "litellm_params": parameters}]}))
        command = [str(Path(sys.executable).with_name("litellm")), "--config", str(config)]
        process = subprocess.Popen(
            ["taskset", "-c", str(_PROXY_CPU), *command, "--port", str(urlsplit(url).port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._processes.append(process)
        return self._started("litellm", url, process.pid)

    def measure(
        self,
        proxy: Proxy,
        *,
        connections: int,
        seconds: float,
        stream: bool = False,
        size: int = 1900,
        mcp: bool = False,
    ) -> dict[str, float]:
        """Load a proxy and tell its figures; CPU in microseconds of user and system time."""
        before = _cpu_seconds(proxy.pid)
        arguments = [
            proxy.mcp if mcp else proxy.url,
            str(connections),
            str(seconds),
            "--size",
            str(size),
            "--key",
            proxy.key,
            *(["--stream"] if stream else []),
            *(["--intent", proxy.intent] if proxy.intent else []),
            *(["--mcp"] if mcp else []),
        ]
        loader = subprocess.run(
            ["taskset", "-c", str(_LOAD_CPU), sys.executable, "-m", "tests.bench.load", *arguments],
            check=True,
            capture_output=True,
        )
        spent = _cpu_seconds(proxy.pid) - before
        figures: dict[str, float] = orjson.loads(loader.stdout)
        figures["cpu_per_answer"] = round(spent / max(1, figures["answers"]) * 1e6, 1)
        figures["cpu_per_event"] = round(spent / max(1, figures["events"]) * 1e6, 2)
        return figures

    def profile(self, seconds: float) -> None:
        """Print where the gateway's time goes under whole answers: by phase, then by function."""
        out = self._dir / "profile"
        proxy = self.all_on("-m", "tests.bench.profiled", str(out))
        self.measure(proxy, connections=32, seconds=seconds, stream=False)
        process = next(p for p in self._processes if p.pid == proxy.pid)
        process.send_signal(signal.SIGINT)
        process.wait(30)
        subprocess.run([sys.executable, "-m", "tests.bench.profiled", "--print", str(out)], check=True)

    def _spawn(self, cpu: int, *args: str, **env: str) -> int:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("GATEWAY_", "LLM_UPSTREAM"))}
        process = subprocess.Popen(
            ["taskset", "-c", str(cpu), sys.executable, *args],
            env={**clean, **env},
            stdout=subprocess.DEVNULL,
            stderr=None if os.environ.get("BENCH_VERBOSE") else subprocess.DEVNULL,
        )
        self._processes.append(process)
        return process.pid

    def _started(self, name: str, url: str, pid: int) -> Proxy:
        self._wait(url)
        return Proxy(name, url + _PATH, pid)

    @staticmethod
    def _free_url() -> str:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return f"http://127.0.0.1:{probe.getsockname()[1]}"

    @staticmethod
    def _wait(url: str) -> None:
        where, end = urlsplit(url), time.monotonic() + 60
        while True:
            try:
                socket.create_connection((where.hostname, where.port), 1).close()
                return
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)


def _cpu_seconds(pid: int | None) -> float:
    if pid is None:
        return 0.0
    fields: list[Any] = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
