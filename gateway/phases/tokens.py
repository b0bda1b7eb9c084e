"""Reads tokens of the configured issuer, and asks for its keys again where one is not known."""

from collections.abc import Awaitable, Callable

from gateway.identity.tokens import BadToken, TokenReader, UnknownKey
from gateway.model.agent import Agent
from gateway.model.errors import Refusal


class IssuerTokens:
    """A token that proves nothing is refused with 401; while the issuer's keys cannot be had, with 503.

    Args:
        refresh: has the reader use the issuer's keys of now; whether it asked at all.
    """

    def __init__(self, reader: TokenReader, refresh: Callable[[], Awaitable[bool]]) -> None:
        self._reader = reader
        self._refresh = refresh

    def takes(self, token: bytes) -> bool:
        return self._reader.takes(token)

    async def agent(self, token: bytes) -> Agent:
        """Raises Refusal `invalid_api_key` or `state_unavailable`."""
        try:
            if self._reader.ready:
                try:
                    return self._reader.agent(token)
                except UnknownKey:
                    if not await self._refresh():
                        raise
            else:
                await self._refresh()
            if not self._reader.ready:
                raise Refusal("state_unavailable", "The keys of the tokens' issuer cannot be had now.", retry_after=1)
            return self._reader.agent(token)
        except BadToken as bad:
            raise Refusal("invalid_api_key", f"The token {bad}.") from None
