"""`leuko approvals`; what agents ask for is put into the gateway's Redis beside it."""

import asyncio
import time

import pytest

from gateway.store.approvals import Approvals, Pending
from gateway.store.connection import Connection
from tests.commands.conftest import Leuko, read
from tests.support.gateway import running_gateway
from tests.support.redis import RedisServer

PREFIX = "cmdapv:"


@pytest.fixture
def asked(shared_redis: RedisServer) -> list[str]:
    """Ids of three calls that wait."""

    async def ask() -> list[str]:
        connection = Connection(shared_redis.url, prefix=PREFIX, op_timeout=5)
        approvals = Approvals(connection, clock=time.time)
        calls = [
            Pending("tool_call", "agt_1", "restart", {"service": f"web-{n}"}, "ops/approval", args_hash=str(n))
            for n in range(3)
        ]
        found = [(await approvals.ask(call)).approval_id for call in calls]
        await connection.close()
        return found

    return asyncio.run(ask())


def test_what_waits_is_listed_shown_and_decided(
    shared_redis: RedisServer, asked: list[str], leuko: Leuko, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = {"GATEWAY_REDIS_URL": shared_redis.url, "GATEWAY_REDIS_PREFIX": PREFIX}
    with running_gateway(env=env) as gateway:
        monkeypatch.setenv("GATEWAY_URL", gateway.url)
        listed = leuko("approvals", "list").stdout
        assert all(one in listed for one in asked) and "web-0" in listed and "restart" in listed
        assert read(leuko("approvals", "show", asked[0], "-o", "json"))["arguments"] == {"service": "web-0"}
        leuko("approvals", "approve", asked[0], "--reason", "known cause")
        refused = leuko("approvals", "reject", asked[0], asked[1], code=1)
        assert f"not rejected: {asked[0]} is approved" in refused.output
        found = {one["approval_id"]: one for one in read(leuko("approvals", "list", "--status", "all", "-o", "json"))}
        assert [found[one]["status"] for one in asked] == ["approved", "rejected", "pending"]
        assert found[asked[0]]["decision_reason"] == "known cause"
        waiting = read(leuko("approvals", "list", "-o", "json"))
        assert [one["approval_id"] for one in waiting] == asked[2:]
        assert "apr_none" in leuko("approvals", "show", "apr_none", code=1).output
        leuko("approvals", "list", "--status", "done", code=2)
