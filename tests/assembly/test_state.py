"""What one process knows of the deployment, and what becomes of it when the process ends."""

import asyncio
from functools import partial
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.assembly.state import State
from gateway.model.vitals import Vitals
from gateway.settings import Secrets, Settings
from gateway.store.connection import Connection


async def test_an_agent_that_was_just_seen_is_there_after_the_end(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.assembly.state.Connection", partial(Connection, op_timeout=5))  # the machine is busy
    kept = Secrets(SecretStr("admin-0123456789abcdef"), SecretStr("root-0123456789abcdef"), None)
    state = State(Settings(data_dir=tmp_path), kept, redis_url)
    agent = state.fingerprinter.agent(b"sk-1", {b"x-agent-id": b"1"})
    seen = Vitals(agent.agent_id, "req_1", 1.0, None, None, None, False, 200, 1.0)
    duties = [asyncio.create_task(duty) for duty in state.duties()]
    state.credentials.seen(await state.credentials.settle(agent), seen, ok=True, client=None)
    for duty in duties:
        duty.cancel()
    await asyncio.gather(*duties, return_exceptions=True)
    found = await state.store.execute("HGET", state.store.keys.agent(agent.agent_id), "requests")
    await state.store.close()
    assert found == b"1"
