"""A response sent whole."""

from typing import Any

from gateway.edge.asgi import respond


async def sent(*, head_only: bool = False) -> list[Any]:
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    await respond(send, 404, [(b"content-type", b"text/plain")], b"gone", head_only=head_only)
    return messages


async def test_a_whole_response_says_its_length_and_ends() -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"4")]
    start, body = await sent()
    assert start == {"type": "http.response.start", "status": 404, "headers": headers}
    assert body == {"type": "http.response.body", "body": b"gone"}


async def test_the_answer_to_head_announces_the_body_it_leaves_out() -> None:
    start, body = await sent(head_only=True)
    assert (b"content-length", b"4") in start["headers"]
    assert body["body"] == b""
