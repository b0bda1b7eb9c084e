"""OpenAI's and Anthropic's SDKs for JavaScript, in a Node process of their own.

`npm ci --prefix tests/clients/node` installs them.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients import QUESTION
from tests.support.expectations import STUBS
from tests.support.gateway import GatewayProcess

DIRECTORY = Path(__file__).parent / "node"
ARGUMENTS = {"city": "Bern", "days": 2}
WITHIN = 30


@pytest.fixture(scope="module")
def seen(gateway: GatewayProcess) -> Any:
    """What the script printed."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("NOT TESTED: there is no `node` here, so Node's SDKs were not tried")
    if not (DIRECTORY / "node_modules" / "openai").is_dir():
        pytest.skip("NOT TESTED: Node's SDKs are not installed; run `npm ci --prefix tests/clients/node`")
    ran = subprocess.run(
        [node, str(DIRECTORY / "sdks.mjs"), gateway.url, "sk-node", QUESTION],
        capture_output=True,
        text=True,
        timeout=WITHIN,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_a_chat_streams(seen: Any) -> None:
    assert seen["chatStream"] == {"text": QUESTION, "usage": True}


def test_run_tools_goes_through_the_tool(seen: Any) -> None:
    looped = {"ran": [ARGUMENTS], "text": "The tool answered: sunny, 21 degrees"}
    assert seen["runTools"] == [looped, looped], "whole, then streamed"


def test_responses_stream_a_tool_call(seen: Any) -> None:
    streamed = seen["responsesStream"]
    assert json.loads(streamed["pieces"]) == ARGUMENTS
    assert streamed["calls"] == [["function_call", "get_weather", streamed["pieces"]]]
    assert streamed["status"] == "completed"


def test_messages_stream_a_tool_call(seen: Any) -> None:
    assert seen["messagesStream"] == {"calls": [["tool_use", "get_weather", ARGUMENTS]], "stop": "tool_use"}


def test_models_are_listed(seen: Any) -> None:
    assert seen["models"] == STUBS


def test_a_refusal_is_the_sdk_s_own_error(seen: Any) -> None:
    assert seen["refused"] == {"class": "BadRequestError", "status": 400, "code": "invalid_request"}
