"""`leuko baseline`."""

import httpx

from tests.commands.conftest import Leuko, read
from tests.support.gateway import GatewayProcess, eventually


def test_what_is_usual_is_shown_and_what_is_new_accepted(leuko: Leuko, gateway: GatewayProcess) -> None:
    agent = gateway.ask("POST", "/agents", json={"name": "usual"}).json()["agent_id"]
    key = gateway.ask("POST", f"/agents/{agent}/keys").json()["api_key"]
    ask = {"model": "stub-echo", "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"authorization": f"Bearer {key}"}
    assert httpx.post(f"{gateway.url}/v1/chat/completions", json=ask, headers=headers, timeout=20).is_success
    eventually(lambda: gateway.admin(f"/agents/{agent}/baseline").json()["calls"] == 1)
    shown = leuko("baseline", agent).stdout
    assert "warm" in shown and "METRIC" in shown and "stub-echo" in shown and "{" not in shown
    assert leuko("baseline", agent, "--accept").stdout == f"{agent}: accepted\n"
    assert read(leuko("baseline", agent, "-o", "json"))["calls"] == 0
    leuko("baseline", "agt_nobody", code=1)
