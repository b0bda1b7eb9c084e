"""A stub model's answer, read as a provider's is. Never blocks: waiting ends when the reply is closed."""

import asyncio
from collections.abc import Callable, Iterable

from gateway.demo.stub_frames import Frame
from gateway.model.errors import Refusal
from gateway.model.headers import Headers


class StubReply:
    """A `Reply` that hands out frames one by one, `pace` seconds before each piece of the answer."""

    def __init__(self, status: int, headers: Headers, frames: Iterable[Frame], pace: float = 0) -> None:
        self.status = status
        self.headers = headers
        self._frames = iter(frames)
        self._pace = pace
        self._closed = asyncio.Event()

    async def chunk(self) -> bytes:
        """The next frame; empty at the end. Raises Refusal `upstream_invalid` once the reply is closed."""
        data, piece = next(self._frames, (b"", False))
        await self._pause(self._pace if piece else 0)
        if self._closed.is_set():
            raise Refusal("upstream_invalid", "the stub's answer was closed before its end")
        return data

    async def read(self, limit: int) -> bytes:
        """The whole rest; Refusal `upstream_invalid` past `limit` bytes."""
        whole = bytearray()
        while data := await self.chunk():
            whole += data
            if len(whole) > limit:
                raise Refusal("upstream_invalid", f"the stub's answer is longer than {limit} bytes")
        return bytes(whole)

    def hand_to(self, taker: Callable[[bytes], bool]) -> None:
        """Nothing arrives by itself here: every frame comes out of `chunk`."""

    def close(self) -> None:
        """Stop at once; whoever waits for the next frame is told so."""
        self._closed.set()

    async def _pause(self, seconds: float) -> None:
        if not seconds:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._closed.wait()
        except TimeoutError:
            return
