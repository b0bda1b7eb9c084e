"""The real gateway in a process of its own, started as an operator would start it, or forked from one that is."""

import atexit
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache

import httpx

from tests.support.measuring import as_measured
from tests.support.prepared import ROOT, Forked, prepared

ADMIN_KEY = "adm-Vq3zL8wKx0JrTnYc"
SECRET = "root-Hs5uPb2MdEf9GtXo"
WITHIN = 20.0

_LISTENS = re.compile(r"listens on (https?://\S+)")


class GatewayProcess:
    """A started `leuko serve`. `output` is what it printed so far."""

    def __init__(self, process: "subprocess.Popen[str] | Forked") -> None:
        self.process = process
        self.lines: list[str] = []
        self.url = ""
        atexit.register(self._do_not_outlive_the_tests)
        self._listening = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        return "".join(self.lines)

    @property
    def pid(self) -> int:
        return self.process.pid

    def admin(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.url}/api/gateway{path}", headers={"x-admin-key": ADMIN_KEY}, timeout=WITHIN)

    def ask(self, method: str, path: str, *, key: str = ADMIN_KEY, json: object = None) -> httpx.Response:
        """Any request to the admin API, with any key."""
        url = f"{self.url}/api/gateway{path}"
        return httpx.request(method, url, headers={"x-admin-key": key}, json=json, timeout=WITHIN)

    def complete(self, key: str, base: str = "/v1") -> httpx.Response:
        """A chat completion of an agent with this key."""
        ask = {"model": "any", "messages": [{"role": "user", "content": "Hello"}]}
        headers = {"authorization": f"Bearer {key}"}
        return httpx.post(f"{self.url}{base}/chat/completions", json=ask, headers=headers, timeout=WITHIN)

    def wait_until_listening(self) -> None:
        assert self._listening.wait(WITHIN) and self.url, f"the gateway did not start:\n{self.output}"

    def stop(self, sign: int = signal.SIGINT, within: float = WITHIN) -> int:
        """Signal it (0: not) and wait for its end; the exit code."""
        if sign and self.process.poll() is None:
            self.process.send_signal(sign)
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the gateway did not stop:\n{self.output}") from None
        self._reader.join(WITHIN)
        return code

    def _do_not_outlive_the_tests(self) -> None:
        """A test that failed before it stopped the gateway leaves it behind."""
        if self.process.poll() is None:
            self.process.terminate()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            found = _LISTENS.search(line)
            if found and not self.url:
                self.url = found[1].rstrip(".")
                self._listening.set()
        self._listening.set()
        self.process.stdout.close()


def start_gateway(*args: str, env: Mapping[str, str] | None = None) -> GatewayProcess:
    """Start `leuko serve --port 0` with these arguments and wait until it listens."""
    gateway = spawn_gateway(*args, env=env)
    gateway.wait_until_listening()
    return gateway


def spawn_gateway(*args: str, env: Mapping[str, str] | None = None, secrets: bool = True) -> GatewayProcess:
    """The same without waiting; without `secrets` it has to make its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve", *args],
        env=_environment(env or {}, secrets=secrets),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )
    return GatewayProcess(process)


def fork_gateway(*args: str, env: Mapping[str, str] | None = None) -> GatewayProcess:
    """What `start_gateway` starts, sooner: forked from a process that has imported it."""
    gateway = GatewayProcess(prepared().fork(["serve", *args], _environment(env or {})))
    gateway.wait_until_listening()
    return gateway


def _environment(given: Mapping[str, str], *, secrets: bool = True) -> dict[str, str]:
    here = as_measured(os.environ)
    clean = {k: v for k, v in here.items() if not k.startswith(("GATEWAY_", "LLM_UPSTREAM", "OPENAI_", "OTEL_"))}
    defaults = {"GATEWAY_PORT": "0", "PYTHONUNBUFFERED": "1"}
    if secrets:
        defaults["GATEWAY_DATA_DIR"] = _data_dir()
        defaults |= {"GATEWAY_ADMIN_KEY": ADMIN_KEY, "GATEWAY_SECRET": SECRET}
    return {**clean, **defaults, **given}


@cache
def _data_dir() -> str:
    """Where gateways leave their record that were given no directory; gone with the tests."""
    path = tempfile.mkdtemp(prefix="leuko-tests-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


@contextmanager
def running_gateway(*args: str, env: Mapping[str, str] | None = None) -> Iterator[GatewayProcess]:
    """A forked gateway for the length of a block."""
    gateway = fork_gateway(*args, env=env)
    try:
        yield gateway
    finally:
        if gateway.process.poll() is None:
            gateway.stop()


def eventually(holds: object, within: float = WITHIN) -> None:
    """Ask `holds()` until it says yes; fails after `within` seconds."""
    assert callable(holds)
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end, "it never became true"
        time.sleep(0.01)
