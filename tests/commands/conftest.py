"""One gateway that two agents have used, and the command line on it."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app
from tests.support.gateway import ADMIN_KEY, GatewayProcess, eventually, running_gateway
from tests.support.prepared import ROOT
from tests.support.redis import RedisServer

Leuko = Callable[..., Result]


@pytest.fixture(scope="package")
def keys_prefix() -> str:
    """Of the gateway's keys."""
    return f"cmd{secrets.token_hex(4)}:"


@pytest.fixture(scope="package")
def gateway(
    shared_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory, keys_prefix: str
) -> Iterator[GatewayProcess]:
    env = {
        "GATEWAY_REDIS_URL": shared_redis.url,
        "GATEWAY_REDIS_PREFIX": keys_prefix,
        "GATEWAY_DATA_DIR": str(tmp_path_factory.mktemp("data")),
    }
    with running_gateway("--stub", env=env) as one:
        for number in range(2):
            ask = {"model": "stub-echo", "messages": [{"role": "user", "content": "Hello"}]}
            headers = {"authorization": f"Bearer sk-agent-0123456789-{number}", "user-agent": f"agent/{number}"}
            httpx.post(f"{one.url}/v1/chat/completions", json=ask, headers=headers)
        eventually(lambda: len(one.admin("/agents").json()["items"]) == 2)
        yield one


def run(*args: str, code: int = 0, **more: Any) -> Result:
    """Run a command, which must end with this exit code."""
    result = CliRunner().invoke(app, args, **more)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def leuko(gateway: GatewayProcess, monkeypatch: pytest.MonkeyPatch) -> Leuko:
    """Run a command against the gateway."""
    monkeypatch.setenv("GATEWAY_URL", gateway.url)
    monkeypatch.setenv("GATEWAY_ADMIN_KEY", ADMIN_KEY)

    return run


def read(result: Result) -> Any:
    return json.loads(result.stdout)


def demo(*args: str, start_new_session: bool = False, **env: str) -> "subprocess.Popen[str]":
    """`leuko demo` as a person starts it, with these variables besides; stderr comes with stdout."""
    return subprocess.Popen(
        [sys.executable, "-m", "gateway", "demo", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **env},
        start_new_session=start_new_session,
    )
