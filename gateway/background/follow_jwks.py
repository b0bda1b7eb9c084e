"""Keeps the keys of the tokens' issuer at hand: read from a file or fetched (RFC 7517), again every few minutes and
when a token is signed with one that is not known."""

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path

import httpx

log = logging.getLogger(__name__)

_EVERY = 300.0
_SOONEST = 10.0  # seconds between two fetches, however many unknown keys are shown
_LARGEST = 1024 * 1024


class FollowJWKS:
    """`run` until cancelled; `refresh` at once. Keys that are in use stay while no others can be had.

    Args:
        source: a URL, or the path of a file.
        use: takes the set; raises ValueError for one that is of no use.
        clock: monotonic seconds.
    """

    def __init__(self, source: str, use: Callable[[object], None], *, clock: Callable[[], float]) -> None:
        self._source = source
        self._use = use
        self._clock = clock
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    async def run(self) -> None:
        while True:
            await self.refresh()
            await asyncio.sleep(_EVERY)

    async def refresh(self) -> bool:
        """Whether the keys were asked for, or just had been by somebody else who waited."""
        came_at = self._clock()
        async with self._asking:
            if self._asked_at >= came_at:
                return True
            if came_at - self._asked_at < _SOONEST:
                return False
            try:
                self._use(json.loads(await self._read()))
            except (OSError, ValueError, RecursionError, httpx.HTTPError) as error:
                log.warning("The keys of the tokens' issuer (%s) cannot be used: %s", self._source, error)
            self._asked_at = self._clock()
            return True

    async def _read(self) -> bytes:
        if not self._source.startswith(("https://", "http://")):
            return await asyncio.to_thread(Path(self._source).read_bytes)
        async with (
            httpx.AsyncClient(timeout=5.0, trust_env=False) as client,
            client.stream("GET", self._source, headers={"accept": "application/json"}) as answer,
        ):
            answer.raise_for_status()
            body = b""
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > _LARGEST:
                    raise ValueError(f"is longer than {_LARGEST} bytes")
            return body
