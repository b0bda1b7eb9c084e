"""`/signing-keys/rotate`: the next key signs."""

import httpx

from tests.edge.admin.conftest import problem
from tests.support.gateway import GatewayProcess, eventually


def test_the_next_key_signs_and_the_record_says_who_wanted_that(gateway: GatewayProcess) -> None:
    def kids() -> list[str]:
        keys = httpx.get(f"{gateway.url}/.well-known/jwks.json", timeout=20).json()["keys"]
        return [key["kid"] for key in keys]

    current, following, *_ = kids()
    items = gateway.ask("POST", "/signing-keys/rotate").json()["items"]
    states = {item["kid"]: item["state"] for item in items}
    assert states[following] == "current" and states[current] == "retired" and kids()[0] == following
    assert {item["until"] is None for item in items if item["state"] != "retired"} == {True}
    assert all(item["until"].endswith("Z") for item in items if item["state"] == "retired")
    found = "/audit?action=rotate:signing_key&allowed=true"
    eventually(lambda: "admin:root" in {item["source"] for item in gateway.admin(found).json()["items"]})


def test_only_an_admin_rotates(gateway: GatewayProcess) -> None:
    operator = gateway.ask("POST", "/admin-keys", json={"role": "operator"}).json()["api_key"]
    problem(gateway.ask("POST", "/signing-keys/rotate", key=operator), 403)
