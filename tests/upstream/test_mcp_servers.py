"""What an MCP server may be configured to be."""

import pytest

from gateway.upstream.mcp_servers import MCPServer, MCPServers


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://mcp.example.com/mcp", "/mcp"),
        ("https://mcp.example.com/mcp/", "/mcp/"),
        ("http://10.0.0.7:8000", "/"),
        ("http://[::1]:9/a/b", "/a/b"),
    ],
)
def test_the_path_is_complete_as_given(url: str, path: str) -> None:
    assert MCPServer("files", url).path == path


def test_private_addresses_are_the_operators_choice() -> None:
    assert MCPServer("files", "http://127.0.0.1:1/mcp").provider.endpoint.private_ok


def test_the_key_is_a_bearer_token_and_shows_nowhere() -> None:
    server = MCPServer("files", "https://x/mcp", "very-secret-key-01")
    assert server.credential == [(b"authorization", b"Bearer very-secret-key-01")]
    assert "very-secret" not in repr(server)
    assert MCPServer("files", "https://x/mcp").credential == []


@pytest.mark.parametrize(
    ("name", "url", "key"),
    [("a b", "https://x", None), ("a", "ftp://x", None), ("a", "https://x?y", None), ("a", "https://x", "a b")],
)
def test_a_server_that_cannot_work_is_refused(name: str, url: str, key: str | None) -> None:
    with pytest.raises(ValueError, match="^MCP server"):
        MCPServer(name, url, key)


def test_servers_are_known_by_name() -> None:
    servers = MCPServers([MCPServer("a", "https://x"), MCPServer("b", "https://y")])
    assert servers.names == ("a", "b") and servers.by_name["b"].url == "https://y"
    assert MCPServers().names == ()


@pytest.mark.parametrize("other", ["my_files", "my.files", "My-Files", "my_files__old", "my-files--b", "my"])
def test_names_that_clients_spell_alike_are_refused(other: str) -> None:
    names = ("my-files", other) if other != "my" else ("my--files", other)
    for one, two in (names, names[::-1]):
        with pytest.raises(ValueError, match=f"{one} and {two}"):
            MCPServers([MCPServer(one, "https://x"), MCPServer(two, "https://y")])
    assert MCPServers([MCPServer("my-files", "https://x"), MCPServer("my-files-b", "https://y")]).names
