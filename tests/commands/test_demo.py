"""`leuko demo cloud`, as a person starts it."""

import re
import signal
import socket

import httpx

from tests.commands.conftest import demo


def test_the_cloud_serves_until_it_is_told_to_stop() -> None:
    with demo("cloud", "--port", "0") as process:
        try:
            assert process.stdout is not None
            found = re.search(r"listens on (http://127\.0\.0\.1:\d+/mcp)", process.stdout.readline())
            assert found is not None
            call = {"name": "get_fleet", "arguments": {}}
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
            answer = httpx.post(found[1], json=body, timeout=20, trust_env=False).json()
            assert answer["result"]["content"] == [{"type": "text", "text": '{"instances": 3}'}]
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()


def test_a_port_in_use_is_said_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with demo("cloud", "--port", str(taken.getsockname()[1])) as process:
            output, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert output.startswith("leuko: ") and "in use" in output and output.count("\n") == 1
