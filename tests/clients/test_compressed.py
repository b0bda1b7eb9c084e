"""Compressed request bodies: read in order to be judged, forwarded as received."""

import gzip
import json
from collections.abc import Callable

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard

from tests.clients.raw import ask, only_request, openai_client
from tests.support.gateway import GatewayProcess
from tests.support.upstream import SSE, ThreadedUpstream, answer, json_answer

CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}
ROUTES = ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings", "/v1/completions"]
BODY = b'{"model":"gpt-5", "input" : "\\u00e9", "messages":[{"role":"user","content":"hi"}], "zz":1.00}'


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("path", [*ROUTES, "/v1/moderations"])
def test_a_compressed_body_is_forwarded_as_received(
    relay: GatewayProcess, provider: ThreadedUpstream, path: str, coding: str
) -> None:
    provider.inner.script = json_answer({"id": "x"})
    packed = CODINGS[coding](BODY)
    assert ask(relay.url, path, packed, {"content-encoding": coding}).status == 200
    request = only_request(provider)
    assert request.body == packed
    assert request.header("content-encoding") == coding


@pytest.mark.parametrize("coding", CODINGS)
def test_a_compressed_body_is_judged(relay: GatewayProcess, provider: ThreadedUpstream, coding: str) -> None:
    packed = CODINGS[coding](b'{"model":"a","messages":[],"model":"b"}')
    got = ask(relay.url, "/v1/chat/completions", packed, {"content-encoding": coding})
    assert (got.status, json.loads(got.body)["error"]["code"]) == (400, "duplicate_key")
    assert not provider.requests


@pytest.mark.parametrize("coding", CODINGS)
def test_a_compressed_body_names_the_stub_model(gateway: GatewayProcess, coding: str) -> None:
    packed = CODINGS[coding](b'{"model":"stub-echo","messages":[{"role":"user","content":"hi"}]}')
    got = ask(gateway.url, "/v1/chat/completions", packed, {"content-encoding": coding})
    assert json.loads(got.body)["choices"][0]["message"]["content"] == "hi"


@pytest.mark.parametrize("coding", CODINGS)
def test_a_body_that_has_to_change_is_forwarded_without_its_coding(
    relay: GatewayProcess, provider: ThreadedUpstream, coding: str
) -> None:
    provider.inner.script = answer(200, b"data: [DONE]\n\n", SSE)
    body = BODY.replace(b'"zz"', b'"stream":true,"zz"')
    ask(relay.url, "/v1/chat/completions", CODINGS[coding](body), {"content-encoding": coding})
    request = only_request(provider)
    assert request.header("content-encoding") is None
    assert request.body == body[:-1] + b',"stream_options":{"include_usage":true}}'


@pytest.mark.parametrize("coding", CODINGS)
def test_a_bomb_is_refused(relay: GatewayProcess, provider: ThreadedUpstream, coding: str) -> None:
    packed = CODINGS[coding](b'{"messages":"' + b"a" * 40_000_000 + b'"}')
    got = ask(relay.url, "/v1/chat/completions", packed, {"content-encoding": coding})
    assert (got.status, json.loads(got.body)["error"]["code"]) == (413, "payload_too_large")
    assert not provider.requests


@pytest.mark.parametrize(
    "coding, body", [("gzip", b"not gzip"), ("br", b"\xff"), ("zstd", b"x"), ("gzip, br", b"x"), ("compress", b"x")]
)
def test_what_cannot_be_decoded_is_refused(
    relay: GatewayProcess, provider: ThreadedUpstream, coding: str, body: bytes
) -> None:
    got = ask(relay.url, "/v1/responses", body, {"content-encoding": coding})
    assert (got.status, json.loads(got.body)["error"]["code"]) == (400, "invalid_request")
    assert not provider.requests


def test_an_answer_is_asked_for_without_a_coding_and_read_with_one(
    relay: GatewayProcess, provider: ThreadedUpstream
) -> None:
    document = b'{"id" : "c","choices":[],"created":1,"model":"m","object":"chat.completion"}'
    kind = ("content-type", "application/json")
    provider.inner.script = answer(200, gzip.compress(document), [kind, ("content-encoding", "gzip")])
    with openai_client(relay.url) as (client, sent):
        got = client.chat.completions.with_raw_response.create(model="m", messages=[])
    assert got.content == document
    assert "content-encoding" not in got.headers
    assert only_request(provider).header("accept-encoding") == "identity"
    assert "gzip" in sent[0].headers["accept-encoding"]
