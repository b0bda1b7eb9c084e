"""SDKs and frameworks through the gateway make of the stub models what they make of them without it."""

from collections.abc import Callable

import pytest

from tests.support import clients
from tests.support.clients import Server
from tests.support.expectations import EXPECTATIONS, KEY
from tests.support.gateway import GatewayProcess

PATHS = [("/v1", ""), ("", "/v1"), ("/v1/", "/")]
"""What users put behind host and port, for OpenAI's SDK and for Anthropic's."""


@pytest.mark.parametrize("openai_path, anthropic_path", PATHS, ids=lambda path: path or "bare")
@pytest.mark.parametrize("holds", EXPECTATIONS)
def test_a_client_sees_a_provider(
    holds: Callable[[Server], None], gateway: GatewayProcess, openai_path: str, anthropic_path: str
) -> None:
    holds(Server(gateway.url, openai_path, anthropic_path))


def test_a_call_whose_arguments_nobody_can_read_never_reaches_the_agent(gateway: GatewayProcess) -> None:
    script = [{"calls": [{"name": "a", "arguments": '{"broken'}]}, "That is all."]
    (only,) = clients.openai_chat_follows_a_script(Server(gateway.url), KEY, script)
    assert (only.calls, only.finish) == ((), "stop")
    assert "a" in only.text and "gateway/unreadable-call" in only.text
