"""Azure's paths and header: its SDK against the stub models, and before a provider that is Azure."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest

from tests.clients.raw import ask, only_request
from tests.support.expectations import STUBS
from tests.support.gateway import GatewayProcess, running_gateway
from tests.support.upstream import SSE, ThreadedUpstream, answer, json_answer

VERSION = "2026-01-01-preview"
HI: Any = [{"role": "user", "content": "hi"}]
OWN_KEY = "azure-own-key-0123"
CHAT = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": []}


@contextmanager
def azure_client(url: str, **settings: Any) -> Iterator[openai.AzureOpenAI]:
    base: Any = {"azure_endpoint": url, "api_version": VERSION, "api_key": "azure-key", "max_retries": 0} | settings
    with openai.AzureOpenAI(**base, timeout=20) as client:
        yield client


# -- the stub models


def test_azure_s_sdk_reaches_the_stub_models(gateway: GatewayProcess) -> None:
    with azure_client(gateway.url) as client:
        made = client.chat.completions.create(model="stub-echo", messages=HI)
        assert (made.model, made.choices[0].message.content) == ("stub-echo", "hi")
        chunks = list(client.chat.completions.create(model="stub-echo", messages=HI, stream=True))
        assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == "hi"
        assert client.completions.create(model="stub-echo", prompt="hi").choices[0].text == "hi"
        assert client.responses.create(model="stub-echo", input="hi").output_text == "hi"
        assert len(client.embeddings.create(model="stub-echo", input="hi", dimensions=8).data[0].embedding) == 8
        assert [model.id for model in client.models.list()] == STUBS


def test_the_deployment_is_the_model_whatever_the_body_says(gateway: GatewayProcess) -> None:
    with azure_client(gateway.url, azure_deployment="stub-echo") as client:
        assert client.chat.completions.create(model="gpt-4o", messages=HI).model == "stub-echo"


@pytest.mark.parametrize("operation", ["chat/completions", "completions", "embeddings", "responses"])
def test_the_body_needs_no_model(gateway: GatewayProcess, operation: str) -> None:
    path = f"/openai/deployments/stub-echo/{operation}?api-version={VERSION}"
    body = {"messages": HI, "prompt": "hi", "input": "hi"}
    got = ask(gateway.url, path, json.dumps(body).encode(), {"authorization": "", "api-key": "k"})
    assert got.status == 200
    assert json.loads(got.body)["model"] == "stub-echo"


# -- a provider

PROVIDERS = json.dumps({"other": {"url": "http://127.0.0.1:9", "dialect": "azure", "api_key_env": "OTHER_AZURE_KEY"}})


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory, _provider: ThreadedUpstream) -> Iterator[GatewayProcess]:
    """A gateway whose default provider is Azure; the scripted provider is the proxy on the way there."""
    env = {
        "GATEWAY_DATA_DIR": str(tmp_path_factory.mktemp("azure")),
        "LLM_UPSTREAM_URL": "http://resource.openai.azure.com",
        "LLM_UPSTREAM_API_KEY": OWN_KEY,
        "GATEWAY_UPSTREAM_PROXY": _provider.url,
        "GATEWAY_PROVIDERS": PROVIDERS,
        "OTHER_AZURE_KEY": "azure-other-key-0123",
    }
    with running_gateway(env=env) as process:
        yield process


ROOT = b"http://resource.openai.azure.com"


def test_azure_s_sdk_reaches_azure(azure: GatewayProcess, provider: ThreadedUpstream) -> None:
    provider.inner.script = json_answer(CHAT, headers=[("apim-request-id", "a-1")])
    with azure_client(azure.url) as client:
        made = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=HI)
    assert made.headers["apim-request-id"] == "a-1"
    request = only_request(provider)
    assert request.target == ROOT + b"/openai/deployments/gpt-4o/chat/completions?api-version=" + VERSION.encode()
    assert request.header("api-key") == "azure-key"
    assert request.header("authorization") is None
    assert request.header("host") == "resource.openai.azure.com"
    assert request.json() == {"model": "gpt-4o", "messages": HI}


def test_azure_s_filter_results_pass_in_a_stream(azure: GatewayProcess, provider: ThreadedUpstream) -> None:
    first = b'data: {"choices":[],"created":0,"id":"","model":"","prompt_filter_results":[{"prompt_index":0}]}\n\n'
    rest = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"content_filter_results":{}}],"id":"c"}\n\n'
    stream = first + rest + b"data: [DONE]\n\n"
    provider.inner.script = answer(200, stream, SSE)
    path = f"/openai/deployments/gpt-4o/chat/completions?api-version={VERSION}"
    assert ask(azure.url, path, b'{"stream":true,"messages":[]}').body == stream


def test_openai_s_sdk_reaches_azure_below_its_own_prefix(azure: GatewayProcess, provider: ThreadedUpstream) -> None:
    provider.inner.script = json_answer({"id": "r", "output": []})
    with openai.OpenAI(base_url=f"{azure.url}/v1", api_key="entra-token", max_retries=0) as client:
        client.responses.create(model="gpt-4o", input="hi")
    request = only_request(provider)
    assert request.target == ROOT + b"/openai/v1/responses"
    assert request.header("authorization") == "Bearer entra-token"


def test_a_caller_without_a_credential_gets_azure_s_key_in_azure_s_header(
    azure: GatewayProcess, provider: ThreadedUpstream
) -> None:
    provider.inner.script = json_answer(CHAT)
    assert ask(azure.url, "/v1/chat/completions", b'{"messages":[]}', {"authorization": ""}).status == 200
    request = only_request(provider)
    assert request.header("api-key") == OWN_KEY
    assert request.header("authorization") is None


def test_another_provider_never_sees_the_caller_s_credential(azure: GatewayProcess, provider: ThreadedUpstream) -> None:
    with azure_client(f"{azure.url}/p/other") as client, pytest.raises(openai.AuthenticationError) as raised:
        client.chat.completions.create(model="gpt-4o", messages=HI)
    assert raised.value.code == "invalid_api_key"
    assert "OTHER_AZURE_KEY" in raised.value.message
    assert not provider.requests
