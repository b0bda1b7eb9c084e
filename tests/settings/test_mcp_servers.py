"""MCP servers as operators write them down."""

import pytest

from gateway.settings import Settings, SettingsError, load
from gateway.settings.mcp_servers import load_mcp_servers


def settings(**env: str) -> Settings:
    return load(None, env)


def test_a_server_is_a_url_or_an_object() -> None:
    given = '{"files": "https://files.example/mcp/", "mail": {"url": "http://10.0.0.1/mcp", "api_key_env": "MAIL_KEY"}}'
    servers = load_mcp_servers(settings(GATEWAY_MCP_SERVERS=given, MAIL_KEY="mail-key-0123456789"))
    assert servers.names == ("files", "mail")
    assert (servers.by_name["files"].path, servers.by_name["files"].api_key) == ("/mcp/", None)
    assert servers.by_name["mail"].api_key == "mail-key-0123456789"


def test_one_server_alone_is_the_default() -> None:
    assert load_mcp_servers(settings(MCP_UPSTREAM_URL="http://127.0.0.1:1/mcp")).names == ("default",)


def test_servers_trust_the_authorities_of_the_settings(tmp_path: object) -> None:
    ca_file = f"{tmp_path}/ca.pem"
    with open(ca_file, "w", encoding="ascii"):
        pass
    found = load_mcp_servers(settings(MCP_UPSTREAM_URL="https://x/mcp", GATEWAY_UPSTREAM_CA_FILE=ca_file))
    assert found.by_name["default"].ca_file == ca_file


def test_without_any_there_is_none() -> None:
    assert load_mcp_servers(settings()).names == ()


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"GATEWAY_MCP_SERVERS": '{"a": "ftp://x"}'}, "GATEWAY_MCP_SERVERS.a"),
        ({"GATEWAY_MCP_SERVERS": '{"A b": "https://x"}'}, "is not a name"),
        ({"GATEWAY_MCP_SERVERS": '{"a": {"url": "https://x", "api_key": "k"}}'}, "holds an API key"),
        ({"GATEWAY_MCP_SERVERS": '{"a": {"url": "https://x", "api_key_env": "GONE"}}'}, "GONE, which is not set"),
        ({"GATEWAY_MCP_SERVERS": '{"a": {"url": "https://x", "key": "k"}}'}, "no such name"),
        ({"GATEWAY_MCP_SERVERS": '{"default": "https://x"}', "MCP_UPSTREAM_URL": "https://y"}, "the same server twice"),
        ({"MCP_UPSTREAM_URL": "https://x/mcp?key=1"}, "MCP_UPSTREAM_URL"),
        ({"GATEWAY_MCP_ALLOW_UNVERIFIED": "true", "GATEWAY_HOST": "0.0.0.0"}, "GATEWAY_MCP_ALLOW_UNVERIFIED"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_start(env: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings(**env)
    assert said in str(refused.value)


def test_callers_without_a_proof_may_be_let_in_on_loopback() -> None:
    assert settings(GATEWAY_MCP_ALLOW_UNVERIFIED="true").mcp_allow_unverified is True


def test_a_url_that_no_request_could_go_to_is_refused_when_servers_are_made() -> None:
    with pytest.raises(SettingsError, match="dot segment"):
        load_mcp_servers(settings(MCP_UPSTREAM_URL="https://x/../mcp"))
