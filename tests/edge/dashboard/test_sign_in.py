"""Signing in with a key, what the session may do, and signing out."""

import secrets
from collections.abc import Iterator
from itertools import count

import httpx
import pytest

from gateway.edge.dashboard.sessions import COOKIE
from tests.support.gateway import ADMIN_KEY, GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer

TOKEN = "x-leuko-page"
BACK = {"mode": None, "reason": "back"}


@pytest.fixture(scope="module")
def gateway(shared_redis: RedisServer) -> Iterator[GatewayProcess]:
    env = {"GATEWAY_REDIS_URL": shared_redis.url, "GATEWAY_REDIS_PREFIX": f"page{secrets.token_hex(4)}:"}
    with running_gateway("--stub", env=env) as one:
        yield one


@pytest.fixture
def own(shared_redis: RedisServer) -> Iterator[GatewayProcess]:
    env = {"GATEWAY_REDIS_URL": shared_redis.url, "GATEWAY_REDIS_PREFIX": f"page{secrets.token_hex(4)}:"}
    with running_gateway("--stub", env=env) as one:
        yield one


@pytest.fixture
def browser(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{gateway.url}/api/gateway", timeout=20) as client:
        yield client


def sign_in(browser: httpx.Client, key: str = ADMIN_KEY) -> httpx.Response:
    """What the page does: its token goes with everything from then on."""
    answer = browser.post("/session", headers={"x-admin-key": key})
    if answer.status_code == 200:
        browser.headers[TOKEN] = answer.json()["page"]
    return answer


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


def test_the_cookie_is_worth_nothing_without_what_the_page_keeps(browser: httpx.Client) -> None:
    """A server on another port of the host is sent the cookie as well (RFC 6265 section 8.5)."""
    token = sign_in(browser).json()["page"]
    for shown in ({}, {TOKEN: "1"}, {TOKEN: token[:-1]}):
        browser.headers.pop(TOKEN, None)
        browser.headers.update(shown)
        assert browser.put("/mode", json=BACK).status_code == 401
        assert [browser.get(path).status_code for path in ("/stats", "/session", "/audit/export", "/events")] == [
            401
        ] * 4
    assert browser.get("/docs").status_code == 200
    browser.headers[TOKEN] = token
    assert browser.put("/mode", json=BACK).status_code in (200, 202)


def test_what_the_page_keeps_may_stand_in_the_query_of_what_only_reads(browser: httpx.Client) -> None:
    token = sign_in(browser).json()["page"]
    del browser.headers[TOKEN]
    assert browser.get("/audit/export", params={"page": token}).status_code == 200
    assert browser.put("/mode", params={"page": token}, json=BACK).status_code == 401


def test_nobody_can_slip_a_session_of_his_own_to_a_page(browser: httpx.Client) -> None:
    token = sign_in(browser).json()["page"]
    sign_in(browser)  # somebody else's cookie is there now
    browser.headers[TOKEN] = token
    assert browser.get("/stats").status_code == 401


def test_a_session_has_the_role_that_its_key_has_now(gateway: GatewayProcess, browser: httpx.Client) -> None:
    made = gateway.ask("POST", "/admin-keys", json={"role": "viewer", "name": "on call"}).json()
    assert sign_in(browser, made["api_key"]).json()["role"] == "viewer"
    assert browser.get("/agents").status_code == 200
    assert browser.put("/mode", json=BACK).status_code == 403
    gateway.ask("DELETE", f"/admin-keys/{made['key_id']}")
    assert browser.get("/agents").status_code == 401


def test_a_key_that_is_shown_counts_and_not_the_session_beside_it(browser: httpx.Client) -> None:
    sign_in(browser)
    assert browser.get("/stats", headers={"x-admin-key": "adm-of-somebody-else"}).status_code == 401


def test_a_session_does_not_make_another_one(browser: httpx.Client) -> None:
    sign_in(browser)
    assert browser.post("/session").status_code == 409


def test_who_signs_out_is_out_even_with_a_copy_of_everything(browser: httpx.Client) -> None:
    sign_in(browser)
    copy = dict(browser.cookies)
    assert browser.delete("/session").status_code == 204
    assert COOKIE not in browser.cookies
    assert browser.get("/stats").status_code == 401
    browser.cookies.update(copy)
    assert browser.get("/stats").status_code == browser.get("/session").status_code == 401


def test_what_is_pressed_is_on_the_record_with_the_key_of_who_pressed(
    gateway: GatewayProcess, browser: httpx.Client
) -> None:
    made = gateway.ask("POST", "/admin-keys", json={"role": "operator"}).json()
    sign_in(browser, made["api_key"])
    assert browser.put("/mode", json=BACK).status_code in (200, 202)
    browser.delete("/session")
    eventually(lambda: {"create:session", "replace:mode", "delete:session"} <= actions_of(gateway, made["key_id"]))


def actions_of(gateway: GatewayProcess, key_id: str) -> set[str]:
    return {one["action"] for one in gateway.admin(f"/audit?source=admin:{key_id}").json()["items"]}


def test_wrong_keys_at_the_sign_in_wait_like_those_anywhere_else(own: GatewayProcess) -> None:
    """Whatever a header says of where they come from."""
    numbers = count()

    def tried() -> httpx.Response:
        number = next(numbers)
        headers = {"x-admin-key": f"adm-wrong-{number}", "x-forwarded-for": f"203.0.113.{number % 250}"}
        return httpx.post(f"{own.url}/api/gateway/session", headers=headers, timeout=20)

    assert [tried().status_code for _ in range(10)] == [401] * 10
    eventually(lambda: "retry-after" in (answer := tried()).headers and answer.status_code == 429)
    assert own.ask("POST", "/session").status_code == 200


def test_every_answer_is_kept_by_nobody_and_is_no_page(gateway: GatewayProcess, browser: httpx.Client) -> None:
    answers = [sign_in(browser), browser.get("/session"), browser.get("/stats"), browser.get("/audit/export")]
    answers += [browser.get("/nothing"), browser.get("/docs"), httpx.get(f"{gateway.url}/api/gateway/stats")]
    assert [one.status_code for one in answers] == [200, 200, 200, 200, 404, 200, 401]
    for one in answers:
        assert (one.headers["cache-control"], one.headers["x-content-type-options"]) == ("no-store", "nosniff")
        assert one.headers["content-security-policy"].startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in one.headers["content-security-policy"]
        assert one.headers["cross-origin-resource-policy"] == "same-origin"


def test_no_page_of_another_origin_may_even_ask(gateway: GatewayProcess, browser: httpx.Client) -> None:
    sign_in(browser)
    question = {"origin": "http://127.0.0.1:3000", "access-control-request-method": "PUT"}
    answer = httpx.options(
        f"{gateway.url}/api/gateway/mode", headers=question | {"access-control-request-headers": TOKEN}
    )
    assert answer.status_code == 401 and "access-control-allow-origin" not in answer.headers


def test_the_page_answers_only_to_the_names_of_the_gateway(gateway: GatewayProcess) -> None:
    assert httpx.get(f"{gateway.url}/dashboard").status_code == 200
    for path in ("/dashboard", "/api/gateway/stats", "/metrics"):
        answer = httpx.get(gateway.url + path, headers={"host": "evil.example"})
        assert answer.status_code == 421 and "json" in answer.headers["content-type"]  # browsers make no page of it
