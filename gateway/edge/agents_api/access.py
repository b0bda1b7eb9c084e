"""Who may use the agents' API: the holder of the ingest key, and agents that prove who they are."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from starlette.requests import Request

from gateway.edge.admin.access import shown_key, source_of
from gateway.edge.admin.backoff import Backoff
from gateway.edge.admin.problems import Problem
from gateway.identity.address import Network
from gateway.model.agent import Agent
from gateway.model.errors import Refusal


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who asks: an agent, or (None) whoever holds the ingest key and may speak of any agent."""

    agent: Agent | None = None


class Prover(Protocol):
    """Knows agents by what they show."""

    def takes(self, credential: bytes) -> bool: ...

    def agent(self, proof: bytes) -> Awaitable[Agent]:
        """Raises Refusal `invalid_api_key` or `state_unavailable`."""


class AgentsAccess:
    """Sets `request.state.reporter`, from `Authorization: Bearer` or `X-Agent-Key`.

    Raises Problem 401 without a key that is known, 429 for a wrong one from where many wrong ones came, 503 where
    Redis cannot say.

    Args:
        ingest_key: None where nobody set one: then agents only.
        trusted_proxies: whose `X-Forwarded-For` says where a key came from.
    """

    def __init__(
        self, ingest_key: str | None, prover: Prover, backoff: Backoff, *, trusted_proxies: Sequence[Network] = ()
    ) -> None:
        self._prover = prover
        self._backoff = backoff
        self._trusted_proxies = trusted_proxies
        self.use(ingest_key)

    def use(self, ingest_key: str | None) -> None:
        """From now on this is the ingest key."""
        self._digest = None if ingest_key is None else hashlib.sha256(ingest_key.encode()).digest()

    async def __call__(self, request: Request) -> None:
        shown = shown_key(request, "x-agent-key").encode("latin-1")
        # Digests have one length, so that the comparison says nothing about the key's.
        if self._digest is not None and hmac.compare_digest(hashlib.sha256(shown).digest(), self._digest):
            request.state.reporter = Reporter()
            return
        if not shown or not self._prover.takes(shown):
            raise self._refusal(request, shown)
        try:
            request.state.reporter = Reporter(await self._prover.agent(shown))
        except Refusal as refusal:
            if refusal.status == 401:
                raise self._refusal(request, shown) from None
            raise Problem(refusal.status, refusal.message, retry_after=refusal.retry_after) from None

    def _refusal(self, request: Request, shown: bytes) -> Problem:
        if shown:
            address = source_of(request, self._trusted_proxies)
            wait = self._backoff.wait(address)
            if wait:
                return Problem(429, "Too many wrong keys came from this address.", retry_after=wait)
            self._backoff.wrong(address)
        return Problem(401, "Send the ingest key or an agent key, as a bearer token or as `X-Agent-Key`.")


def reporter(request: Request) -> Reporter:
    """Who sent a request that `AgentsAccess` let in."""
    found = request.state.reporter
    assert isinstance(found, Reporter)
    return found


def ingest_key_only(request: Request) -> None:
    """A dependency: agents may not do this."""
    if reporter(request).agent is not None:
        raise Problem(403, "This takes the ingest key; an agent key was shown.")


class Rules(Protocol):
    """What operators decided about ids (`store.agent_rules`)."""

    def stands_for(self, agent_id: str) -> str: ...

    def is_inactive(self, agent_id: str) -> bool: ...


def own_agent(rules: Rules, *, even_inactive: bool = False) -> "Own":
    """Tells which agent asks. Raises Problem 403 to the holder of the ingest key, who is none, and to agents that an
    operator deactivated unless `even_inactive`."""

    def own(request: Request) -> Agent:
        agent = reporter(request).agent
        if agent is None:
            raise Problem(403, "This takes an agent's own key; the ingest key was shown.")
        meant = rules.stands_for(agent.agent_id)
        if rules.is_inactive(meant) and not even_inactive:
            raise Problem(403, f"Agent {meant} was deactivated by an operator.")
        return agent if meant == agent.agent_id else replace(agent, agent_id=meant)

    return own


Access = Callable[[Request], Awaitable[None]]
Own = Callable[[Request], Agent]
