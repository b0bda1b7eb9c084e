"""Servers that would like to use the session of an operator whose browser they meet."""

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from gateway.edge.dashboard.sessions import COOKIE
from tests.support.browser import Chromium, Page
from tests.support.gateway import ADMIN_KEY, GatewayProcess, running_gateway
from tests.support.redis import RedisServer

SCRIPT = b"<!doctype html><title>fine</title><script>document.title = 'ran as ' + self.origin</script>"


class Hostile:
    """Answers everything with a page whose script runs, and keeps the cookies that it is sent."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.cookies: list[str] = []


@pytest.fixture(scope="module")
def hostile() -> Iterator[Hostile]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            one.cookies.append(self.headers.get("cookie", ""))
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", str(len(SCRIPT)))
            self.end_headers()
            self.wfile.write(SCRIPT)

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    one = Hostile(server.server_address[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield one
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def gateway(shared_redis: RedisServer, hostile: Hostile) -> Iterator[GatewayProcess]:
    env = {
        "GATEWAY_REDIS_URL": shared_redis.url,
        "GATEWAY_REDIS_PREFIX": f"evil{secrets.token_hex(4)}:",
        "LLM_UPSTREAM_URL": hostile.url,
    }
    with running_gateway(env=env) as one:
        yield one


@contextmanager
def signed_in(chromium: Chromium, gateway: GatewayProcess) -> Iterator[Page]:
    page = chromium.page()
    page.open(f"{gateway.url}/dashboard")
    page.fill("input[type=password]", ADMIN_KEY)
    page.click("Sign in")
    page.reads("Totals")
    yield page
    page.close()


def test_a_server_on_another_port_is_sent_the_cookie_and_can_do_nothing_with_it(
    gateway: GatewayProcess, hostile: Hostile, chromium: Chromium
) -> None:
    with signed_in(chromium, gateway) as page:
        page.open(f"{hostile.url}/api/gateway/anything")
        page.until("document.title.startsWith('ran as')")
        (stolen,) = {one for one in hostile.cookies if COOKIE in one}
        for word in ({}, {"x-leuko-page": "1"}):
            headers = {"cookie": stolen, **word}
            assert httpx.get(f"{gateway.url}/api/gateway/audit", headers=headers).status_code == 401
            assert httpx.post(f"{gateway.url}/api/gateway/heal-all", headers=headers).status_code == 401
        assert page.run("localStorage.length") == 0
        change = f"fetch('{gateway.url}/api/gateway/heal-all', {{method: 'POST', credentials: 'include', "
        for more in ("mode: 'no-cors'", "headers: {'x-leuko-page': '1'}"):
            assert page.run(f"{change}{more}}}).then(() => 'read', () => 'refused')") == "refused"
        assert page.run(FRAMED.replace("URL", f"{gateway.url}/dashboard")) == "refused"
    assert "create:session" in str(gateway.admin("/audit?source=admin:root").json())
    assert "heal_all:agent" not in str(gateway.admin("/audit").json())


FRAMED = """
new Promise(resolve => {
    const frame = document.createElement('iframe');
    frame.src = 'URL';
    frame.onload = () => {
        try { resolve(frame.contentDocument ? 'read' : 'refused'); } catch { resolve('refused'); }
    };
    document.body.append(frame);
})
"""


def test_a_page_that_a_provider_answers_with_is_of_no_origin_and_runs_nothing(
    gateway: GatewayProcess, chromium: Chromium
) -> None:
    with signed_in(chromium, gateway) as page:
        page.open(f"{gateway.url}/v1/files/file-1/content")
        page.until("document.title === 'fine'")
        assert page.run("self.origin") == "null"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("restart\u200b", "restart\\u{200b}"),
        ("\u202eetad", "\\u{202e}etad"),
        ("a\u200db\ufe0f", "a\\u{200d}b\\u{fe0f}"),
        ("\u3164 \U000e0041", "\\u{3164} \\u{e0041}"),
        ("\x1b[2J\r\x00", "\\u{1b}[2J\\u{d}\\u{0}"),
        ("tab\there\nGröße 漢字 עברית ❤️ 👨‍👩‍👧", "tab\there\nGröße 漢字 עברית ❤️ 👨‍👩‍👧"),
    ],
)
def test_nothing_in_a_name_is_unseen(gateway: GatewayProcess, chromium: Chromium, text: str, shown: str) -> None:
    page = chromium.page()
    page.open(f"{gateway.url}/dashboard")
    page.reads("Sign in to see")
    script = "import('/dashboard/dom.js').then(m => [m.plain(TEXT), m.h('i', {title: TEXT, 'aria-label': TEXT}).title])"
    assert page.run(script.replace("TEXT", json.dumps(text))) == [shown, shown]
    page.close()


def test_who_signs_out_everywhere_is_out_in_other_browsers_too(gateway: GatewayProcess, chromium: Chromium) -> None:
    with signed_in(chromium, gateway) as here, signed_in(chromium, gateway) as there:
        here.click("Sign out everywhere")
        here.reads("You are signed out everywhere.")
        there.reads("Your session is over.")
        assert here.run("localStorage.getItem('leuko-page')") == ""


def test_a_tab_that_is_loaded_again_stays_signed_in(gateway: GatewayProcess, chromium: Chromium) -> None:
    with signed_in(chromium, gateway) as page:
        page.open(f"{gateway.url}/dashboard?again#/constructor")
        page.reads("Totals")
        assert page.problems == []
