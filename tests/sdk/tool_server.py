"""A gateway's key, tokens of it, and a real MCP server with one tool, over HTTP or not."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from mcp.server.mcpserver import MCPServer

from gateway.intents.canonical import args_hash
from gateway.intents.claims import CallClaims
from gateway.intents.keyring import KeyRing, key_of
from gateway.intents.tokens import mint_call
from gateway.sdk.verifier import CallVerifier

ISSUER, NOW = "https://gateway.test", 1_800_000_000.0
KEY, NEXT = (key_of(Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)) for n in (1, 2))
JWKS = KeyRing([KEY]).jwks()
ARGUMENTS = {"to": "ada", "amount": 5}


def claims(tool: str = "send_money", arguments: Any = ARGUMENTS, **changes: Any) -> CallClaims:
    made = CallClaims(
        "cal_1", "agt_1", "bank", tool, "call_1", args_hash(arguments), "int_1", "d" * 43, "dec_1", NOW, NOW + 60
    )
    return replace(made, **changes)


def token(tool: str = "send_money", arguments: Any = ARGUMENTS, **changes: Any) -> str:
    return mint_call(claims(tool, arguments, **changes), KEY, ISSUER)


def verifier(jwks: Any = JWKS, **members: Any) -> CallVerifier:
    return CallVerifier(jwks, **{"issuer": ISSUER, "audience": "bank", "clock": lambda: NOW + 1} | members)


def bank(sent: list[tuple[str, int]]) -> MCPServer:
    """Notes in `sent` what its tool did."""
    server = MCPServer("bank")

    @server.tool()
    def send_money(to: str, amount: int) -> str:
        sent.append((to, amount))
        return f"sent {amount} to {to}"

    @server.tool()
    def balance() -> str:
        return "100"

    return server


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The address under which an ASGI application is served meanwhile."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on", timeout_graceful_shutdown=0))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            thread.join(10)
