"""Whoever tries keys learns nothing, and keeps nobody else out."""

import random
import statistics
import time
from collections import Counter

import httpx
import pytest

from gateway.edge.admin.access import AdminAccess
from gateway.edge.admin.backoff import Backoff
from gateway.edge.admin.changes import Changes
from gateway.edge.admin.frame import Frame
from gateway.edge.asgi import Receive, Scope, Send, respond
from gateway.identity.issued_key import issue_key
from gateway.model.audit import AuditEntry
from tests.support.gateway import ADMIN_KEY, GatewayProcess


class Clock:
    """A second passes between two tries."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def fine(scope: Scope, receive: Receive, send: Send) -> None:
    await respond(send, 200, [], b"in")


async def test_ten_thousand_tries_are_mostly_not_answered_seldom_recorded_and_a_right_key_passes() -> None:
    entries: list[AuditEntry] = []
    clock, seen = Clock(), Counter[int]()
    changes = Changes(entries.append, lambda kind, data: None, lambda: 5.0)
    access = AdminAccess(ADMIN_KEY, None, Backoff(clock), changes.refused)
    frame = Frame(fine, access=access, changes=changes, base="/api")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(frame), base_url="http://x") as client:
        for number in range(10_000):
            clock.now += 0.1
            answer = await client.get("/api/agents", headers={"x-admin-key": f"wrong-{number}"})
            seen[answer.status_code] += 1
        right = await client.get("/api/agents", headers={"x-admin-key": ADMIN_KEY})
    assert seen.keys() == {401, 429} and seen[401] < 40
    assert len(entries) == seen[401] - 10
    assert right.status_code == 200


@pytest.mark.faults
def test_the_time_of_a_refusal_says_nothing_about_the_key(gateway: GatewayProcess) -> None:
    """Welch's t of 2 x 5,000 samples, taken in turns: a key that begins like the right one, and one that does not."""
    near = ADMIN_KEY[:-1] + ("a" if ADMIN_KEY[-1] != "a" else "b")
    far = "".join(random.Random(1).sample(ADMIN_KEY.swapcase(), len(ADMIN_KEY)))
    times: dict[str, list[float]] = {near: [], far: []}
    with httpx.Client(base_url=f"{gateway.url}/api/gateway") as client:
        for _ in range(5000):
            for key, samples in times.items():
                began = time.perf_counter()
                client.get("/stats", headers={"x-admin-key": key})
                samples.append(time.perf_counter() - began)
    a, b = (sorted(samples)[: int(len(samples) * 0.95)] for samples in times.values())  # the slowest are the machine's
    spread = statistics.variance(a) / len(a) + statistics.variance(b) / len(b)
    assert abs(statistics.mean(a) - statistics.mean(b)) / spread**0.5 < 4.5


def test_a_key_that_looks_issued_but_is_not_known_is_one_more_wrong_key(gateway: GatewayProcess) -> None:
    unknown = issue_key("adk", random.Random(5).choice)
    assert gateway.ask("GET", "/stats", key=unknown).status_code in (401, 429)
