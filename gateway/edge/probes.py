"""Health for load balancers and containers: no key, no dependency on the admin application."""

from collections.abc import Callable
from typing import Any

import orjson

from gateway.edge.asgi import Receive, Scope, Send, respond

PATHS = frozenset({"/livez", "/readyz", "/health", "/health/live", "/health/ready"})


class Probes:
    """`/livez` (the process answers), `/readyz` (send traffic here?), `/health` and its aliases.

    Args:
        ready: whether this process is up and not stopping.
        missing: what it runs without right now, e.g. `["redis"]`.
    """

    def __init__(self, *, ready: Callable[[], bool], missing: Callable[[], list[str]]) -> None:
        self._ready = ready
        self._missing = missing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, document = self._answer(scope["path"])
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        await respond(send, status, headers, orjson.dumps(document), head_only=scope["method"] == "HEAD")

    def _answer(self, path: str) -> tuple[int, dict[str, Any]]:
        if path not in ("/readyz", "/health/ready"):
            return 200, {"status": "ok"}
        missing = self._missing()
        without = {"missing": missing} if missing else {}
        if not self._ready():
            return 503, {"status": "unavailable", **without}
        return 200, {"status": "degraded" if missing else "ok", **without}
