"""Errors of the admin API."""

import httpx
import pytest
from fastapi import FastAPI

from gateway.edge.admin import problems
from gateway.store.errors import StoreUnavailable


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (problems.Problem(409, "It is taken.", [{"field": "name", "message": "taken"}]), 409),
        (StoreUnavailable("timeout"), 503),
        (ZeroDivisionError("internal detail"), 500),
    ],
)
async def test_every_error_is_a_problem_document_without_internals(error: Exception, status: int) -> None:
    app = FastAPI()
    problems.install(app)

    @app.get("/")
    async def fails() -> None:
        raise error

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        answer = await client.get("/")
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "internal detail" not in answer.text
