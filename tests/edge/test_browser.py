"""What browsers are told beside an answer."""

from typing import Any

import pytest

from gateway.edge.browser import private
from tests.support.path import running_path


async def told(*headers: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    sending = private(send)
    await sending({"type": "http.response.start", "status": 200, "headers": [*headers]})
    await sending({"type": "http.response.body", "body": b"x"})
    assert sent[1] == {"type": "http.response.body", "body": b"x"}
    found: list[tuple[bytes, bytes]] = sent[0]["headers"]
    return found


async def test_an_answer_of_operators_is_kept_by_nobody_and_is_no_page() -> None:
    headers = dict(await told((b"content-type", b"application/json")))
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"content-security-policy"] == b"default-src 'none'; frame-ancestors 'none'"


async def test_what_an_answer_says_itself_stays() -> None:
    headers = await told((b"Content-Security-Policy", b"default-src 'self'"))
    assert [value for name, value in headers if name.lower() == b"content-security-policy"] == [b"default-src 'self'"]


@pytest.mark.parametrize("path_of", ["/v1/models", "/v1/chat/completions", "/nothing"])
async def test_what_providers_say_is_no_page_of_this_origin(path_of: str) -> None:
    async with running_path() as path:
        answer = await path.client.get(path_of)
    assert (answer.headers["content-security-policy"], answer.headers["x-content-type-options"]) == (
        "sandbox",
        "nosniff",
    )
