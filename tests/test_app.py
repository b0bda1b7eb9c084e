"""The gateway as an operator starts and stops it: real processes, its own Redis."""

import asyncio
import os
import re
import signal
import ssl
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.support.certificates import CertificateFiles
from tests.support.gateway import (
    ADMIN_KEY,
    SECRET,
    GatewayProcess,
    eventually,
    running_gateway,
    spawn_gateway,
    start_gateway,
)
from tests.support.redis import RedisServer
from tests.support.upstream import json_answer, threaded

ASK = {"model": "stub-echo", "messages": [{"role": "user", "content": "Hello"}]}


def own_state(data_dir: Path) -> dict[str, str]:
    return {"GATEWAY_DATA_DIR": str(data_dir)}


def ask(gateway: GatewayProcess, **headers: str) -> httpx.Response:
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=ASK, headers=headers, timeout=20)


def agents(gateway: GatewayProcess) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = gateway.admin("/agents").json()["items"]
    return found


def children(gateway: GatewayProcess) -> list[psutil.Process]:
    return psutil.Process(gateway.pid).children(recursive=True)


def gone(process: psutil.Process) -> bool:
    """Ended; where nobody collects orphans, as in some containers, a dead one stays listed as a zombie."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def servers_of(gateway: GatewayProcess) -> list[psutil.Process]:
    return [child for child in children(gateway) if "redis" in child.name() or "valkey" in child.name()]


def redis_of(gateway: GatewayProcess) -> psutil.Process:
    (server,) = servers_of(gateway)
    return server


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_gateway_and_its_redis_and_the_state_is_there_again(sign: int, tmp_path: Path) -> None:
    gateway = start_gateway("--stub", env=own_state(tmp_path))
    assert ask(gateway, authorization="Bearer sk-one").status_code == 200
    server = redis_of(gateway)
    assert gateway.stop(sign) == 0
    assert gone(server)
    assert "Traceback" not in gateway.output
    with running_gateway("--stub", env=own_state(tmp_path)) as again:
        (agent,) = agents(again)
        assert (agent["requests"], agent["models"]) == (1, ["stub-echo"])
        ask(again, authorization="Bearer sk-one")
        eventually(lambda: agents(again)[0]["requests"] == 2)
        assert agents(again)[0]["first_seen"] == agent["first_seen"] < agents(again)[0]["last_seen"]


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_however_often_it_is_told_to_stop_its_redis_goes_with_it(sign: int, workers: str, tmp_path: Path) -> None:
    gateway = start_gateway("--stub", "--workers", workers, env=own_state(tmp_path))
    started = children(gateway)
    assert redis_of(gateway) in started
    while gateway.process.poll() is None:
        gateway.process.send_signal(sign)
        time.sleep(0.002)
    gateway.stop(0)
    eventually(lambda: all(map(gone, started)))
    assert "Traceback" not in gateway.output


def test_told_to_stop_before_it_serves_it_leaves_no_redis_behind(tmp_path: Path) -> None:
    gateway = spawn_gateway("--stub", env=own_state(tmp_path))
    eventually(lambda: servers_of(gateway))  # it is named so once it is more than a fork of the gateway
    server = redis_of(gateway)
    assert gateway.stop(signal.SIGTERM) == 0
    assert gone(server)
    assert "Traceback" not in gateway.output


def test_the_state_survives_a_sigkill_and_no_second_redis_runs_on_it(tmp_path: Path) -> None:
    gateway = start_gateway("--stub", env=own_state(tmp_path))
    ask(gateway)
    eventually(lambda: agents(gateway))
    orphan = redis_of(gateway)
    gateway.stop(signal.SIGKILL)
    with running_gateway("--stub", env=own_state(tmp_path)) as again:
        assert len(agents(again)) == 1
        assert redis_of(again).pid == orphan.pid or gone(orphan)


def test_a_second_gateway_on_the_same_data_says_that_one_is_running(tmp_path: Path) -> None:
    with running_gateway("--stub", env=own_state(tmp_path)) as first:
        second = spawn_gateway("--stub", env=own_state(tmp_path))
        assert second.stop(0) == 1
        assert f"another gateway (process {first.pid}) is running" in second.output
        assert "Traceback" not in second.output
        assert ask(first).status_code == 200


def test_a_port_in_use_is_told_in_one_line(tmp_path: Path) -> None:
    with running_gateway("--stub", env=own_state(tmp_path / "one")) as first:
        port = first.url.rpartition(":")[2]
        second = spawn_gateway("--stub", env={**own_state(tmp_path / "two"), "GATEWAY_PORT": port})
        assert second.stop(0) == 1
        assert f"127.0.0.1:{port} is in use" in second.output
        assert "Traceback" not in second.output


def test_secrets_nobody_set_are_made_once_and_kept_private(tmp_path: Path) -> None:
    gateway = spawn_gateway("--stub", env=own_state(tmp_path), secrets=False)
    gateway.wait_until_listening()
    kept = tmp_path / "admin_key"
    eventually(lambda: str(kept) in gateway.output)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    key = kept.read_text().strip()
    assert key not in gateway.output
    answer = httpx.get(f"{gateway.url}/api/gateway/stats", headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 200
    first_id = ask(gateway, authorization="Bearer sk-x").headers["x-gateway-agent-id"]
    gateway.stop()
    again = spawn_gateway("--stub", env=own_state(tmp_path), secrets=False)
    again.wait_until_listening()
    assert kept.read_text().strip() == key
    assert ask(again, authorization="Bearer sk-x").headers["x-gateway-agent-id"] == first_id
    again.stop()


def test_workers_share_state_and_stop_together(shared_redis: RedisServer, tmp_path: Path) -> None:
    with running_gateway("--stub", "--workers", "2", env=own_state(tmp_path)) as gateway:
        eventually(lambda: httpx.get(f"{gateway.url}/readyz", timeout=30).status_code == 200)
        for number in range(12):
            assert ask(gateway, authorization=f"Bearer sk-{number}").status_code == 200
        eventually(lambda: len(agents(gateway)) == 12)
        assert gateway.admin("/stats").json()["executions"] == 12
        everyone = children(gateway)
        assert gateway.stop() == 0, gateway.output
    eventually(lambda: all(map(gone, everyone)))


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    gateway = start_gateway("--stub", "--workers", "2", env=own_state(tmp_path))
    eventually(lambda: httpx.get(f"{gateway.url}/readyz", timeout=30).status_code == 200)
    workers = [child for child in children(gateway) if "redis" not in child.name()]
    assert len(workers) >= 2
    gateway.stop(signal.SIGKILL)
    eventually(lambda: all(map(gone, workers)))
    with running_gateway("--stub", env=own_state(tmp_path)):
        pass


def test_the_admin_port_takes_the_admin_api_with_it(redis_url: str, tmp_path: Path) -> None:
    with running_gateway("--stub", env={"GATEWAY_REDIS_URL": redis_url, "GATEWAY_ADMIN_PORT": "0"}) as gateway:
        eventually(lambda: "admin API" in gateway.output)
        (line,) = (line for line in gateway.output.splitlines() if "admin API" in line)
        admin_url = line.split()[-1]
        assert httpx.get(f"{admin_url}/stats", headers={"x-admin-key": ADMIN_KEY}).status_code == 200
        assert gateway.admin("/stats").status_code == 404
        assert httpx.get(f"{gateway.url}/livez").status_code == 200
        assert httpx.post(f"{admin_url.removesuffix('/api/gateway')}/v1/chat/completions", json=ASK).status_code == 404


async def test_sigterm_lets_two_hundred_streams_end_properly(redis_url: str) -> None:
    timeouts = '{"drain_stream": 3, "drain_whole": 2}'
    env = {"GATEWAY_REDIS_URL": redis_url, "GATEWAY_TIMEOUTS": timeouts}
    gateway = await asyncio.to_thread(start_gateway, "--stub", env=env)
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=gateway.url, timeout=60, limits=limits, trust_env=False) as client:
        begun = asyncio.Semaphore(0)

        async def one(events: int) -> str:
            slow = {**ASK, "model": "stub-slow", "stream": True, "stub": {"events": events, "delay_ms": 50}}
            text = ""
            async with client.stream("POST", "/v1/chat/completions", json=slow) as answer:
                async for part in answer.aiter_text():
                    if not text:
                        begun.release()
                    text += part
            return text

        streams = [asyncio.create_task(one(20 if n % 2 else 2000)) for n in range(200)]
        for _ in streams:
            await begun.acquire()
        os.kill(gateway.pid, signal.SIGTERM)
        texts = await asyncio.gather(*streams)
    assert await asyncio.to_thread(gateway.stop, 0) == 0
    assert all(text.endswith("data: [DONE]\n\n") for text in texts[1::2])
    assert all('"code":"gateway_draining"' in text.split("\n\n")[-2] for text in texts[::2])
    assert not any("[DONE]" in text for text in texts[::2])


@pytest.mark.parametrize("policy", ["allkeys-lru"])
def test_a_redis_that_evicts_keys_is_no_store(own_redis: RedisServer, policy: str) -> None:
    own_redis.ask("CONFIG", "SET", "maxmemory-policy", policy)
    gateway = spawn_gateway("--stub", env={"GATEWAY_REDIS_URL": own_redis.url})
    assert gateway.stop(0) == 1
    assert "noeviction" in gateway.output
    assert "Traceback" not in gateway.output


def test_sighup_reads_providers_and_keys_again(redis_url: str, tmp_path: Path) -> None:
    config = tmp_path / "gateway.yaml"
    env = {"GATEWAY_REDIS_URL": redis_url}
    with threaded(json_answer({"object": "list", "data": []})) as upstream:
        config.write_text("llm_upstream_url: http://127.0.0.1:1\n")
        with running_gateway("--config", str(config), env=env) as gateway:
            assert httpx.get(f"{gateway.url}/v1/models").status_code == 502
            config.write_text("llm_upstream_url: nonsense\n")
            os.kill(gateway.pid, signal.SIGHUP)
            eventually(lambda: "Nothing is changed" in gateway.output)
            config.write_text(f"llm_upstream_url: {upstream.url}\n")
            os.kill(gateway.pid, signal.SIGHUP)
            eventually(lambda: httpx.get(f"{gateway.url}/v1/models").status_code == 200)


def test_a_sighup_that_comes_too_early_waits(redis_url: str) -> None:
    gateway = spawn_gateway("--stub", env={"GATEWAY_REDIS_URL": redis_url})
    try:
        eventually(lambda: blocks_hangups(gateway.pid))
        os.kill(gateway.pid, signal.SIGHUP)
        eventually(lambda: "Read providers and keys again" in gateway.output)
        assert ask(gateway).status_code == 200
    finally:
        assert gateway.stop() == 0, gateway.output


def blocks_hangups(pid: int) -> bool:
    (mask,) = re.findall(r"^SigBlk:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return bool(int(mask, 16) & 1 << signal.SIGHUP - 1)


def workers_of(gateway: GatewayProcess, trust: ssl.SSLContext) -> set[str]:
    with httpx.Client(verify=trust, timeout=20) as client:
        metrics = client.get(f"{gateway.url}/metrics", headers={"x-admin-key": ADMIN_KEY}).text
    return set(re.findall(r'^leuko_redis_up{.*worker="(\d)"', metrics, re.MULTILINE))


def test_sighup_reaches_every_worker_with_new_keys_and_a_new_certificate(
    shared_redis: RedisServer, tmp_path: Path
) -> None:
    secrets = {"admin_key": ADMIN_KEY, "ingest_api_key": "ing-Qm4vRt7yZp2sKc8w"}
    for name, value in secrets.items():
        (tmp_path / name).write_text(value)
    files = CertificateFiles(tmp_path)
    env = own_state(tmp_path / "data") | {
        "GATEWAY_REDIS_URL": shared_redis.url,
        "GATEWAY_ADMIN_KEY_FILE": str(tmp_path / "admin_key"),
        "INGEST_API_KEY_FILE": str(tmp_path / "ingest_api_key"),
        "GATEWAY_SECRET": SECRET,
        "GATEWAY_TLS_CERT_FILE": str(files.cert),
        "GATEWAY_TLS_KEY_FILE": str(files.key),
    }
    gateway = spawn_gateway("--stub", "--workers", "2", env=env, secrets=False)
    try:
        gateway.wait_until_listening()
        trust = files.trust()

        def status(path: str, key: str, method: str = "GET") -> int:
            headers = {"x-admin-key": key} if method == "GET" else {"authorization": f"Bearer {key}"}
            with httpx.Client(verify=trust, timeout=20) as client:
                return client.request(method, f"{gateway.url}{path}", headers=headers, json={}).status_code

        eventually(lambda: workers_of(gateway, trust) == {"0", "1"})
        assert status("/api/v1/agents/register", secrets["ingest_api_key"], "POST") == 422
        new = {"admin_key": "adm-Jw6nXb3kHd9fPz5q", "ingest_api_key": "ing-Ty8gLs1mVc4xNu7e"}
        for name, value in new.items():
            (tmp_path / name).write_text(value)
        files.renew()
        os.kill(gateway.pid, signal.SIGHUP)
        eventually(lambda: gateway.output.count("Read providers and keys again") == 2)
        # The kernel gives connections to either worker.
        for _ in range(12):
            assert status("/api/gateway/stats", new["admin_key"]) == 200
            assert status("/api/gateway/stats", ADMIN_KEY) == 401
            assert status("/api/v1/agents/register", new["ingest_api_key"], "POST") == 422
            assert files.shown(gateway.url) == files.serial
    finally:
        assert gateway.stop() == 0, gateway.output


def test_commands_trust_the_authority_that_they_are_told(redis_url: str, tmp_path: Path) -> None:
    files = CertificateFiles(tmp_path)
    tls = {"GATEWAY_TLS_CERT_FILE": str(files.cert), "GATEWAY_TLS_KEY_FILE": str(files.key)}
    with running_gateway("--stub", env={"GATEWAY_REDIS_URL": redis_url, **tls}) as gateway:
        for command in (["health"], ["agents", "list"]):
            for told, code in ((str(files.ca), 0), ("", 1)):
                env = {"GATEWAY_URL": gateway.url, "GATEWAY_ADMIN_KEY": ADMIN_KEY, "SSL_CERT_FILE": told}
                argv = [sys.executable, "-m", "gateway", *command]
                ran = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60)
                assert ran.returncode == code, ran.stderr
                assert ("CERTIFICATE_VERIFY_FAILED" in ran.stderr) is bool(code)


def test_a_renewed_certificate_is_taken_over_by_itself_and_a_broken_one_is_not(redis_url: str, tmp_path: Path) -> None:
    files = CertificateFiles(tmp_path)
    env = {
        "GATEWAY_REDIS_URL": redis_url,
        "GATEWAY_TLS_CERT_FILE": str(files.cert),
        "GATEWAY_TLS_KEY_FILE": str(files.key),
        "GATEWAY_ALLOWED_HOSTS": "localhost",
    }
    with running_gateway("--stub", env=env) as gateway, httpx.Client(verify=files.trust(), timeout=20) as client:
        assert files.shown(gateway.url) == files.serial
        before = files.serial
        files.renew(key=False)
        eventually(lambda: "The certificate is not renewed" in gateway.output)
        assert files.shown(gateway.url) == before
        files.renew()
        eventually(lambda: files.shown(gateway.url) == files.serial)
        metrics = client.get(f"{gateway.url}/metrics", headers={"x-admin-key": ADMIN_KEY}).text
        assert "leuko_tls_failures_total" in metrics and "\nleuko_tls_not_after_seconds" in metrics
        (failures,) = [line for line in metrics.splitlines() if line.startswith("leuko_tls_failures_total")]
        assert failures.endswith(" 1")


def test_trace_context_stays_here_if_told_so(redis_url: str) -> None:
    trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    with threaded(json_answer({"object": "list", "data": []})) as upstream:
        env = {"GATEWAY_REDIS_URL": redis_url, "LLM_UPSTREAM_URL": upstream.url, "GATEWAY_PROPAGATE_TRACE": "false"}
        with running_gateway(env=env) as gateway:
            assert httpx.get(f"{gateway.url}/v1/models", headers=trace).status_code == 200
        assert upstream.requests[0].all("traceparent") == []
