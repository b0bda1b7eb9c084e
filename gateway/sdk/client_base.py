"""What both clients know: where the gateway is, with which keys it is asked, how an answer of httpx is read."""

import os
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gateway.sdk.calls import Answer, Ask, Failure

if TYPE_CHECKING:
    import httpx

_DEFAULT_URL = "http://127.0.0.1:4000"


class Base:
    """What both clients know."""

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        admin_key: str | None = None,
        *,
        timeout: float = 10.0,
        retries: int = 2,
        http_client: Any = None,
    ) -> None:
        url = (base_url or os.environ.get("GATEWAY_URL") or _DEFAULT_URL).rstrip("/").removesuffix("/v1")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"base_url is {url[:200]!r}; allowed: http://HOST[:PORT] or https://HOST[:PORT]")
        self.base_url = url
        self._keys = {"agent": api_key, "admin": admin_key}
        self._timeout = timeout
        self._retries = max(0, retries)
        self._given = http_client
        self._own: Any = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r})"

    def _request(self, ask: Ask) -> dict[str, Any]:
        """Arguments of httpx. No redirect is followed: it would carry the key elsewhere."""
        key = self._keys[ask.key]
        if key is None:
            needed = "api_key" if ask.key == "agent" else "admin_key"
            raise ValueError(f"this call needs {needed}; give it to {type(self).__name__}")
        name, value = ("authorization", f"Bearer {key}") if ask.key == "agent" else ("x-admin-key", key)
        headers = {name: value} if ask.session is None else {name: value, "x-agent-session": ask.session}
        sent = {} if ask.json is None else {"json": ask.json}
        return {
            "method": ask.method,
            "url": self.base_url + ask.path,
            "headers": headers,
            "params": ask.params,
            "timeout": self._timeout,
            "follow_redirects": False,
            **sent,
        }

    def _as_admin(self) -> bool:
        return self._keys["admin"] is not None


def answer_of(response: "httpx.Response") -> Answer:
    return Answer(response.status_code, response.content, response.headers.get("retry-after"))


def failure_of(error: "httpx.TransportError") -> Failure:
    import httpx

    unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    return Failure(f"{type(error).__name__}: {error}"[:300], sent=not unsent)
