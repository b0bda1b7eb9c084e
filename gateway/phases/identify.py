"""identify: who is calling, from the head of the request alone, before a byte of the body is read."""

import hmac

from gateway.identity.credential import credential_of
from gateway.identity.fingerprint import Fingerprinter
from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange

_ISSUED_HERE = (b"agk_", b"adk_", b"igk_")


class Identify:
    """Sets `exchange.agent` and `exchange.credential`. `own_keys` may be replaced at any time.

    Args:
        fingerprinter: names callers without a key of ours.
        own_keys: the gateway's own secrets; a caller that sends one of them to the data plane is refused.
    """

    def __init__(self, fingerprinter: Fingerprinter, own_keys: tuple[bytes, ...]) -> None:
        self._fingerprinter = fingerprinter
        self.own_keys = own_keys

    async def __call__(self, exchange: Exchange) -> None:
        request = exchange.request
        credential = credential_of(request.headers)
        if credential is not None and self._is_ours(credential):
            raise Refusal("invalid_api_key", "This key is not valid for model requests.")
        exchange.credential = credential
        exchange.agent = agent = self._fingerprinter.agent(credential, request.fields.get(b"x-agent-id"))
        exchange.own_headers.append((b"x-gateway-agent-id", agent.agent_id.encode()))

    def _is_ours(self, credential: bytes) -> bool:
        return credential.startswith(_ISSUED_HERE) or any(hmac.compare_digest(credential, k) for k in self.own_keys)
