"""Sessions of the operators' page, over two replicas of two workers, and on a port of their own."""

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from gateway.edge.dashboard.sessions import COOKIE
from tests.support.certificates import CertificateFiles
from tests.support.gateway import ADMIN_KEY, SECRET, GatewayProcess, eventually, running_gateway, spawn_gateway
from tests.support.redis import RedisServer

WORD = "x-leuko-page"
BACK = {"mode": None, "reason": "back"}
TRIES = 8  # connections: enough that both workers of a replica answer some


class Browser:
    """A session of a key. Each request is a connection of its own, so that any worker may answer it."""

    def __init__(self, url: str, key: str = ADMIN_KEY) -> None:
        answer = httpx.post(f"{url}/api/gateway/session", headers={"x-admin-key": key}, timeout=20)
        assert answer.status_code == 200, answer.text
        self.headers = {"cookie": f"{COOKIE}={answer.cookies[COOKIE]}", WORD: answer.json()["page"]}

    def ask(self, url: str, method: str, path: str, json: object = None) -> int:
        whole = f"{url}/api/gateway{path}"
        return httpx.request(method, whole, headers=self.headers, json=json, timeout=20).status_code

    def everywhere(self, replicas: list[GatewayProcess]) -> set[int]:
        """What it gets, whoever answers."""
        return {self.ask(one.url, "GET", "/mode") for one in replicas for _ in range(TRIES)}


@pytest.fixture(scope="module")
def replicas(shared_redis: RedisServer) -> Iterator[list[GatewayProcess]]:
    env = {"GATEWAY_REDIS_URL": shared_redis.url, "GATEWAY_REDIS_PREFIX": f"two{secrets.token_hex(4)}:"}
    with ExitStack() as stack:
        found = [stack.enter_context(running_gateway("--stub", "--workers", "2", env=env)) for _ in range(2)]
        for one in found:
            eventually(lambda one=one: httpx.get(f"{one.url}/readyz", timeout=20).status_code == 200)
        yield found


def test_who_signs_out_is_out_on_every_worker_of_every_replica_and_streams_end(replicas: list[GatewayProcess]) -> None:
    here, there = replicas
    browser, other = Browser(here.url), Browser(here.url)
    assert browser.everywhere(replicas) == {200}
    with httpx.stream("GET", f"{there.url}/api/gateway/events", headers=browser.headers, timeout=20) as answer:
        lines = answer.iter_lines()
        assert next(lines) == ": events follow"
        assert browser.ask(here.url, "DELETE", "/session") == 204
        assert sum(1 for _ in lines) < 100
    assert browser.everywhere(replicas) == {401}
    assert browser.ask(there.url, "PUT", "/mode", BACK) == 401
    assert other.everywhere(replicas) == {200}


def test_who_signs_out_everywhere_ends_all_sessions_of_that_key_alone(replicas: list[GatewayProcess]) -> None:
    here, there = replicas
    made = here.ask("POST", "/admin-keys", json={"role": "viewer"}).json()["api_key"]
    one, other, root = Browser(here.url, made), Browser(there.url, made), Browser(there.url)
    assert one.ask(here.url, "DELETE", "/sessions") == 204
    assert one.everywhere(replicas) == other.everywhere(replicas) == {401}
    assert root.everywhere(replicas) == Browser(there.url, made).everywhere(replicas) == {200}


def test_a_revoked_key_takes_its_sessions_and_their_streams_with_it(replicas: list[GatewayProcess]) -> None:
    here, there = replicas
    made = here.ask("POST", "/admin-keys", json={"role": "operator"}).json()
    browser = Browser(here.url, made["api_key"])
    with httpx.stream("GET", f"{there.url}/api/gateway/events", headers=browser.headers, timeout=20) as answer:
        lines = answer.iter_lines()
        assert next(lines) == ": events follow"
        here.ask("DELETE", f"/admin-keys/{made['key_id']}")
        assert sum(1 for _ in lines) < 100
    assert browser.everywhere(replicas) == {401}


def test_without_redis_a_session_may_look_and_change_nothing(own_redis: RedisServer) -> None:
    with running_gateway("--stub", env={"GATEWAY_REDIS_URL": own_redis.url}) as one:
        made = one.ask("POST", "/admin-keys", json={"role": "admin"}).json()["api_key"]
        root, admin = Browser(one.url), Browser(one.url, made)
        own_redis.freeze()
        eventually(lambda: root.ask(one.url, "GET", "/stats") == 503)
        assert root.ask(one.url, "GET", "/mode") == 200
        assert admin.ask(one.url, "GET", "/mode") == 503
        changes = [("PUT", "/mode", BACK), ("DELETE", "/session", None), ("DELETE", "/sessions", None)]
        assert {each.ask(one.url, *change) for each in (root, admin) for change in changes} == {503}
        own_redis.thaw()
        eventually(lambda: admin.ask(one.url, "GET", "/mode") == 200)


def test_a_new_key_of_the_settings_ends_what_the_old_one_opened(shared_redis: RedisServer, tmp_path: Path) -> None:
    kept = tmp_path / "key"
    kept.write_text(ADMIN_KEY)
    env = {
        "GATEWAY_REDIS_URL": shared_redis.url,
        "GATEWAY_REDIS_PREFIX": f"hup{secrets.token_hex(4)}:",
        "GATEWAY_DATA_DIR": str(tmp_path / "data"),
        "GATEWAY_SECRET": SECRET,
        "GATEWAY_ADMIN_KEY_FILE": str(kept),
    }
    one = spawn_gateway("--stub", env=env, secrets=False)
    try:
        one.wait_until_listening()
        browser = Browser(one.url)
        events = f"{one.url}/api/gateway/events"
        with (
            httpx.stream("GET", events, headers={"x-admin-key": ADMIN_KEY}, timeout=20) as by_key,
            httpx.stream("GET", events, headers=browser.headers, timeout=20) as by_session,
        ):
            streams = [by_key.iter_lines(), by_session.iter_lines()]
            assert [next(lines) for lines in streams] == [": events follow"] * 2
            kept.write_text("adm-another-Vq3zL8wKx0Jr")
            os.kill(one.pid, signal.SIGHUP)
            assert all(sum(1 for _ in lines) < 100 for lines in streams)
        assert browser.ask(one.url, "GET", "/mode") == 401
    finally:
        one.stop()


def test_where_operators_have_a_port_of_their_own_the_whole_page_is_there_and_nowhere_else(
    shared_redis: RedisServer,
) -> None:
    env = {
        "GATEWAY_REDIS_URL": shared_redis.url,
        "GATEWAY_REDIS_PREFIX": f"own{secrets.token_hex(4)}:",
        "GATEWAY_ADMIN_PORT": "0",
    }
    with running_gateway("--stub", env=env) as one:
        eventually(lambda: "admin API" in one.output)
        url = next(line.split()[-1] for line in one.output.splitlines() if "admin API" in line)
        url = url.removesuffix("/api/gateway")
        assert '<script type="module" src="/dashboard/app.js">' in httpx.get(f"{url}/dashboard").text
        assert httpx.get(f"{url}/dashboard/app.js").status_code == 200
        browser = Browser(url)
        with httpx.stream("GET", f"{url}/api/gateway/events", headers=browser.headers, timeout=20) as answer:
            lines = answer.iter_lines()
            assert next(lines) == ": events follow"
            assert browser.ask(url, "PUT", "/mode", BACK) in (200, 202)
            assert any(line == "event: mode" for line in lines)
        paths = ("/dashboard", "/dashboard/app.js", "/api/gateway/session", "/api/gateway/events", "/api/gateway/mode")
        assert {httpx.get(one.url + path, headers=browser.headers).status_code for path in paths} == {404}
        shown = {"x-admin-key": ADMIN_KEY}
        assert httpx.post(f"{one.url}/api/gateway/session", headers=shown).status_code == 404
        assert httpx.get(f"{url}/dashboard", headers={"host": "evil.example"}).status_code == 421


def test_over_tls_browsers_keep_the_cookie_from_plain_connections(shared_redis: RedisServer, tmp_path: Path) -> None:
    files = CertificateFiles(tmp_path)
    env = {
        "GATEWAY_REDIS_URL": shared_redis.url,
        "GATEWAY_REDIS_PREFIX": f"tls{secrets.token_hex(4)}:",
        "GATEWAY_TLS_CERT_FILE": str(files.cert),
        "GATEWAY_TLS_KEY_FILE": str(files.key),
    }
    with running_gateway("--stub", env=env) as one, httpx.Client(verify=files.trust(), timeout=20) as client:
        shown = {"x-admin-key": ADMIN_KEY, "x-forwarded-proto": "http"}
        answer = client.post(f"{one.url}/api/gateway/session", headers=shown)
        assert "; Secure" in answer.headers["set-cookie"]
