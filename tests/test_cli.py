"""The command line as a person or a container uses it."""

import gc
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import gateway.app
from gateway import __version__
from gateway.cli import _loading, app
from gateway.settings import Settings, SettingsError

ADMIN = "adm-Vq3zL8wKx0JrTnYc"
ROOT = "root-Hs5uPb2MdEf9GtXo"
OURS = re.compile(r"GATEWAY_|LLM_UPSTREAM_|MCP_|ADMIN_API_KEY|INGEST_API_KEY|LOG_LEVEL|LOG_FORMAT")


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty directory to stand in, and none of our settings in the environment."""
    for name in [n for n in os.environ if OURS.match(n)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


def leuko(*args: str) -> Result:
    return CliRunner().invoke(app, args)


def errors(result: Result) -> list[str]:
    assert "Traceback" not in result.stderr
    return result.stderr.splitlines()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What `serve` was called with; nothing listens."""
    calls: list[Settings] = []

    def serve(settings: Settings, reread: object) -> int:
        calls.append(settings)
        return 0

    monkeypatch.setattr(gateway.app, "serve", serve, raising=False)
    return calls


@pytest.mark.parametrize("command", [[sys.executable, "-m", "gateway"], [str(Path(sys.executable).with_name("leuko"))]])
def test_both_ways_to_call_it_are_the_same(command: list[str]) -> None:
    shown = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert (shown.stdout, shown.stderr) == (f"leuko {__version__}\n", "")
    usage = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
    assert usage.stdout.startswith("Usage: leuko ")


def test_help_loads_nothing_that_only_a_command_needs() -> None:
    code = (
        "import sys; from gateway.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'pydantic', 'yaml', 'httpx', 'redis', 'aiohttp', 'rich', 'fastapi'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "[]"


def test_every_command_explains_itself() -> None:
    assert all(command in leuko("--help").stdout for command in ("serve", "check", "health", "--version"))
    assert all(
        option in leuko("serve", "--help").stdout
        for option in ("--config", "--host", "--port", "--workers", "--stub", "--stub-script")
    )


@pytest.mark.parametrize(
    "args", [["--nope"], ["nope"], ["serve", "--nope"], ["serve", "--port", "x"], ["check", "--config", "/nowhere"]]
)
def test_wrong_usage_is_2(args: list[str]) -> None:
    result = leuko(*args)
    assert result.exit_code == 2
    assert errors(result)[-1].startswith("Error: ")


def test_serve_hands_the_settings_over(served: list[Settings], tmp_path: Path) -> None:
    (tmp_path / "turns.yaml").write_text("[]")
    options = "--host ::1 --port 4100 --workers 2 --stub --stub-script turns.yaml"
    assert leuko("serve", *options.split()).exit_code == 0
    (settings,) = served
    assert (settings.host, settings.port, settings.workers, settings.stub) == ("::1", 4100, 2, True)
    assert settings.stub_script == Path("turns.yaml")


def test_serve_reads_the_file_of_the_directory_it_stands_in(served: list[Settings], tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("port: 4101\n")
    (tmp_path / "other.yaml").write_text("port: 4102\n")
    leuko("serve")
    leuko("serve", "--config", "other.yaml")
    leuko("serve", "--port", "4103")
    assert [settings.port for settings in served] == [4101, 4102, 4103]
    assert not any(settings.stub for settings in served)


def test_the_exit_code_of_serve_is_that_of_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway.app, "serve", lambda settings: 1, raising=False)
    assert leuko("serve").exit_code == 1


@pytest.mark.parametrize("error", [SettingsError(["a: wrong", "b: wrong"]), OSError(98, "Address already in use")])
def test_what_keeps_the_gateway_from_starting_is_said_in_plain_lines(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve(settings: Settings, reread: object) -> int:
        raise error

    monkeypatch.setattr(gateway.app, "serve", serve, raising=False)
    result = leuko("serve")
    assert result.exit_code == 1
    assert errors(result) == [f"leuko: {line}" for line in str(error).splitlines()]


def started(**env: str) -> tuple[int, list[str]]:
    """The exit code of `leuko serve` in a process of its own, and its stderr."""
    command = [sys.executable, "-m", "gateway", "serve"]
    ran = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran.returncode, ran.stderr.splitlines()


def test_a_port_that_is_taken_is_said_in_one_line(port: int) -> None:
    code, lines = started(GATEWAY_PORT=str(port))
    assert code == 1
    assert f"leuko: 127.0.0.1:{port} is in use by another process" in lines


def test_a_redis_that_is_not_there_is_said_in_one_line() -> None:
    redis = "redis://127.0.0.1:1"
    code, lines = started(GATEWAY_PORT="0", GATEWAY_REDIS_URL=redis, GATEWAY_ADMIN_KEY=ADMIN, GATEWAY_SECRET=ROOT)
    assert code == 1
    assert [line for line in lines if line.startswith("leuko: Redis is unavailable")]


def test_every_wrong_setting_is_a_line_on_stderr(served: list[Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_PORT", "x")
    monkeypatch.setenv("LOG_FORMAT", "xml")
    for command in ("serve", "check"):
        result = leuko(command)
        assert (result.exit_code, result.stdout) == (1, "")
        assert errors(result) == [
            "leuko: GATEWAY_PORT: 'x' is not valid; allowed: a whole number from 0 to 65535",
            "leuko: LOG_FORMAT: 'xml' is not valid; allowed: text or json",
        ]
    assert not served


def test_stub_models_are_not_served_to_others(served: list[Settings]) -> None:
    result = leuko("serve", "--stub", "--host", "0.0.0.0")
    assert result.exit_code == 1
    assert errors(result)[0].startswith("leuko: --stub: --host is 0.0.0.0")
    assert not served


def test_check_says_ok_and_what_the_settings_amount_to(tmp_path: Path) -> None:
    result = leuko("check")
    assert (result.exit_code, errors(result)) == (0, [])
    assert result.stdout.splitlines() == [
        "OK",
        "listens on: http://127.0.0.1:4000",
        f"state: Redis, a private one; data in {tmp_path}/data",
        "default provider: https://api.openai.com",
        "further providers: none",
        "policies: default",
    ]
    assert not (tmp_path / "data").exists()


def test_check_warns_and_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "GATEWAY_HOST": "::",
        "GATEWAY_ADMIN_KEY": ADMIN,
        "GATEWAY_SECRET": ROOT,
        "GATEWAY_REDIS_URL": "rediss://user:hush@redis.example",
        "GATEWAY_PROVIDERS": '{"azure": {"url": "https://x.example", "api_key_env": "AZURE_KEY"}}',
        "AZURE_KEY": "az-hush",
        "LLM_UPSTREAM_API_KEY": "sk-hush",
    }.items():
        monkeypatch.setenv(name, value)
    result = leuko("check")
    assert result.exit_code == 0
    assert [line.split(":")[1].strip() for line in errors(result)] == ["warning"]
    assert "listens on: http://[::]:4000\n" in result.stdout
    assert "state: Redis, rediss://…" in result.stdout
    assert "further providers: azure https://x.example" in result.stdout
    assert not any(secret in result.output for secret in (ADMIN, ROOT, "hush"))


def test_check_loads_the_certificate_with_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some.pem").write_text("nothing of the kind\n")
    monkeypatch.setenv("GATEWAY_TLS_CERT_FILE", str(tmp_path / "some.pem"))
    monkeypatch.setenv("GATEWAY_TLS_KEY_FILE", str(tmp_path / "some.pem"))
    result = leuko("check")
    assert result.exit_code == 1
    assert "not readable as PEM" in errors(result)[0]


def test_check_looks_at_kept_secrets_too(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "admin_key").write_text("admin\n")
    result = leuko("check")
    assert result.exit_code == 1
    assert "admin_key: is shorter than 16 characters" in errors(result)[0]


class _Health(BaseHTTPRequestHandler):
    answers = {"/readyz": (200, b'{"status":"degraded","missing":["redis"]}\n'), "/livez": (200, b'{"status":"ok"}\n')}

    def do_GET(self) -> None:
        status, body = self.answers.get(self.path, (404, b""))
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    """A server that is well; `_Health.answers` says what it says."""
    server = HTTPServer(("127.0.0.1", 0), _Health)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_health_asks_the_gateway_of_the_settings(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_HOST", "0.0.0.0")
    monkeypatch.setenv("GATEWAY_PORT", str(port))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    result = leuko("health")
    assert (result.exit_code, result.stdout) == (0, '{"status":"degraded","missing":["redis"]}\n')


def test_health_asks_where_it_is_told(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert leuko("health", "--live", "--url", f"http://127.0.0.1:{port}/").stdout == '{"status":"ok"}\n'
    monkeypatch.setenv("GATEWAY_URL", f"http://127.0.0.1:{port}")
    assert leuko("health").exit_code == 0


def test_health_fails_where_the_gateway_is_not_ready(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_Health.answers, "/readyz", (503, b'{"status":"draining"}'))
    result = leuko("health", "--url", f"http://127.0.0.1:{port}")
    assert result.exit_code == 1
    assert errors(result) == [f'leuko: http://127.0.0.1:{port}: 503 {{"status":"draining"}}']


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nonsense", "http://[", "ftp://x"])
def test_health_fails_in_one_line_where_nothing_answers(url: str) -> None:
    result = leuko("health", "--url", url)
    assert result.exit_code == 1
    (line,) = errors(result)
    assert line.startswith(f"leuko: {url}: no answer: ")


def test_what_a_terminal_cannot_show_ends_no_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gateway", "connect", "curl", "--url", "https://h", "--ca-file", "é.pem"]
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert r"\xe9.pem" in ran.stdout and "Traceback" not in ran.stderr


def test_an_interrupt_while_the_gateway_is_loaded_ends_the_process_and_is_no_exception() -> None:
    heard = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with _loading():
            assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL and not gc.isenabled()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler and gc.isenabled()
    finally:
        signal.signal(signal.SIGINT, heard)
