"""What clients call themselves, as they do it on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.identity.client_family import client_family


@pytest.mark.parametrize(
    ("user_agent", "family"),
    [
        ("OpenAI/Python 3.52.0", "openai/python"),
        ("AsyncOpenAI/Python 2.54.0", "openai/python"),
        ("OpenAI/JS 7.55.0", "openai/js"),
        ("Agents/Python 0.24.0", "agents/python"),
        ("Agents/JavaScript 0.20.0", "agents/javascript"),
        ("Anthropic/Python 2.11.0", "anthropic/python"),
        ("AsyncAnthropic/Python 2.11.0", "anthropic/python"),
        ("pydantic-ai/2.62.0", "pydantic-ai"),
        ("claude-cli/2.1.329 (external, sdk-cli)", "claude-cli"),
        ("codex_exec/0.169.0 (Debian 12.0.0; x86_64) unknown (codex_exec; 0.169.0)", "codex_exec"),
        ("ai-sdk-openai/4.0.118 ai-sdk-provider-utils/5.0.81 node.js/22", "ai-sdk-openai"),
        ("python-httpx2/2.16.2", "python-httpx"),
        ("curl/8.5.0", "curl"),
        ("tool-v3/beta", "tool/beta"),
        ("", ""),
        ("(nothing)", ""),
    ],
)
def test_a_client_is_its_product_without_its_version(user_agent: str, family: str) -> None:
    assert client_family(user_agent.encode()) == family


def test_the_language_counts_where_the_product_does_not_say_it() -> None:
    assert client_family(b"OpenAI/Python 1.0", b"python") == "openai/python"
    assert client_family(b"Agents/JavaScript 1.0", b"js") == "agents/javascript"
    assert client_family(b"claude-cli/2.1", b"js") == "claude-cli (js)"
    assert client_family(None, b"python") == "(python)"
    assert client_family(b"my-agent", b"<script>") == "my-agent"


@given(st.binary(max_size=300), st.none() | st.binary(max_size=40))
def test_any_bytes_have_a_short_printable_family(user_agent: bytes, language: bytes | None) -> None:
    family = client_family(user_agent, language)
    assert len(family) < 130 and family.isprintable() and family.isascii()


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 999))
def test_no_version_makes_another_client(major: int, minor: int, patch: int) -> None:
    assert client_family(b"OpenAI/Python %d.%d.%d" % (major, minor, patch)) == "openai/python"
    assert client_family(b"claude-cli/%d.%d.%d (x)" % (major, minor, patch)) == "claude-cli"
