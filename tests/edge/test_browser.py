"""What browsers are told beside an answer."""

from typing import Any

import pytest

from gateway.edge.browser import no_page, private


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


@pytest.mark.parametrize(
    "said", [[(b"content-type", b"text/html")], [(b"Content-Type", b"image/svg+xml")], [], [(b"content-type", b"")]]
)
def test_what_providers_say_is_no_page_of_this_origin(said: list[tuple[bytes, bytes]]) -> None:
    assert dict(no_page(said)) == {b"content-security-policy": b"sandbox", b"x-content-type-options": b"nosniff"}


@pytest.mark.parametrize("said", [b"application/json", b"application/JSON; charset=utf-8", b"text/event-stream"])
def test_what_can_be_no_page_leaves_with_the_headers_it_came_with(said: bytes) -> None:
    assert no_page([(b"date", b"x"), (b"content-type", said)]) == []
