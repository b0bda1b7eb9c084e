"""The MCP inspector's command line before the gateway."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.conformance import node, program
from tests.support.gateway import GatewayProcess
from tests.support.mcp_server import RunningServer

ERAS = ("legacy", "modern")
TOOL_FAILED = 5


@pytest.fixture
def inspect(gateway: GatewayProcess, key: str, tmp_path: Path) -> Any:
    """Runs it: exit code and result."""
    if node() is None:
        pytest.skip("NOT TESTED: the MCP inspector is not installed; run `npm ci --prefix tests/clients/mcp`")

    def run(era: str, *arguments: str) -> tuple[int, Any]:
        command = [*program("inspector", "clients", "launcher", "build", "index.js"), "--cli", "--format", "json"]
        command += ["--server-url", f"{gateway.url}/mcp/files", "--transport", "http", "--protocol-era", era]
        command += ["--header", f"Authorization: Bearer {key}", *arguments]
        ran = subprocess.run(
            command, env={**os.environ, "HOME": str(tmp_path)}, capture_output=True, text=True, timeout=60
        )
        said = json.loads(ran.stdout or ran.stderr)
        return ran.returncode, said.get("result", said)

    return run


@pytest.mark.parametrize("era", ERAS)
def test_tools_are_listed_and_called(inspect: Any, era: str) -> None:
    code, found = inspect(era, "--method", "tools/list")
    assert code == 0 and {"add", "talk"} <= {tool["name"] for tool in found["tools"]}
    code, found = inspect(era, "--method", "tools/call", "--tool-name", "add", "--tool-args-json", '{"a": 1, "b": 2}')
    assert code == 0 and found["content"][0]["text"] == "3"


@pytest.mark.parametrize("era", ERAS)
def test_a_tool_that_is_denied_is_never_called(inspect: Any, server: RunningServer, era: str) -> None:
    code, found = inspect(era, "--method", "tools/call", "--tool-name", "delete_file", "--tool-arg", "path=/etc")
    assert code == TOOL_FAILED, found
    assert not [call for call in server.calls if call[0] == "delete_file"]
