"""The official SDKs and common frameworks must make of a stub answer exactly what they make of a provider's."""

from collections.abc import Callable

import pytest

from tests.support import clients
from tests.support.clients import Server
from tests.support.expectations import EXPECTATIONS, KEY


@pytest.mark.parametrize("holds", EXPECTATIONS)
def test_a_client_sees_a_provider(holds: Callable[[Server], None], base_url: str) -> None:
    holds(Server(base_url))


def test_a_script_s_arguments_may_be_broken(base_url: str) -> None:
    script = [{"calls": [{"name": "a", "arguments": '{"broken'}]}, "That is all."]
    first, second = clients.openai_chat_follows_a_script(Server(base_url), KEY, script)
    assert [(call.name, call.arguments) for call in first.calls] == [("a", '{"broken')]
    assert second.text == "That is all."
