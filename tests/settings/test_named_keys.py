"""A key is named among settings, never written down there."""

import pytest

from gateway.settings import SettingsError, load


@pytest.mark.parametrize("setting", ["GATEWAY_PROVIDERS", "GATEWAY_MCP_SERVERS"])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ('{"a": {"url": "https://x", "api_key": "sk-0123456789"}}', "holds an API key"),
        ('{"a": {"url": "https://x", "api_key_env": "MISSING"}}', "MISSING, which is not set"),
        ('{"a": {"url": "https://x", "api_key_env": "ODD"}}', "ODD, which"),
        ('{"a": {"url": "https://x", "api_key_env": 5}}', "api_key_env"),
        ('{"a": 5}', "a"),
    ],
)
def test_what_is_wrong_with_a_key_is_said_without_it(setting: str, given: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(None, {setting: given, "ODD": "two words"})
    assert said in str(refused.value) and "sk-0123456789" not in str(refused.value)


def test_a_named_key_is_read() -> None:
    given = '{"a": {"url": "https://x", "api_key_env": "KEY_A"}}'
    found = load(None, {"GATEWAY_MCP_SERVERS": given, "KEY_A": "key-a-0123456789"}).mcp_servers["a"]
    assert found.api_key is not None and found.api_key.get_secret_value() == "key-a-0123456789"
    assert "0123456789" not in repr(found)
