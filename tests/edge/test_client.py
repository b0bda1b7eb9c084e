"""How a refusal looks to the caller."""

import json

import pytest

from gateway.edge.client import ASGICaller, refusal_headers
from gateway.model.errors import ClientGone, Refusal
from tests.support.path import running_path


def test_what_sdks_read_to_decide_whether_to_try_again() -> None:
    assert dict(refusal_headers(Refusal("policy_denied", "no")))[b"x-should-retry"] == b"false"
    waiting = dict(refusal_headers(Refusal("rate_limit_exceeded", "slow", retry_after=900)))
    assert (waiting[b"retry-after"], b"x-should-retry" in waiting) == (b"60", False)
    soon = dict(refusal_headers(Refusal("overloaded", "busy", retry_after=0)))
    assert soon[b"retry-after"] == b"1"


@pytest.mark.parametrize(
    ("path_of", "shape"),
    [
        ("/v1/chat/completions", {"error": {"message", "type", "param", "code"}}),
        ("/v1/responses", {"error": {"message", "type", "param", "code"}}),
        ("/v1/embeddings", {"error": {"message", "type", "param", "code"}}),
        ("/v1/files", {"error": {"message", "type", "param", "code"}}),
    ],
)
async def test_a_refusal_has_openais_shape_on_openais_routes(path_of: str, shape: dict[str, set[str]]) -> None:
    async with running_path() as path:
        answer = await path.client.post(path_of, content=b"{", headers={"authorization": "Bearer agk_x"})
    assert set(answer.json()) == set(shape)
    assert set(answer.json()["error"]) == shape["error"]
    assert all(value is None or isinstance(value, str) for value in answer.json()["error"].values())


async def test_a_refusal_has_anthropics_shape_on_its_route() -> None:
    async with running_path() as path:
        answer = await path.client.post("/v1/messages", content=b"{")
    document = answer.json()
    assert (document["type"], document["error"]["type"]) == ("error", "invalid_request_error")
    assert "JSON" in document["error"]["message"]


async def _gone() -> dict[str, object]:
    return {"type": "http.disconnect"}


async def test_a_body_that_will_not_come_means_that_nobody_is_there() -> None:
    async def send(message: object) -> None:
        raise AssertionError("nobody to send to")

    client = ASGICaller(_gone, send, {}, [], lambda: None)
    with pytest.raises(ClientGone):
        await client.body(10)
    with pytest.raises(ClientGone):
        await anext(client.chunks(10))


async def test_an_error_body_is_json_whatever_the_message_holds() -> None:
    async with running_path() as path:
        answer = await path.client.post("/v1/chat/completions", content=b'{"a\\u2028":1,"a\\u2028":2}')
    assert json.loads(answer.content)["error"]["code"] == "duplicate_key"
