"""`GET /api/v1/calls/{tool_call_id}`: the call token of a call that was let through."""

import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.requests import Request

from gateway.edge.admin.problems import Problem
from gateway.edge.agents_api import calls
from gateway.edge.agents_api.application import agents_application
from gateway.intents.claims import CallClaims
from gateway.intents.keyring import KeyRing, key_of
from gateway.intents.tokens import Verifier
from gateway.model.agent import Agent
from gateway.store.call_tokens import CallTokens, ReleasedCall
from gateway.store.connection import Connection

RING = KeyRing([key_of(Ed25519PrivateKey.generate())])


@pytest.fixture
async def kept(redis_url: str) -> AsyncIterator[CallTokens]:
    connection = Connection(redis_url, op_timeout=5)
    yield CallTokens(connection, clock=time.time)
    await connection.close()


def api(kept: CallTokens, agent_id: str = "agt_1", revoked: str = "") -> httpx.AsyncClient:
    async def access(request: Request) -> None: ...

    async def check(agent: Agent) -> None: ...

    async def spend(agent: Agent, claims: CallClaims, call: ReleasedCall) -> None:
        if claims.intent == revoked:
            raise Problem(403, "revoked")

    routes = calls.router(kept, lambda: RING, lambda request: Agent(agent_id, True), check, spend, issuer="leuko")
    app: Any = agents_application(access=access, routers=[routes])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway/api/v1")


async def test_the_token_proves_the_call_to_its_server_and_is_the_same_each_time(kept: CallTokens) -> None:
    await kept.save("agt_1", [ReleasedCall("call/1 ä", "restart", "cloud", "h1", "dec_1", intent="int_1", tdef="t")])
    async with api(kept) as client:
        answer = await client.get("/calls/call%2F1%20%C3%A4")
        again = await client.get("/calls/call/1 ä")
    said = answer.json()
    assert answer.status_code == 200 and again.json() == said and answer.headers["cache-control"] == "no-store"
    assert (said["tool"], said["audience"], said["intent_id"], said["decision_id"]) == (
        "restart",
        "cloud",
        "int_1",
        "dec_1",
    )
    claims = Verifier(lambda: RING, "leuko", "leuko").call(said["token"], time.time(), "cloud", "agt_1")
    assert (claims.args_hash, claims.tdef) == ("h1", "t") and claims.expires - claims.issued <= 60


async def test_other_agents_and_other_calls_have_none(kept: CallTokens) -> None:
    await kept.save("agt_1", [ReleasedCall("call_1", "restart", None, "h1", "dec_1")])
    async with api(kept, "agt_2") as other, api(kept) as own:
        assert (await other.get("/calls/call_1")).status_code == 404
        assert (await own.get("/calls/call_2")).status_code == 404
        found = await own.get("/calls/call_1")
    assert (found.json()["audience"], found.json()["intent_id"]) == ("tools", None)


async def test_no_token_is_given_for_a_call_of_an_intent_that_was_revoked(kept: CallTokens) -> None:
    await kept.save("agt_1", [ReleasedCall("call_1", "restart", None, "h1", "dec_1", intent="int_1")])
    async with api(kept, revoked="int_1") as client:
        assert (await client.get("/calls/call_1")).status_code == 403
