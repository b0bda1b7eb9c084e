"""The seam between `forward` and whatever answers: a provider over HTTP, or the stub models."""

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from gateway.model.errors import Refusal
from gateway.model.headers import Headers
from gateway.upstream.providers import Provider


class Unreachable(Refusal):
    """No connection could be made, so the provider has processed nothing of the request."""

    def __init__(self, message: str) -> None:
        super().__init__("upstream_unavailable", message)

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.message,))


class Reply(Protocol):
    """An opened answer. Whoever opened it closes it, always; closing before the end cancels it at the provider."""

    status: int
    headers: Headers

    async def chunk(self) -> bytes:
        """The next bytes as they arrive; empty at the proper end. Raises Refusal if the answer is cut or malformed."""

    async def read(self, limit: int) -> bytes:
        """The whole rest; Refusal `upstream_invalid` past `limit` bytes."""

    def hand_to(self, taker: Callable[[bytes], bool]) -> None:
        """Bytes that arrive while somebody waits in `chunk` may go to `taker` at once, which saves waking a task; what
        it answers False to comes out of `chunk` as ever. It must neither wait nor raise."""

    def close(self) -> None:
        """Release the connection if the answer ended properly, else close it at once. Idempotent, never raises."""


class Opener(Protocol):
    """Sends a request and returns when the answer's headers are there."""

    async def open(
        self,
        provider: Provider,
        method: str,
        path: str,
        query: bytes,
        headers: Headers,
        body: bytes | AsyncIterator[bytes] | None,
    ) -> Reply:
        """`path` is a path at the provider, as `Provider.path` says; `headers` go without `host` and framing.

        Raises Unreachable or another Refusal (`upstream_unavailable`, `upstream_timeout`, `upstream_invalid`), and what
        an iterated body raises.
        """
