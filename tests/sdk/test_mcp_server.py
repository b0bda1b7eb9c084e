"""A real MCP server, in both eras of the protocol: no token, no call."""

from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from gateway.sdk.jws import InvalidCall
from gateway.sdk.mcp_server import META, call_of
from tests.sdk.tool_server import ARGUMENTS, bank, serving, token, verifier

eras = pytest.mark.parametrize("mode", ["auto", "legacy"])


@eras
@pytest.mark.parametrize("over", ["memory", "http"])
async def test_a_server_executes_what_comes_with_a_token_once(mode: Any, over: str) -> None:
    sent: list[tuple[str, int]] = []
    server = bank(sent)
    server.middleware.append(verifier().mcp_middleware(["send_money"]))
    if over == "memory":
        await _use(Client(server, mode=mode), sent)
    else:
        with serving(server.streamable_http_app()) as url:
            await _use(Client(f"{url}/mcp", mode=mode), sent)


@eras
async def test_an_asgi_application_is_guarded_whatever_it_is(mode: Any) -> None:
    sent: list[tuple[str, int]] = []
    with serving(verifier().asgi(bank(sent).streamable_http_app(), ["send_money"])) as url:
        await _use(Client(f"{url}/mcp", mode=mode), sent)


async def _use(client: Client, sent: list[tuple[str, int]]) -> None:
    async with client:
        assert {tool.name for tool in (await client.list_tools()).tools} == {"send_money", "balance"}
        assert not (await client.call_tool("balance", {})).is_error
        metas: list[tuple[Any, str]] = [
            (None, "intent_required"),
            ({META: token()[:-2]}, "bad_signature"),
            ({META: 5}, "malformed"),
            ({META: token(arguments={"to": "eve", "amount": 5})}, "arguments_mismatch"),
        ]
        for meta, reason in metas:
            with pytest.raises(MCPError) as caught:
                await client.call_tool("send_money", ARGUMENTS, meta=meta)
            assert caught.value.data == {"reason": reason}
        assert sent == []
        result = await client.call_tool("send_money", ARGUMENTS, meta={META: token()})
        assert result.content[0].text == "sent 5 to ada"  # type: ignore[union-attr]
        with pytest.raises(MCPError, match="uses_exhausted"):
            await client.call_tool("send_money", ARGUMENTS, meta={META: token()})
        assert sent == [("ada", 5)]


async def test_every_tool_needs_a_token_where_none_is_named() -> None:
    server = bank([])
    server.middleware.append(verifier().mcp_middleware())
    async with Client(server) as client:
        with pytest.raises(MCPError, match="balance is executed only with a call token"):
            await client.call_tool("balance", {})
        assert not (await client.call_tool("balance", {}, meta={META: token("balance", {})})).is_error


@pytest.mark.parametrize("params", [None, [], {}, {"name": 1}, {"name": "a", "arguments": []}])
def test_a_call_says_its_tool_and_arguments(params: object) -> None:
    with pytest.raises(InvalidCall, match="malformed"):
        call_of(params)


def test_a_call_without_arguments_has_none() -> None:
    assert call_of({"name": "a", "_meta": []}) == (None, "a", {})
