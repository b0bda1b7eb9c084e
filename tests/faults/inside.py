"""The gateway in the test's own process, where its objects can be looked at."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from gateway.assembly import Gateway, immune
from gateway.background import watch_agents
from gateway.edge import data_plane
from gateway.edge.server import Listener, Server
from gateway.edge.sockets import bind
from gateway.identity import fingerprint
from gateway.phases import (
    evidence,
    forgetting,
    immune_settings,
    likeness,
    looping,
    new_clients,
    policies,
    profile,
    record,
    refine,
)
from gateway.policy import by_agent, engine
from gateway.pricing import calibration, table
from gateway.settings import Settings, resolve_secrets
from gateway.store import agent_caps, agents, credentials, known_clients, limits, prompts, verified
from gateway.store.watch_feed import Entry
from gateway.telemetry import top_agents
from gateway.upstream import breaker
from tests.faults.world import until
from tests.support.gateway import ADMIN_KEY, SECRET

CACHES = (
    (fingerprint, "_CACHE_LIMIT"),
    (data_plane, "_CACHED_PATHS"),
    (breaker, "_KEYS"),
    (by_agent, "_REMEMBERED"),
    (engine, "_MOST_ALIKE"),
    (profile, "_KNOWN_LIMIT"),
    (profile, "_REMEMBERED_LIMIT"),
    (record, "_MOST_RESOURCES"),
    (refine, "_KNOWN_LIMIT"),
    (credentials, "_CREDENTIALS_LIMIT"),
    (credentials, "_KNOWN_LIMIT"),
    (verified, "_MOST"),
    (agents, "_BEGUN_LIMIT"),
    (limits, "_LAYOUTS"),
    (top_agents, "_WATCHED"),
    (calibration, "_MODELS_LIMIT"),
    (table, "_KNOWN_LIMIT"),
    (agent_caps, "_MOST"),
    (immune, "_MOST_KNOWN"),
    (evidence, "_REMEMBERED"),
    (forgetting, "_KNOWN_LIMIT"),
    (immune_settings, "_REMEMBERED"),
    (likeness, "_MOST"),
    (looping, "_TOLD_LIMIT"),
    (new_clients, "_REMEMBERED"),
    (known_clients, "_KNOWN"),
    (prompts, "_KNOWN"),
    (policies, "_REMEMBERED"),
)
"""What is remembered of callers, keyed by what they choose."""


@asynccontextmanager
async def inside(
    redis_url: str, upstream: str, directory: Path, **more: Any
) -> AsyncIterator[tuple[Gateway, tuple[str, int]]]:
    """The gateway as `app` builds it, in this very process, so that its objects can be looked at."""
    settings = Settings(
        admin_key=SecretStr(ADMIN_KEY),
        secret=SecretStr(SECRET),
        ingest_api_key=SecretStr(SECRET + "-ingest"),
        redis_url=redis_url,
        llm_upstream_url=upstream,
        data_dir=directory,
        **more,
    )
    gateway = Gateway(settings, resolve_secrets(settings), redis_url)
    gateway.state.store._way._op_timeout = 2.0  # a busy machine, or a census, must not look like a lost Redis
    sockets = bind("127.0.0.1", 0)
    listeners: list[Listener] = gateway.listeners({"main": sockets})
    server = Server(listeners, hooks=gateway.drain, handle_signals=False)
    async with gateway.running():
        serving = asyncio.create_task(server.serve())
        await server.started.wait()
        try:
            yield gateway, sockets[0].getsockname()
        finally:
            server.stop(grace=False)
            await serving


def small_caches(monkeypatch: pytest.MonkeyPatch, bound: int) -> None:
    """Have whatever is remembered of callers hold so many things at most."""
    for module, name in CACHES:
        assert getattr(module, name) > bound
        monkeypatch.setattr(module, name, bound)
    monkeypatch.setattr(watch_agents, "_KEPT_RECORDS", bound // 100)  # of each part, and of many objects


async def quiet(gateway: Gateway, bound: int) -> None:
    """Return once all that was asked is written and signed, but for what goes on by itself."""
    state, log = gateway.state, gateway.recording.log

    def rests() -> bool:
        queues = (state.credentials._waiting, state.forms._waiting, state.store._way._waiting)
        watched = not state.watch_feed.pending and not any(
            part.unsaved for part in gateway.immune._watch._mine.values()
        )
        written = not state.agents.pending and log.size - log.signed < bound
        if not (written and watched and all(len(queue) < bound for queue in queues)):
            return False
        # What is being watched at this moment is in no queue.
        return sum(type(one) is Entry for one in gc.get_objects()) < bound

    await until(rests)
