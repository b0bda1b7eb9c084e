"""`GET /v1/models` while the stub models are on, and without them."""

import json
from collections.abc import Iterator

import anthropic
import openai
import pytest

from tests.clients.raw import ask, only_request, openai_client
from tests.support.expectations import STUBS
from tests.support.gateway import GatewayProcess, running_gateway
from tests.support.upstream import ThreadedUpstream, answer, json_answer

THEIRS = b'{ "object":"list","data":[ {"id":"m-1","object":"model","created":1.00,"owned_by":"them"} ] }'
JSON = [("content-type", "application/json"), ("openai-version", "2020-10-01")]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, _provider: ThreadedUpstream) -> Iterator[GatewayProcess]:
    """A gateway with the stub models beside a configured provider."""
    env = {"GATEWAY_DATA_DIR": str(tmp_path_factory.mktemp("mixed")), "LLM_UPSTREAM_URL": _provider.url}
    with running_gateway("--stub", env=env) as process:
        yield process


@pytest.mark.parametrize("path", ["/v1/models", "/models", "/v1/models/", "/openai/v1/models"])
def test_the_stub_models_need_no_key_and_no_network(gateway: GatewayProcess, path: str) -> None:
    got = ask(gateway.url, path, headers={"authorization": ""}, method="GET")
    assert [model["id"] for model in json.loads(got.body)["data"]] == STUBS
    assert got.header("x-gateway-agent-id") and got.header("x-gateway-request-id")


def test_head_says_what_get_would(gateway: GatewayProcess) -> None:
    got, asked = ask(gateway.url, "/v1/models", method="GET"), ask(gateway.url, "/v1/models", method="HEAD")
    assert (asked.status, asked.body) == (200, b"")
    assert asked.header("content-length") == got.header("content-length") == str(len(got.body))


def test_the_provider_s_models_come_first(mixed: GatewayProcess, provider: ThreadedUpstream) -> None:
    provider.inner.script = answer(200, THEIRS, JSON)
    with openai_client(mixed.url) as (client, _):
        listed = client.models.with_raw_response.list()
        assert [model.id for model in listed.parse().data] == ["m-1", *STUBS]
        assert listed.headers["openai-version"] == "2020-10-01"
        request = only_request(provider)
        assert (request.target, request.header("authorization")) == (b"/v1/models", "Bearer sk-client")
        assert client.models.retrieve("stub-tool").owned_by == "leuko"
    assert len(provider.requests) == 1


def test_a_provider_that_fails_hides_no_stub_model(mixed: GatewayProcess, provider: ThreadedUpstream) -> None:
    provider.inner.script = json_answer({"error": {"message": "no"}}, 401)
    with openai_client(mixed.url) as (client, _):
        assert [model.id for model in client.models.list()] == STUBS
    with anthropic.Anthropic(base_url=mixed.url, api_key="k", max_retries=0) as claude:
        assert [model.id for model in claude.models.list()] == STUBS


def test_other_requests_pass_as_they_are(mixed: GatewayProcess, provider: ThreadedUpstream) -> None:
    provider.inner.script = answer(200, THEIRS, JSON)
    for method, path in [("GET", "/v1/models/m-1"), ("DELETE", "/v1/models/m-1"), ("GET", "/v1/files")]:
        assert ask(mixed.url, path, method=method).body == THEIRS
    body = b'{"model":"m-1", "messages":[ ]}'
    assert ask(mixed.url, "/v1/chat/completions", body).body == THEIRS
    assert provider.requests[-1].body == body
    assert len(provider.requests) == 4


def test_without_the_stub_models_the_listing_is_relayed(relay: GatewayProcess, provider: ThreadedUpstream) -> None:
    provider.inner.script = answer(200, THEIRS, JSON)
    assert ask(relay.url, "/v1/models?limit=1", method="GET").body == THEIRS
    assert only_request(provider).target == b"/v1/models?limit=1"
    provider.inner.script = json_answer({"error": {"message": "no such model"}}, 404)
    with openai_client(relay.url) as (client, _), pytest.raises(openai.NotFoundError):
        client.models.retrieve("stub-echo")
