"""The listing of models with the stub models on, against a provider on a real socket."""

import gzip
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.demo.stub import MODELS, StubModels
from gateway.model.headers import Headers
from gateway.model.route import Route
from gateway.phases.model_list import ModelList
from gateway.upstream.client import Client
from gateway.upstream.providers import Providers
from gateway.upstream.reply import Reply
from tests.support.upstream import Script, ScriptedUpstream, answer, json_answer

THEIRS = {"object": "list", "data": [{"id": "m-1", "object": "model"}, {"id": "stub-echo", "theirs": True}], "page": 1}
LISTING = Route(None, "/models")


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client(connect=2)
    yield client
    await client.close()


def stub_models() -> StubModels:
    numbers = itertools.count()
    return StubModels(clock=lambda: 0, new_id=lambda: f"{next(numbers):06x}")


async def listed(
    client: Client,
    url: str | None,
    path: str = "/models",
    query: bytes = b"",
    headers: Headers | None = None,
    patience: float = 5,
) -> tuple[Reply, Any]:
    providers = Providers(default_url=url, stub=True)
    models = ModelList(stub_models(), client, patience=patience)
    route, ask = Route(None, path), providers.default_given
    reply = await models.open(providers.default, "GET", route, query, headers or [], ask=ask)
    return reply, json.loads(await reply.read(1 << 20))


def ids(document: Any) -> list[str]:
    return [model["id"] for model in document["data"]]


@pytest.mark.parametrize(
    "method, route, answers",
    [
        ("GET", LISTING, True),
        ("HEAD", LISTING, True),
        ("GET", Route(None, "/models/stub-slow"), True),
        ("GET", Route(None, "/models/gpt-5"), False),
        ("DELETE", Route(None, "/models/stub-slow"), False),
        ("GET", Route(None, "/models/stub-slow/x"), False),
        ("GET", Route(None, "/models", provider="azure"), False),
        ("GET", Route(None, "/models", deployment="gpt"), False),
        ("GET", Route(None, "/files"), False),
    ],
)
def test_it_answers_listings_only(method: str, route: Route, answers: bool) -> None:
    assert ModelList.answers(method, route) is answers


@pytest.mark.parametrize("base", ["", "/api/v3"])
async def test_the_stub_models_follow_those_of_the_provider(client: Client, base: str) -> None:
    async with ScriptedUpstream(json_answer(THEIRS, headers=[("openai-version", "1"), ("etag", "x")])) as upstream:
        key = (b"authorization", b"Bearer sk-1")
        reply, document = await listed(client, upstream.url + base, query=b"limit=2", headers=[key])
        assert ids(document) == ["m-1", *MODELS], "a name that both know is listed once"
        assert document["page"] == 1
        names = dict(reply.headers)
        assert names[b"openai-version"] == b"1" and b"etag" not in names
        request = upstream.requests[0]
        assert request.target == f"{base or '/v1'}/models?limit=2".encode()
        assert request.header("authorization") == "Bearer sk-1"
        assert request.header("accept-encoding") == "identity"


async def test_a_compressed_listing_is_read(client: Client) -> None:
    body = gzip.compress(json.dumps(THEIRS).encode())
    async with ScriptedUpstream(answer(200, body, [("content-encoding", "gzip")])) as upstream:
        reply, document = await listed(client, upstream.url)
        assert ids(document) == ["m-1", *MODELS]
        assert b"content-encoding" not in dict(reply.headers)


async def test_a_later_page_is_the_provider_s_alone(client: Client) -> None:
    async with ScriptedUpstream(json_answer(THEIRS)) as upstream:
        assert ids((await listed(client, upstream.url, query=b"limit=2&after_id=m-0"))[1]) == ["m-1", "stub-echo"]


async def test_the_caller_s_form_is_the_form_of_the_stub_models(client: Client) -> None:
    async with ScriptedUpstream(json_answer({"data": [], "has_more": False})) as upstream:
        _, document = await listed(client, upstream.url, headers=[(b"anthropic-version", b"2023-06-01")])
        assert ids(document) == list(MODELS)
        assert {model["type"] for model in document["data"]} == {"model"}


@pytest.mark.parametrize(
    "script",
    [
        json_answer({"error": {}}, 401),
        json_answer(THEIRS, 500),
        json_answer([]),
        json_answer({"data": {}}),
        answer(200, b"<html>"),
        answer(200, b"not gzip", [("content-encoding", "gzip")]),
        answer(302, b"", [("location", "/elsewhere")]),
        b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\nconnection: close\r\n\r\ncut",
    ],
    ids=["401", "500", "array", "no list", "no json", "broken coding", "redirect", "hangs"],
)
async def test_the_stub_models_stand_alone_where_the_provider_fails(client: Client, script: Script) -> None:
    async with ScriptedUpstream(script) as upstream:
        reply, document = await listed(client, upstream.url, patience=0.5)
        assert (reply.status, ids(document)) == (200, list(MODELS))
        assert len(upstream.requests) == 1


async def test_the_stub_models_stand_alone_where_nobody_can_be_reached(client: Client) -> None:
    assert ids((await listed(client, "http://127.0.0.1:9"))[1]) == list(MODELS)


@pytest.mark.parametrize("path", ["/models", "/models/stub-tool"])
async def test_without_a_configured_provider_nobody_is_asked(client: Client, path: str) -> None:
    _, document = await listed(client, None, path)
    assert not client.connections
    assert document.get("id", ids(document) if "data" in document else None) in ("stub-tool", list(MODELS))


async def test_a_stub_model_is_described_without_asking(client: Client) -> None:
    async with ScriptedUpstream(json_answer(THEIRS)) as upstream:
        _, document = await listed(client, upstream.url, "/models/stub-tool")
        assert document["id"] == "stub-tool"
        assert not upstream.requests
