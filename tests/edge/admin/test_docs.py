"""`/openapi.json` and `/docs`."""

import httpx
import pytest

from gateway.edge.admin.docs import page
from tests.support.gateway import ADMIN_KEY, GatewayProcess


def test_the_page_has_every_operation_and_loads_nothing(gateway: GatewayProcess) -> None:
    described = gateway.ask("GET", "/openapi.json").json()
    answer = gateway.ask("GET", "/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    operations = [(m.upper(), p) for p, item in described["paths"].items() for m in item]
    assert len(operations) > 10
    assert all(f"<code>{method} {path}</code>" in answer.text for method, path in operations)
    assert not any(word in answer.text for word in ("<script", "<link", "<img", "src=", "href=", "url(", "@import"))


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
def test_reading_takes_a_key(gateway: GatewayProcess, path: str) -> None:
    assert httpx.get(f"{gateway.url}/api/gateway{path}").status_code == 401
    assert httpx.get(f"{gateway.url}/api/gateway{path}", headers={"x-admin-key": ADMIN_KEY}).status_code == 200


def test_what_is_described_cannot_become_markup() -> None:
    operation = {"description": "<b>", "responses": {"200": {"description": "<i>"}}, "tags": ["<u>"]}
    document = {"info": {"title": "<a>", "version": "1"}, "paths": {"/<p>": {"get": operation}}}
    assert not any(f"<{tag}>" in page(document).replace("<p><", "<").replace("<p>&", "&") for tag in "biua")
