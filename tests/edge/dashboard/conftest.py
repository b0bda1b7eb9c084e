"""A gateway with policies worth looking at, agents that report to it, and a browser to look with."""

import json
import random
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.browser import Chromium, Page, running_chromium
from tests.support.gateway import ADMIN_KEY, GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer

INGEST_KEY = "ing-Zt6wXq1Ls9BvRk4E"
POLICIES = [
    {
        "name": "strict",
        "immune": {"sigma_action": "quarantine", "drain_seconds": 0, "sigma_share": 1, "approve_above": 0},
    },
    {
        "name": "ops",
        "modes": {"NORMAL": {"allow": ["get:*"]}, "EMERGENCY": {"allow": ["restart:*"]}},
        "always_blocked": ["delete:database"],
        "default": "allow",
    },
]


@dataclass
class World:
    """A running gateway, and what agents tell it."""

    gateway: GatewayProcess

    def report(self, rows: list[dict[str, Any]]) -> None:
        """Exchanges as agents report them."""
        headers = {"authorization": f"Bearer {INGEST_KEY}"}
        answers: list[httpx.Response] = []

        def taken() -> bool:
            answers.append(httpx.post(f"{self.gateway.url}/api/v1/ingest", json=rows, headers=headers, timeout=20))
            return answers[-1].status_code != 503  # Redis was late on a machine that does much else

        eventually(taken)
        assert answers[-1].status_code == 202, answers[-1].text

    def reports(self, name: str, calls: int, times: float = 1.0, **more: Any) -> None:
        """So many calls of one agent, with so many times the usual output."""
        drawn = random.Random(name)
        self.report(
            [
                {
                    "name": name, "provider": "mine", "model": "m", "latency_ms": 800, "input_tokens": 500,
                    "output_tokens": round(times * drawn.lognormvariate(5.0, 0.3)), "conversation": f"c{number % 8}",
                    **more,
                }
                for number in range(calls)
            ]
        )  # fmt: skip

    def agents(self) -> list[dict[str, Any]]:
        """All; none where Redis was too late on a machine that does much else."""
        found: list[dict[str, Any]] = self.gateway.admin("/agents?limit=1000").json().get("items", [])
        return found

    def is_stopped(self, name: str) -> bool:
        """Whether an agent is stopped on statistical evidence; it goes on until it is. A share of all agents may be,
        and how many those are is looked at now and then."""
        self.reports(name, 1, times=60)
        return any(a["name"] == name and a["state"] == "QUARANTINED" for a in self.agents())

    def known(self, name: str, state: str = "") -> str:
        """The id of the agent of this name, once it is there in this state."""
        found: list[str] = []

        def there() -> bool:
            found[:] = [a["agent_id"] for a in self.agents() if a["name"] == name and state in ("", a["state"])]
            return bool(found)

        eventually(there)
        return found[0]


@pytest.fixture
def world(shared_redis: RedisServer, tmp_path: Path) -> Iterator[World]:
    env = {
        "GATEWAY_REDIS_URL": shared_redis.url,
        "GATEWAY_REDIS_PREFIX": f"web{secrets.token_hex(4)}:",
        "GATEWAY_DATA_DIR": str(tmp_path),
        "INGEST_API_KEY": INGEST_KEY,
        "GATEWAY_POLICIES": json.dumps(POLICIES),
    }
    with running_gateway("--stub", env=env) as one:
        yield World(one)


@pytest.fixture(scope="package")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with running_chromium(tmp_path_factory.mktemp("chromium")) as one:
        yield one


@pytest.fixture
def signed_in(world: World, chromium: Chromium) -> Iterator[Callable[..., Page]]:
    """Opens the page, signed in with a key; afterwards no page may have complained, nor asked anybody else."""
    pages: list[Page] = []

    def sign_in(key: str = ADMIN_KEY, width: int = 1440, height: int = 900) -> Page:
        page = chromium.page(width, height)
        pages.append(page)
        page.open(f"{world.gateway.url}/dashboard")
        page.reads("Sign in to see")
        page.fill("input[type=password]", key)
        page.click("Sign in")
        page.reads("Totals")
        return page

    yield sign_in
    for page in pages:
        # 503: Redis was late on a machine that does much else; the page looks again by itself.
        assert [one for one in page.problems if "status of 503" not in one] == []
        elsewhere = [url for url in page.requests if not url.startswith((f"{world.gateway.url}/", "data:"))]
        assert elsewhere == []
        page.close()
