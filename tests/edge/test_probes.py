"""What load balancers and containers ask."""

from typing import Any

import orjson
import pytest

from gateway.edge.probes import PATHS, Probes


async def asked(path: str, *, ready: bool = True, missing: tuple[str, ...] = (), method: str = "GET") -> Any:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("a probe has no body to read")

    probes = Probes(ready=lambda: ready, missing=lambda: list(missing))
    await probes({"path": path, "method": method}, receive, send)
    return sent[0]["status"], sent[1]["body"]


@pytest.mark.parametrize("path", sorted(PATHS))
async def test_all_is_well(path: str) -> None:
    status, body = await asked(path)
    assert (status, orjson.loads(body)) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/readyz", "/health/ready"])
async def test_a_process_that_starts_or_stops_is_not_ready_but_lives(path: str) -> None:
    assert (await asked(path, ready=False))[0] == 503
    assert (await asked("/livez", ready=False))[0] == 200


async def test_a_lost_redis_is_told_and_traffic_still_comes() -> None:
    status, body = await asked("/readyz", missing=("redis",))
    assert (status, orjson.loads(body)) == (200, {"status": "degraded", "missing": ["redis"]})


async def test_what_is_missing_is_told_too_when_no_traffic_may_come_any_more() -> None:
    status, body = await asked("/readyz", ready=False, missing=("redis",))
    assert (status, orjson.loads(body)) == (503, {"status": "unavailable", "missing": ["redis"]})


async def test_a_head_request_has_no_body() -> None:
    assert await asked("/livez", method="HEAD") == (200, b"")
