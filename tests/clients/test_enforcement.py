"""An operator puts agents into quarantine, and what they run in stands still; on a real gateway with real processes."""

import asyncio
import base64
import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.enforcement.seen_process import look
from tests.enforcement.engines import Engine, served
from tests.support.gateway import GatewayProcess, eventually, running_gateway
from tests.support.receiver import running_receiver
from tests.support.waiting import until

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()


@contextmanager
def running_agent() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "120"]) as process:
        try:
            yield process
        finally:
            process.kill()  # also one that stands still


def stopped(process: subprocess.Popen[bytes]) -> bool:
    seen = look(process.pid)
    return seen is not None and seen.stopped


def registered(gateway: GatewayProcess, name: str) -> str:
    agent_id: str = gateway.ask("POST", "/agents", json={"name": name}).json()["agent_id"]
    return agent_id


async def test_what_an_agent_runs_in_stands_still_while_it_is_in_quarantine(tmp_path: Path) -> None:
    engine = Engine()
    engine.run("billing")
    config = tmp_path / "gateway.yaml"
    with running_agent() as agent:
        (tmp_path / "agent.pid").write_text(str(agent.pid))
        async with served(engine, tmp_path / "engine.sock"), running_receiver() as receiver:
            given: dict[str, Any] = {
                "process": {"pid_file": str(tmp_path / "agent.pid")},
                "container": {"docker": "billing", "host": f"unix://{tmp_path}/engine.sock"},
                "webhook": {"url": receiver.url, "secret_env": "HOOK_SECRET"},
            }
            config.write_text(json.dumps({"enforcement_targets": {"billing-*": given}}))
            env = {"HOOK_SECRET": SECRET, "GATEWAY_DATA_DIR": str(tmp_path / "data")}
            with running_gateway("--stub", "--config", str(config), env=env) as gateway:
                ask = asyncio.to_thread
                agent_id = await ask(registered, gateway, "billing-1")
                other = await ask(registered, gateway, "other")
                for one in (agent_id, other):
                    blocked = await ask(gateway.ask, "POST", f"/quarantine/{one}", json={"reason": "odd"})
                    assert blocked.status_code == 200
                await until(lambda: len(receiver.all) == 1, 30)
                assert stopped(agent) and engine.containers["billing"]["Paused"]
                said = receiver.all[0].document
                assert said["type"] == "agent.contain" and said["data"]["agent_id"] == agent_id

                freed = await ask(gateway.ask, "DELETE", f"/quarantine/{agent_id}")
                assert freed.status_code == 200
                await until(lambda: not stopped(agent) and len(receiver.all) == 2, 30)
                assert not engine.containers["billing"]["Paused"]

                # What cannot be done is told and counted, and the agent is blocked all the same.
                engine.failing = 500
                assert (await ask(gateway.ask, "POST", f"/quarantine/{agent_id}", json={"reason": "odd"})).is_success
                metrics = await ask(_failed, gateway)
                assert 'leuko_enforcement_failures_total{strategy="process"' in metrics
                assert stopped(agent)
                found = (await ask(gateway.ask, "GET", f"/agents/{agent_id}")).json()
                assert found["state"] == "QUARANTINED"
                assert 'leuko_quarantine_transitions_total{from="QUARANTINED",to="PROBATION"' in metrics

                # Without the targets nobody can let it go: that is said.
                config.write_text("{}")
                gateway.process.send_signal(signal.SIGHUP)
                await ask(eventually, lambda: "again" in gateway.output)
                assert (await ask(gateway.ask, "DELETE", f"/quarantine/{agent_id}")).is_success
                await ask(eventually, lambda: "process failed: is not configured any more" in gateway.output)
                assert stopped(agent)
        assert SECRET not in gateway.output


def _failed(gateway: GatewayProcess) -> str:
    found = ""

    def failed() -> bool:
        nonlocal found
        found = gateway.admin("/metrics").text
        lines = [line for line in found.splitlines() if 'strategy="container"' in line]
        return bool(lines) and float(lines[0].rpartition(" ")[2]) >= 1

    eventually(failed)
    return found
