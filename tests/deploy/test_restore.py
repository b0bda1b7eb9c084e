"""Backup and restore as the production guide has them: what was backed up is there again, and so is what operators
did since, as long as a data directory survived."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from gateway.store.server import configuration, find_server
from tests.deploy.test_runbook import GUIDE
from tests.support.gateway import SECRET, GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer


def made(gateway: GatewayProcess, name: str) -> tuple[str, str]:
    """A new agent and its key."""
    agent = gateway.ask("POST", "/agents", json={"name": name}).raise_for_status().json()["agent_id"]
    key = gateway.ask("POST", f"/agents/{agent}/keys").raise_for_status().json()["api_key"]
    return agent, key


def asked(gateway: GatewayProcess, key: str) -> int:
    body = {"model": "stub-echo", "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"authorization": f"Bearer {key}"}
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers, timeout=20).status_code


def stopped(gateway: GatewayProcess) -> set[str]:
    return {item["agent_id"] for item in gateway.admin("/quarantine").json()["items"]}


def restored(server: RedisServer, snapshot: Path) -> None:
    """A server that has lost its disk gets a snapshot, which it reads only without its append-only file."""
    server.kill()
    for path in server.directory.iterdir():
        if path.is_file():
            path.unlink()
    shutil.copy(snapshot, server.directory / "dump.rdb")
    settings = configuration(server.directory, server.socket) + b"\nappendonly no\ndbfilename dump.rdb\n"
    first = subprocess.Popen([str(find_server()), "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert first.stdin is not None
    first.stdin.write(settings)
    first.stdin.close()
    try:
        eventually(server._answers)
        assert server.ask("CONFIG", "SET", "appendonly", "yes") == b"+OK\r\n"
        eventually(lambda: b"aof_rewrite_in_progress:0" in server.ask("INFO", "persistence"))
    finally:
        first.send_signal(signal.SIGTERM)
        first.wait(20)
    server.start()


def test_what_was_backed_up_is_there_again(own_redis: RedisServer, tmp_path: Path) -> None:
    data = tmp_path / "data"
    env = {"GATEWAY_REDIS_URL": own_redis.url, "GATEWAY_DATA_DIR": str(data)}
    with running_gateway("--stub", env=env) as gateway:
        agent, key = made(gateway, "kept")
        early, early_key = made(gateway, "stopped before")
        late, late_key = made(gateway, "stopped after")
        gateway.ask("POST", f"/quarantine/{early}", json={"reason": "before"}).raise_for_status()
        assert [asked(gateway, one) for one in (key, early_key, late_key)] == [200, 403, 200]
        assert own_redis.ask("SAVE") == b"+OK\r\n"
        (snapshot,) = own_redis.directory.glob("*.rdb")
        shutil.copy(snapshot, tmp_path / "leuko.rdb")
        shutil.copytree(data, tmp_path / "copy", ignore=shutil.ignore_patterns("*.sock"))
        gateway.ask("POST", f"/quarantine/{late}", json={"reason": "after"}).raise_for_status()

    restored(own_redis, tmp_path / "leuko.rdb")
    with running_gateway("--stub", env=env) as gateway:
        assert gateway.admin(f"/agents/{agent}").json()["name"] == "kept"
        eventually(lambda: stopped(gateway) == {early, late})
        assert [asked(gateway, one) for one in (key, early_key, late_key)] == [200, 403, 403]
        assert gateway.admin("/audit/verify").json()["valid"]

    assert verified(tmp_path / "copy/audit") == 0
    (chain,) = [path for path in (tmp_path / "copy/audit").iterdir() if path.is_dir()]
    (segment,) = chain.glob("*.log")
    segment.write_bytes(segment.read_bytes()[:200].replace(b"gateway", b"gatewaz") + segment.read_bytes()[200:])
    assert verified(tmp_path / "copy/audit") == 1


def verified(directory: Path) -> int:
    """The exit code of the guide's own command for a copy."""
    assert "leuko audit verify --directory COPY/audit --public-key" in GUIDE
    public_key = (directory / "public_key").read_text().strip()
    command = ["-m", "gateway", "audit", "verify", "--directory", str(directory), "--public-key", public_key]
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=60).returncode


def test_another_secret_opens_nothing(own_redis: RedisServer, tmp_path: Path) -> None:
    env = {"GATEWAY_REDIS_URL": own_redis.url, "GATEWAY_DATA_DIR": str(tmp_path / "one")}
    with running_gateway("--stub", env=env):
        pass
    other = env | {"GATEWAY_SECRET": SECRET[::-1], "GATEWAY_DATA_DIR": str(tmp_path / "two")}
    ran = subprocess.run(
        [sys.executable, "-m", "gateway", "serve", "--port", "0"],
        env={"PATH": "/usr/bin:/bin", "GATEWAY_ADMIN_KEY": "adm-Vq3zL8wKx0JrTnYc", **other},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 1 and "cannot be read" in ran.stderr, ran.stderr
