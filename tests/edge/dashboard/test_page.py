"""The files of the page as they are served."""

from typing import Any

import pytest

from gateway.edge.dashboard import page
from gateway.edge.dashboard.page import Page, is_page


async def asked(path: str, method: str = "GET", **headers: str) -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": named}
    await Page(page.files())(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


@pytest.mark.parametrize("path", ["/dashboard", "/dashboard/", "/dashboard/index.html"])
async def test_the_page_may_run_nothing_but_its_own_files_and_be_framed_by_nobody(path: str) -> None:
    status, headers, body = await asked(path)
    assert (status, headers[b"content-type"]) == (200, b"text/html; charset=utf-8")
    policy = headers[b"content-security-policy"].decode()
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';")
    assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert headers[b"x-frame-options"] == b"DENY"
    assert b"style=" not in body and b"onclick" not in body


@pytest.mark.parametrize(
    "path", ["/dashboard/../sessions.py", "/dashboard/sessions.py", "/dashboard/%2Fapp.js", "/dashboard/static/app.js"]
)
async def test_there_is_nothing_else_to_be_had(path: str) -> None:
    status, headers, _ = await asked(path)
    assert status == 404
    assert b"content-security-policy" in headers


async def test_a_file_that_the_browser_has_is_not_sent_again() -> None:
    _, headers, _ = await asked("/dashboard/app.js")
    tag = headers[b"etag"].decode()
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        status, headers, body = await asked("/dashboard/app.js", if_none_match=known)
        assert (status, body) == (304, b"") and headers[b"etag"].decode() == tag
    assert (await asked("/dashboard/app.js", if_none_match='"other"'))[0] == 200


async def test_nothing_is_changed_here() -> None:
    status, headers, _ = await asked("/dashboard", "POST")
    assert (status, headers[b"allow"]) == (405, b"GET, HEAD")


@pytest.mark.parametrize("path", ["/dashboard", "/dashboard/app.js", "/dashboard/none.js"])
async def test_who_asks_for_the_head_gets_what_there_is_without_the_bytes(path: str) -> None:
    status, headers, body = await asked(path)
    assert len(body) == int(headers[b"content-length"]) > 0
    assert await asked(path, "HEAD") == (status, headers, b"")


@pytest.mark.parametrize("path", ["", *(f"/{name}" for name in page.files()), "/none.js"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_every_answer_says_what_browsers_may_do_with_it(path: str, method: str) -> None:
    status, headers, body = await asked(f"/dashboard{path}", method)
    assert len(body) < 100_000
    assert headers[b"x-content-type-options"] == b"nosniff" and headers[b"referrer-policy"] == b"no-referrer"
    assert headers[b"cross-origin-opener-policy"] == headers[b"cross-origin-resource-policy"] == b"same-origin"
    assert headers[b"cache-control"] == b"no-cache"
    policy = headers[b"content-security-policy"].decode()
    assert "require-trusted-types-for 'script'; trusted-types 'none'" in policy
    if status != 405:
        assert b"; charset=utf-8" in headers[b"content-type"] or path == "/icon.svg"


def test_no_script_makes_elements_of_text_or_asks_anybody_else() -> None:
    ways = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "setHTML", "://")
    for name, content in page.files().items():
        text = content.decode().replace('"http://www.w3.org/2000/svg"', "")
        assert [way for way in ways if way in text] == [], name


def test_which_paths_are_the_pages() -> None:
    assert is_page("/dashboard") and is_page("/dashboard/x.js")
    assert not is_page("/dashboards") and not is_page("/v1/dashboard")
