"""`/events`, over a real gateway and Redis."""

import json
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from gateway.edge.admin.events import Watch, is_room
from gateway.store.events import Event
from tests.edge.admin.conftest import problem
from tests.support.gateway import ADMIN_KEY, GatewayProcess, running_gateway
from tests.support.redis import RedisServer

HEADERS = {"x-admin-key": ADMIN_KEY}


def read(gateway: GatewayProcess, number: int, key: str = ADMIN_KEY, **headers: str) -> list[dict[str, Any]]:
    """The next events, as soon as there are so many; the first change is made once the stream is open."""
    found: list[dict[str, Any]] = []
    url = f"{gateway.url}/api/gateway/events"
    with httpx.stream("GET", url, headers={"x-admin-key": key, **headers}, timeout=20) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines) == ": events follow"
        if not headers:
            gateway.ask("DELETE", "/admin-keys/adk_nobody")
            gateway.ask("DELETE", "/admin-keys/adk_nobody_else")
        event: dict[str, Any] = {}
        for line in lines:
            name, _, value = line.partition(": ")
            event[name] = value
            if name == "data":
                found.append({**event, "data": json.loads(value)})
                if len(found) == number:
                    break
    return found


def test_changes_are_events_and_a_reader_goes_on_where_it_stopped(gateway: GatewayProcess) -> None:
    first, second = read(gateway, 2)
    assert (first["event"], first["data"]["kind"]) == ("admin.change", "admin.change")
    assert first["data"]["time"].endswith("Z")
    assert first["data"]["data"] == {
        "source": "admin:root", "action": "delete:admin_key", "resource": "/admin-keys/adk_nobody", "status": 204,
    }  # fmt: skip
    assert read(gateway, 1, **{"last-event-id": first["id"]}) == [second]


def test_an_id_of_no_event_is_named(gateway: GatewayProcess) -> None:
    answer = httpx.get(f"{gateway.url}/api/gateway/events", headers={**HEADERS, "last-event-id": "x"})
    assert problem(answer, 422)["errors"][0]["field"] == "header.last-event-id"


def test_the_stream_of_a_deleted_key_ends(gateway: GatewayProcess) -> None:
    made = gateway.ask("POST", "/admin-keys", json={"role": "viewer"}).json()
    headers = {"x-admin-key": made["api_key"]}
    with httpx.stream("GET", f"{gateway.url}/api/gateway/events", headers=headers, timeout=20) as answer:
        lines = answer.iter_lines()
        next(lines)
        gateway.ask("DELETE", f"/admin-keys/{made['key_id']}")
        assert sum(1 for _ in lines) < 100


def test_who_watches_with_one_key_leaves_room_for_others() -> None:
    assert is_room(["adk_1"] * 39, "adk_1") and not is_room(["adk_1"] * 40, "adk_1")
    assert is_room(["adk_1"] * 40, "root")
    assert not is_room([f"adk_{n}" for n in range(100)], "root")


def test_any_worker_goes_on_where_another_stopped_and_knows_a_key_that_opens_nothing(shared_redis: RedisServer) -> None:
    env = {"GATEWAY_REDIS_URL": shared_redis.url, "GATEWAY_REDIS_PREFIX": "evw:"}
    with running_gateway("--workers", "2", env=env) as gateway:
        made = gateway.ask("POST", "/admin-keys", json={"role": "viewer"}).json()
        key = made["api_key"]
        first, second = read(gateway, 2, key)
        for _ in range(4):  # whichever worker takes it
            assert read(gateway, 1, key, **{"last-event-id": first["id"]}) == [second]
        with ExitStack() as streams:
            url, headers = f"{gateway.url}/api/gateway/events", {"x-admin-key": key}
            answers = [streams.enter_context(httpx.stream("GET", url, headers=headers, timeout=20)) for _ in range(4)]
            gateway.ask("DELETE", f"/admin-keys/{made['key_id']}")
            assert [answer.read().startswith(b": events follow") for answer in answers] == [True] * 4


async def test_who_hears_nothing_new_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.edge.admin.events._POLL_SECONDS", 0.0)

    class Silent:
        async def after(self, last: str) -> list[Event]:
            return []

    async def goes_on() -> bool:
        return True

    stream = aiter(Watch(Silent(), "0-0", goes_on, [], "root"))  # type: ignore[arg-type]
    assert [await anext(stream) for _ in range(3)] == [b": events follow\n\n", *[b": nothing new\n\n"] * 2]
    await stream.aclose()  # type: ignore[attr-defined]
