"""What the phases know of the caller's connection."""

from collections.abc import AsyncIterator
from typing import Protocol

from gateway.model.headers import Headers


class Direct(Protocol):
    """Writing without waiting."""

    def ready(self) -> bool:
        """Whether `push` may be called now: the answer has begun, the caller is there and keeps up."""

    def push(self, data: bytes) -> None:
        """What `Caller.write` does, at once."""

    def answer(self, status: int, headers: Headers, body: bytes) -> bool:
        """A whole answer, at once; False where nothing was written and it has to be sent as ever."""


class Caller(Protocol):
    """The other end of one exchange. Every method raises ClientGone where there is nobody left.

    `direct` is None where the server knows no such thing.
    """

    direct: Direct | None

    async def body(self, limit: int) -> bytes:
        """The whole request body; Refusal `payload_too_large` past `limit` bytes, before more is read."""

    def chunks(self, limit: int) -> AsyncIterator[bytes]:
        """The request body as it arrives, for relaying; the same refusal."""

    async def start(self, status: int, headers: Headers) -> None: ...

    async def write(self, data: bytes) -> None: ...

    async def finish(self) -> None:
        """End the answer properly."""

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """`start`, `write` and `finish` in one."""
