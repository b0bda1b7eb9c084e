"""identify: who is calling, from the head of the request alone, before a byte of the body is read."""

import hmac
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from gateway.identity.credential import credential_of
from gateway.identity.fingerprint import Fingerprinter
from gateway.model.agent import Agent
from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from gateway.phases.admit import Gate

_ISSUED_HERE = (b"agk_", b"adk_", b"igk_")


class Prover(Protocol):
    """Who a proof shows to be calling."""

    def takes(self, credential: bytes) -> bool:
        """Whether this is meant as a proof for the gateway, not as a credential for a provider."""

    async def agent(self, proof: bytes) -> Agent:
        """Raises Refusal `invalid_api_key` for a bad proof, `state_unavailable` where that cannot be said."""


class Ids(Protocol):
    """What operators and bounds make of the id that a caller without a proof comes with."""

    async def settle(self, agent: Agent) -> Agent: ...


class Rules(Protocol):
    """What operators decided about ids."""

    def stands_for(self, agent_id: str) -> str:
        """The id of the agent that this one was merged into, else its own."""

    def is_inactive(self, agent_id: str) -> bool: ...

    def is_apart(self, agent_id: str) -> bool:
        """Whether an operator says that several agents come with its fingerprint."""


class Identify:
    """Sets `exchange.agent` and `exchange.credential`. `own_keys` may be replaced at any time.

    Args:
        fingerprinter: names callers without a proof.
        own_keys: the gateway's own secrets; a caller that sends one of them to the data plane is refused.
        prover: knows agent keys and tokens; without one, all of them are refused.
        ids: bounds how many ids one credential may have.
        rules: what operators decided.
        proof_required: refuse callers without a proof.
        gates: asked in order once the agent is known; where only its request can tell, they are left to `admit`.
    """

    def __init__(
        self,
        fingerprinter: Fingerprinter,
        own_keys: tuple[bytes, ...],
        *,
        prover: Prover | None = None,
        ids: Ids | None = None,
        rules: Rules | None = None,
        proof_required: bool = False,
        gates: Sequence[Gate] = (),
    ) -> None:
        self._fingerprinter = fingerprinter
        self.own_keys = own_keys
        self._prover = prover
        self._ids = ids
        self._rules = rules
        self._proof_required = proof_required
        self._gates = tuple(gates)

    async def __call__(self, exchange: Exchange) -> None:
        proof, exchange.credential = self._shown(exchange)
        if proof is not None:
            assert self._prover is not None
            agent = await self._prover.agent(proof)
        elif self._proof_required:
            raise Refusal("invalid_api_key", "Send an agent key, as the API key or as `X-Agent-Key`; none was sent.")
        else:
            agent = self._fingerprinter.agent(exchange.credential, exchange.request.fields)
            if self._ids is not None:
                agent = await self._ids.settle(agent)
        become(exchange, agent := self._meant(agent))
        if self._rules is not None:
            if may_be_another(exchange, agent):
                return  # its neighbour behind the same fingerprint must not be refused in its place
            check_active(agent, self._rules)
        for gate in self._gates:
            waiting = gate(exchange)
            if waiting is not None:
                await waiting

    def _shown(self, exchange: Exchange) -> tuple[bytes | None, bytes | None]:
        """The proof for the gateway, and the credential for the provider."""
        request, prover = exchange.request, self._prover
        credential, proof = credential_of(request.headers), request.fields.get(b"x-agent-key")
        if credential is not None and prover is not None and prover.takes(credential):
            if proof is not None and proof != credential:
                raise Refusal("invalid_request", "Two different agent keys; send one, or a provider's key beside it.")
            proof, credential = credential, None
        for shown in (proof, credential):
            if shown is not None and self._is_own(shown):
                raise Refusal("invalid_api_key", "This key is not valid for model requests.")
        if proof is not None and prover is None:
            raise Refusal("invalid_api_key", "Agent keys are not known here.")
        if credential is not None and credential.startswith(_ISSUED_HERE):
            raise Refusal("invalid_api_key", "This key is not valid for model requests.")
        return proof, credential

    def _meant(self, agent: Agent) -> Agent:
        """The agent that an operator says this one is."""
        if self._rules is None or (meant := self._rules.stands_for(agent.agent_id)) == agent.agent_id:
            return agent
        return replace(agent, agent_id=meant)

    def _is_own(self, credential: bytes) -> bool:
        found = False
        for key in self.own_keys:
            found |= hmac.compare_digest(credential, key)
        return found


def become(exchange: Exchange, agent: Agent) -> None:
    """From now on `agent` is who is calling; the answer says so."""
    header = (b"x-gateway-agent-id", agent.agent_id.encode())
    if exchange.agent is None:
        exchange.own_headers.append(header)
    else:
        at = exchange.own_headers.index((b"x-gateway-agent-id", exchange.agent.agent_id.encode()))
        exchange.own_headers[at] = header
    exchange.agent = agent


def may_be_another(exchange: Exchange, agent: Agent) -> bool:
    """Whether the request may yet show that this is another agent behind the same fingerprint."""
    route = exchange.route
    judged = route.dialect is not None and route.reads_request
    return judged and not agent.verified and not exchange.request.fields.get(b"x-agent-id")


def check_active(agent: Agent, rules: Rules) -> None:
    """Raise Refusal `agent_quarantined` for an agent that an operator deactivated."""
    if rules.is_inactive(agent.agent_id):
        raise Refusal("agent_quarantined", f"Agent {agent.agent_id} was deactivated by an operator.")
