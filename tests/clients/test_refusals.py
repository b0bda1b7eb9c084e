"""What SDKs make of the gateway's refusals, and which headers every answer carries."""

from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest

from tests.clients.raw import KEY, ask, openai_client
from tests.support.gateway import GatewayProcess
from tests.support.upstream import SSE, ThreadedUpstream, answer, json_answer

HI: Any = [{"role": "user", "content": "hi"}]
OURS = "agk_" + "A1b2C3d4" + "_" + "x" * 38


def chat(client: openai.OpenAI, **more: Any) -> Any:
    return client.chat.completions.create(**({"model": "m", "messages": HI} | more))


TWICE = {"name": "f", "parameters": {}}

REFUSED: dict[str, tuple[Callable[[openai.OpenAI], Any], type[openai.APIStatusError], str]] = {
    "a wrong type": (lambda c: chat(c, messages={"role": "user"}), openai.BadRequestError, "invalid_request"),
    "a wrong type, streamed": (lambda c: chat(c, tools={}, stream=True), openai.BadRequestError, "invalid_request"),
    "case variants": (lambda c: chat(c, extra_body={"Model": "other"}), openai.BadRequestError, "duplicate_key"),
    "two credentials": (
        lambda c: chat(c, extra_headers={"api-key": "sk-other"}),
        openai.BadRequestError,
        "invalid_request",
    ),
    "two credentials, relayed": (
        lambda c: c.files.list(extra_headers={"x-api-key": "sk-other"}),
        openai.BadRequestError,
        "invalid_request",
    ),
    "a key of ours that is unknown": (
        lambda c: chat(c, extra_headers={"authorization": f"Bearer {OURS}"}),
        openai.AuthenticationError,
        "invalid_api_key",
    ),
    "an unknown provider": (lambda c: c.with_options(base_url=_other(c)).models.list(), openai.BadRequestError, ""),
    "a broken path": (lambda c: c.get("/files/%2e%2e/x", cast_to=object), openai.BadRequestError, "invalid_request"),
    "an unknown path": (lambda c: c.get("/../nope", cast_to=object), openai.APIStatusError, ""),
}


def _other(client: openai.OpenAI) -> str:
    return str(client.base_url).replace("/v1", "/p/elsewhere/v1")


@pytest.mark.parametrize("name", REFUSED)
def test_openai_s_sdk_raises_its_own_error_after_one_request(
    relay: GatewayProcess, provider: ThreadedUpstream, name: str
) -> None:
    call, kind, code = REFUSED[name]
    with openai_client(relay.url, max_retries=2) as (client, sent), pytest.raises(kind) as raised:
        call(client)
    error = raised.value
    assert not code or error.code == code
    assert isinstance(error.type, str) and error.message
    assert error.response.headers["x-gateway-request-id"]
    assert error.response.headers["x-should-retry"] == "false"
    assert len(sent) == 1
    assert not provider.requests


def test_anthropic_s_sdk_raises_its_own_errors(relay: GatewayProcess, provider: ThreadedUpstream) -> None:
    with anthropic.Anthropic(base_url=relay.url, api_key=KEY, max_retries=2) as client:
        with pytest.raises(anthropic.BadRequestError) as wrong:
            client.messages.create(model="m", max_tokens=1, messages={"no": "list"})  # type: ignore[call-overload]
        with pytest.raises(anthropic.AuthenticationError) as unknown:
            client.with_options(api_key=OURS).messages.create(model="m", max_tokens=1, messages=HI)
    assert wrong.value.type == "invalid_request_error"
    assert unknown.value.type == "authentication_error"
    for raised in (wrong, unknown):
        assert raised.value.response.headers["x-gateway-request-id"]
        assert raised.value.response.headers["x-should-retry"] == "false"
    assert not provider.requests


def test_the_provider_s_own_word_on_retries_is_passed(relay: GatewayProcess, provider: ThreadedUpstream) -> None:
    final = json_answer({"error": {"message": "no"}}, 500, [("x-should-retry", "false")])
    provider.inner.script = [json_answer({}, 429, [("retry-after-ms", "1")]), final]
    with openai_client(relay.url, max_retries=3) as (client, sent), pytest.raises(openai.InternalServerError):
        chat(client)
    assert [request.headers["x-stainless-retry-count"] for request in sent] == ["0", "1"]
    assert [request.header("x-stainless-retry-count") for request in provider.requests] == ["0", "1"]


def test_a_provider_that_leaves_without_an_answer_may_be_asked_again(
    relay: GatewayProcess, provider: ThreadedUpstream
) -> None:
    async def leave(request: Any, talk: Any) -> None:
        talk.close()

    provider.inner.script = [leave, json_answer({"id": "c", "choices": []})]
    with openai_client(relay.url, max_retries=1) as (client, sent):
        assert chat(client, model="m-2").id == "c"
    assert len(sent) == 2


# -- headers

THEIRS = [
    ("x-request-id", "req_theirs"),
    ("request-id", "req_theirs"),
    ("retry-after", "120"),
    ("retry-after-ms", "5"),
    ("x-ratelimit-limit-requests", "10"),
    ("x-ratelimit-remaining-tokens", "149 984"),
    ("x-ratelimit-reset-tokens", "6m0s"),
    ("anthropic-ratelimit-tokens-remaining", "1"),
    ("openai-organization", "org-1"),
    ("openai-processing-ms", "42"),
    ("openai-version", "2020-10-01"),
    ("cf-ray", "8"),
]
NOT_THEIRS = [
    ("x-gateway-request-id", "forged"),
    ("x-gateway-denied", "7"),
    ("connection", "x-hop"),
    ("x-hop", "1"),
    ("keep-alive", "timeout=5"),
]
SHAPES = {
    "whole": answer(200, b"{}", [("content-type", "application/json"), *THEIRS, *NOT_THEIRS]),
    "stream": answer(200, b"data: [DONE]\n\n", [*SSE, *THEIRS, *NOT_THEIRS]),
    "error": answer(429, b"{}", [("content-type", "application/json"), *THEIRS, *NOT_THEIRS]),
}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/moderations"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_provider_s_headers_pass_and_ours_are_ours(
    relay: GatewayProcess, provider: ThreadedUpstream, path: str, shape: str
) -> None:
    provider.inner.script = SHAPES[shape]
    stream = b"true" if shape == "stream" else b"false"
    got = ask(relay.url, path, b'{"messages":[],"stream":%b}' % stream)
    names = {name for name, _ in THEIRS}
    assert [pair for pair in got.headers if pair[0] in names] == THEIRS
    assert (got.header("x-gateway-request-id") or "").startswith("req_")
    assert (got.header("x-gateway-agent-id") or "").startswith("agt_")
    assert got.header("x-gateway-denied") is None
    assert got.header("x-hop") is None


EVERYWHERE: list[tuple[str, str, bytes | None, dict[str, str], int]] = [
    ("GET", "/v1/models", None, {}, 200),
    ("OPTIONS", "/v1/chat/completions", None, {}, 200),
    ("HEAD", "/v1/models", None, {}, 200),
    ("POST", "/v1/chat/completions", b"{", {}, 400),
    ("POST", "/v1/chat/completions", b"[]", {}, 400),
    ("POST", "/v1/chat/completions", b"{}", {"content-encoding": "rot13"}, 400),
    ("POST", "/v1/chat/completions", b"{}", {"x-api-key": "sk-2"}, 400),
    ("POST", "/v1/chat/completions", b"{}", {"authorization": OURS}, 401),
    ("GET", "/v1/responses", None, {"connection": "upgrade", "upgrade": "websocket"}, 426),
    ("GET", "/v1/%2e%2e/x", None, {}, 400),
    ("GET", "/nope", None, {}, 404),
    ("GET", "/chat/%5c", None, {}, 400),
]


@pytest.mark.parametrize("method, path, body, headers, status", EVERYWHERE)
def test_every_answer_has_a_request_id(
    relay: GatewayProcess,
    provider: ThreadedUpstream,
    method: str,
    path: str,
    body: bytes | None,
    headers: dict[str, str],
    status: int,
) -> None:
    provider.inner.script = answer(200, b"" if method == "HEAD" else b"{}")
    got = ask(relay.url, path, body, headers, method)
    assert got.status == status
    assert (got.header("x-gateway-request-id") or "").startswith("req_")
