"""Signing in with a key, what the session may do, and signing out."""

import secrets
from collections.abc import Iterator

import httpx
import pytest

from gateway.edge.dashboard.sessions import COOKIE
from tests.support.gateway import ADMIN_KEY, GatewayProcess, running_gateway
from tests.support.redis import RedisServer

CHANGE = {"x-leuko-page": "1"}


@pytest.fixture(scope="module")
def gateway(shared_redis: RedisServer) -> Iterator[GatewayProcess]:
    env = {"GATEWAY_REDIS_URL": shared_redis.url, "GATEWAY_REDIS_PREFIX": f"page{secrets.token_hex(4)}:"}
    with running_gateway("--stub", env=env) as one:
        yield one


@pytest.fixture
def browser(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{gateway.url}/api/gateway", timeout=20) as client:
        yield client


def sign_in(browser: httpx.Client, key: str = ADMIN_KEY) -> httpx.Response:
    return browser.post("/session", headers={"x-admin-key": key})


def test_a_key_that_is_shown_once_gives_a_session(browser: httpx.Client) -> None:
    answer = sign_in(browser)
    assert answer.json()["role"] == "admin"
    cookie = answer.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/api/gateway", "Max-Age=3"))
    assert ADMIN_KEY not in cookie and "Secure" not in cookie
    assert browser.get("/stats").status_code == 200
    assert browser.get("/session").json()["key_id"] == "root"


def test_the_cookie_is_kept_from_plain_connections_where_the_browser_came_by_tls(browser: httpx.Client) -> None:
    answer = browser.post("/session", headers={"x-admin-key": ADMIN_KEY, "x-forwarded-proto": "https"})
    assert "; Secure" in answer.headers["set-cookie"]


def test_a_wrong_key_gives_none(browser: httpx.Client) -> None:
    assert sign_in(browser, "adm-of-somebody-else").status_code == 401
    assert browser.post("/session").status_code == 401
    assert browser.get("/stats").status_code == 401


def test_a_session_changes_something_only_with_the_header_of_the_page(browser: httpx.Client) -> None:
    sign_in(browser)
    change = {"mode": None, "reason": "back"}
    assert browser.put("/mode", json=change).status_code == 403
    assert browser.put("/mode", json=change, headers=CHANGE).status_code in (200, 202)


def test_a_session_has_the_role_that_its_key_has_now(gateway: GatewayProcess, browser: httpx.Client) -> None:
    made = gateway.ask("POST", "/admin-keys", json={"role": "viewer", "name": "on call"}).json()
    assert sign_in(browser, made["api_key"]).json()["role"] == "viewer"
    assert browser.get("/agents").status_code == 200
    assert browser.put("/mode", json={"mode": None, "reason": "x"}, headers=CHANGE).status_code == 403
    gateway.ask("DELETE", f"/admin-keys/{made['key_id']}")
    assert browser.get("/agents").status_code == 401


def test_a_key_that_is_shown_counts_and_not_the_session_beside_it(browser: httpx.Client) -> None:
    sign_in(browser)
    assert browser.get("/stats", headers={"x-admin-key": "adm-of-somebody-else"}).status_code == 401


def test_a_session_does_not_make_another_one(browser: httpx.Client) -> None:
    sign_in(browser)
    assert browser.post("/session", headers=CHANGE).status_code == 409


def test_who_signs_out_is_out(browser: httpx.Client) -> None:
    sign_in(browser)
    assert browser.delete("/session", headers=CHANGE).status_code == 204
    assert COOKIE not in browser.cookies
    assert browser.get("/stats").status_code == 401


def test_signing_in_is_on_the_record(gateway: GatewayProcess, browser: httpx.Client) -> None:
    sign_in(browser)
    items = gateway.admin("/audit?action=create:session").json()["items"]
    assert items and {one["source"] for one in items} >= {"admin:root"}


def test_the_page_answers_only_to_the_names_of_the_gateway(gateway: GatewayProcess) -> None:
    assert httpx.get(f"{gateway.url}/dashboard").status_code == 200
    assert httpx.get(f"{gateway.url}/dashboard", headers={"host": "evil.example"}).status_code == 421


def test_where_operators_have_a_port_of_their_own_the_page_is_there_alone(shared_redis: RedisServer) -> None:
    env = {
        "GATEWAY_REDIS_URL": shared_redis.url,
        "GATEWAY_REDIS_PREFIX": f"page{secrets.token_hex(4)}:",
        "GATEWAY_ADMIN_PORT": "0",
    }
    with running_gateway("--stub", env=env) as one:
        assert httpx.get(f"{one.url}/dashboard").status_code == 404
