"""Who a proof shows to be calling: an agent key of ours, or a token of the configured issuer."""

from typing import Protocol

from gateway.model.agent import Agent
from gateway.model.errors import Refusal
from gateway.store.errors import StoreUnavailable

_KEY = b"agk_"


class Verified(Protocol):
    """Remembers agents that proved who they are."""

    async def of_key(self, shown: str) -> Agent | None: ...

    async def of_token(self, agent: Agent) -> Agent: ...


class Tokens(Protocol):
    """Reads tokens of one issuer."""

    def takes(self, token: bytes) -> bool: ...

    async def agent(self, token: bytes) -> Agent: ...


class Prove:
    """A bad proof is refused with 401; where Redis cannot say whether it is good, with 503."""

    def __init__(self, verified: Verified, tokens: Tokens | None = None) -> None:
        self._verified = verified
        self._tokens = tokens

    def takes(self, credential: bytes) -> bool:
        """Whether this is meant for the gateway, not for a provider."""
        return credential.startswith(_KEY) or (self._tokens is not None and self._tokens.takes(credential))

    async def agent(self, proof: bytes) -> Agent:
        """Raises Refusal `invalid_api_key` or `state_unavailable`."""
        if proof.startswith(_KEY) or self._tokens is None:
            try:
                agent = await self._verified.of_key(proof.decode("latin-1"))
            except StoreUnavailable:
                raise _unsure() from None
            if agent is None:
                raise Refusal("invalid_api_key", "This agent key is unknown, mistyped, expired or revoked.")
            return agent
        named = await self._tokens.agent(proof)
        try:
            return await self._verified.of_token(named)
        except StoreUnavailable:
            raise _unsure() from None


def _unsure() -> Refusal:
    return Refusal("state_unavailable", "Whether this key is valid cannot be said at the moment.", retry_after=1)
