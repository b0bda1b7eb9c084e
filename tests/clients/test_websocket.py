"""WebSocket is refused with 426 at once: clients that try it first then fall back to HTTP, and any other answer makes
some of them try again for seconds, or give up."""

from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

import openai
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.support.gateway import GatewayProcess

UPGRADE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "openai-beta": "responses_websockets=2026-02-06",
}


@pytest.mark.parametrize("path", ["/v1/responses", "/responses", "/v1/realtime?model=x", "/openai/v1/responses"])
@pytest.mark.parametrize("upgrade", ["websocket", "WebSocket"])
def test_an_upgrade_is_refused_and_the_connection_goes_on(gateway: GatewayProcess, path: str, upgrade: str) -> None:
    with closing(HTTPConnection(urlsplit(gateway.url).netloc, timeout=10)) as connection:
        connection.request("GET", path, headers=UPGRADE | {"upgrade": upgrade})
        refused = connection.getresponse()
        body = refused.read()
        assert refused.status == 426
        assert b"upgrade_unsupported" in body
        assert refused.headers["x-should-retry"] == "false"
        assert refused.headers["x-gateway-request-id"]
        assert refused.headers["content-length"] == str(len(body))
        connection.request("GET", "/v1/models", headers={"authorization": "Bearer sk-1"})
        assert connection.getresponse().status == 200


def test_a_websocket_client_is_told(gateway: GatewayProcess) -> None:
    url = gateway.url.replace("http://", "ws://") + "/v1/responses"
    with pytest.raises(InvalidStatus) as raised, connect(url, open_timeout=10, proxy=None):
        pass
    assert raised.value.response.status_code == 426


def test_openai_s_websocket_mode_is_told(gateway: GatewayProcess) -> None:
    with (
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="sk-1", max_retries=0) as client,
        pytest.raises(InvalidStatus) as raised,
        client.responses.connect(),
    ):
        pass
    assert raised.value.response.status_code == 426
