"""Whoever runs a webhook hears what becomes of agents, from a real gateway."""

import asyncio
import base64
import json
import secrets

import httpx

from tests.support.gateway import ADMIN_KEY, fork_gateway
from tests.support.receiver import running_receiver
from tests.support.redis import RedisServer
from tests.support.waiting import until

EVENTS = ["incident.opened", "agent.quarantined", "incident.closed", "agent.released"]


async def test_a_quarantine_and_its_end_are_told_once_each(shared_redis: RedisServer) -> None:
    async with running_receiver() as receiver:
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        env = {
            "GATEWAY_REDIS_URL": shared_redis.url,
            "GATEWAY_REDIS_PREFIX": f"hooks{secrets.token_hex(4)}:",
            "GATEWAY_WEBHOOKS": json.dumps([{"url": receiver.url, "secret": secret, "events": EVENTS}]),
        }
        gateway = await asyncio.to_thread(lambda: fork_gateway(env=env))
        try:
            async with httpx.AsyncClient(
                base_url=f"{gateway.url}/api/gateway", headers={"x-admin-key": ADMIN_KEY}, timeout=20
            ) as admin:
                agent = (await admin.post("/agents", json={"name": "watched"})).json()["agent_id"]
                for _ in range(2):
                    await admin.post(f"/quarantine/{agent}", json={"reason": "seen"})
                for _ in range(2):
                    await admin.request("DELETE", f"/quarantine/{agent}", json={"reason": "well"})
                await until(lambda: len(receiver.all) == 4)
            told = {received.document["type"]: received.document["data"] for received in receiver.all}
            assert sorted(told) == sorted(EVENTS)
            assert {data["agent_id"] for data in told.values()} == {agent}
            assert (told["agent.quarantined"]["reason"], told["agent.released"]["reason"]) == ("seen", "well")
            assert len(set(receiver.ids())) == 4
        finally:
            await asyncio.to_thread(gateway.stop)
