"""A person is told by a webhook, approves, and the held call leaves; on a real gateway as an operator sets it up."""

import asyncio
import base64
import json
import signal
from pathlib import Path

import httpx

from tests.support.gateway import eventually, running_gateway
from tests.support.receiver import Received, running_receiver
from tests.support.redis import RedisServer
from tests.support.waiting import until

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
POLICY = {"name": "ops", "tools": {"restart": {"approval": "always", "on_deny": {"hold": {"wait_seconds": 30}}}}}
ASK = {
    "model": "stub-script",
    "messages": [{"role": "user", "content": "restart it"}],
    "tools": [{"type": "function", "function": {"name": "restart", "parameters": {"type": "object"}}}],
    "stub": [{"calls": [{"name": "restart", "arguments": {"note": "hidden-7731"}}]}],
}


async def test_who_is_told_by_a_webhook_approves_what_is_held(shared_redis: RedisServer, tmp_path: Path) -> None:
    config = tmp_path / "gateway.yaml"

    def configure(url: str) -> None:
        given = {"policies": [POLICY], "webhooks": [{"url": url, "secret_env": "HOOK_SECRET"}]}
        config.write_text(json.dumps(given))

    env = {"GATEWAY_REDIS_URL": shared_redis.url, "GATEWAY_REDIS_PREFIX": "hook:", "HOOK_SECRET": SECRET}
    async with running_receiver() as first, running_receiver() as second:
        configure(first.url)
        with running_gateway("--stub", "--config", str(config), env=env) as gateway:

            def told(receiver_is: list[Received]) -> str:
                """The call reaches the agent only once whoever was told has approved it; the id of the approval."""
                approval_id: str = receiver_is[-1].document["data"]["approval_id"]
                assert gateway.ask("POST", f"/approvals/{approval_id}/approve").status_code == 200
                return approval_id

            async with httpx.AsyncClient(timeout=60, trust_env=False) as agent:
                headers = {"authorization": "Bearer sk-hooked-agent-0123"}
                for receiver in (first, second):
                    asked = asyncio.create_task(
                        agent.post(f"{gateway.url}/v1/chat/completions", json=ASK, headers=headers)
                    )
                    await until(lambda receiver=receiver: receiver.all, 20)  # type: ignore[misc]
                    assert not asked.done() and b"hidden-7731" not in receiver.all[0].body
                    assert (await asyncio.to_thread(told, receiver.all)).startswith("apr_")
                    made = (await asked).json()["choices"][0]["message"]["tool_calls"]
                    assert [call["function"]["name"] for call in made] == ["restart"]
                    configure(second.url)
                    gateway.process.send_signal(signal.SIGHUP)
                    await asyncio.to_thread(eventually, lambda: "again" in gateway.output)
            assert len(first.all) == len(second.all) == 1
            assert "leuko_webhooks_sent_total" in gateway.admin("/metrics").text
        assert SECRET not in gateway.output and "token=1" not in gateway.output
