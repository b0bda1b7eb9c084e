"""`/metrics` by its two names; who may see it."""

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request

from gateway.edge.admin import metrics
from gateway.edge.admin.access import Principal, Role


async def scraped(role: Role) -> httpx.Response:
    app = FastAPI()

    @app.middleware("http")
    async def known(request: Request, following):  # type: ignore[no-untyped-def]
        request.state.principal = Principal("adk_1", role)
        return await following(request)

    async def scrape() -> str:
        return "# TYPE leuko_build gauge\nleuko_build 1\n"

    app.include_router(metrics.router(scrape))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
        return await client.get("/metrics")


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
async def test_any_key_is_enough(role: Role) -> None:
    answer = await scraped(role)
    assert answer.text.endswith("leuko_build 1\n")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
