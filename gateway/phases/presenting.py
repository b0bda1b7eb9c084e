"""presenting: which intent a request is made under, by the token that came with it."""

import hashlib
import logging
from collections.abc import Callable

from gateway.intents.canonical import thumb
from gateway.intents.claims import IntentClaims, TokenProblem
from gateway.intents.tokens import Verifier
from gateway.model.agent import Agent
from gateway.model.bounded import make_room
from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from gateway.store.errors import StoreUnavailable

HEADER = b"x-intent-token"
MCP = "mcp"
"""The dialect in which a token may also come in the body."""
_REMEMBERED = 10_000

log = logging.getLogger(__name__)


class IntentRefused(Refusal):
    """A token that proves nothing; `word` says why."""

    def __init__(self, problem: TokenProblem) -> None:
        super().__init__("intent_invalid", f"The intent token was refused: {problem}.", param="X-Intent-Token")
        self.word = problem.word

    def __reduce__(self) -> tuple[object, ...]:
        return (Refusal, (self.code, self.message))


class Presenting:
    """A gate (`gate`) once the agent is known.

    A signature is looked at once; what can change, the time, the agent and what was revoked, at every request.

    Args:
        verifier: of intents; its ring may raise StoreUnavailable.
        is_revoked: in memory, on every replica.
        clock: seconds since the epoch.
        shadow: whether a token that proves nothing is only told, and its request goes on without an intent.

    Attributes:
        refused: tokens that proved nothing, by the word for why.
    """

    def __init__(
        self,
        verifier: Verifier,
        is_revoked: Callable[[IntentClaims], bool],
        *,
        clock: Callable[[], float],
        shadow: bool = False,
    ) -> None:
        self._verifier = verifier
        self._is_revoked = is_revoked
        self._clock = clock
        self._shadow = shadow
        self._verified: dict[bytes, IntentClaims] = {}
        self.refused: dict[str, int] = {}

    def gate(self, exchange: Exchange) -> None:
        """Set `exchange.intent` by the header. Raises IntentRefused, and Refusal `state_unavailable`."""
        token = exchange.request.fields.get(HEADER)
        if token is not None and exchange.intent is None and exchange.route.dialect != MCP:
            exchange.intent = self.read(token.strip(), exchange.agent)

    def read(self, token: bytes, agent: Agent | None) -> IntentClaims | None:
        """What a token says that this agent presents. Raises as `gate`."""
        try:
            return self.claims(token, agent)
        except TokenProblem as problem:
            self.refused[problem.word] = self.refused.get(problem.word, 0) + 1
            if self._shadow:
                log.warning("An intent token would have been refused: %s", problem)
                return None
            raise IntentRefused(problem) from None
        except StoreUnavailable:
            raise Refusal(
                "state_unavailable", "Whether this intent token is good cannot be said at the moment.", retry_after=1
            ) from None

    def claims(self, token: bytes, agent: Agent | None) -> IntentClaims:
        """The same. Raises TokenProblem, StoreUnavailable."""
        now = self._clock()
        digest = hashlib.sha256(token).digest()
        known = self._verified.get(digest)
        presenting = agent.agent_id if agent is not None and agent.verified else ""
        if known is None:
            known = self._verifier.intent(token, now, presenting)
            make_room(self._verified, _REMEMBERED)
            self._verified[digest] = known
        else:
            self._verifier.check(known, now, presenting)
        bound = known.key_thumbprint
        if bound is not None and (agent is None or bound != thumb(agent.credential_id.encode())):
            raise TokenProblem("wrong_agent", "it was given to another key of this agent")
        sub = known.principal
        if sub is not None and agent is not None and agent.principal not in (None, sub):
            raise TokenProblem("wrong_agent", "it was given for another principal than the agent's own token names")
        if self._is_revoked(known):
            raise TokenProblem("revoked", "it was revoked")
        return known
