"""What becomes of proofs."""

import pytest

from gateway.model.agent import Agent
from gateway.model.errors import Refusal
from gateway.phases.prove import Prove
from gateway.store.errors import StoreUnavailable


class Verified:
    """Answers as a test says."""

    def __init__(self, agent: Agent | None = None, *, lost: bool = False) -> None:
        self.agent = agent
        self.lost = lost

    async def of_key(self, shown: str) -> Agent | None:
        if self.lost:
            raise StoreUnavailable("open")
        return self.agent

    async def of_token(self, agent: Agent) -> Agent:
        if self.lost:
            raise StoreUnavailable("open")
        return agent


class Tokens:
    """Takes what starts with `ey`."""

    def takes(self, token: bytes) -> bool:
        return token.startswith(b"ey")

    async def agent(self, token: bytes) -> Agent:
        return Agent("agt_token", verified=True)


async def refusal(prove: Prove, proof: bytes) -> str:
    with pytest.raises(Refusal) as refused:
        await prove.agent(proof)
    assert proof.decode() not in refused.value.message
    return refused.value.code


async def test_keys_and_tokens_are_taken_and_nothing_else() -> None:
    assert [Prove(Verified()).takes(shown) for shown in (b"agk_x", b"sk-1", b"eyJ.x.y")] == [True, False, False]
    assert Prove(Verified(), Tokens()).takes(b"eyJ.x.y")
    assert (await Prove(Verified(), Tokens()).agent(b"eyJ.x.y")).agent_id == "agt_token"
    assert (await Prove(Verified(Agent("agt_key"))).agent(b"agk_x")).agent_id == "agt_key"


async def test_a_bad_proof_is_a_401_and_a_lost_store_never() -> None:
    assert await refusal(Prove(Verified()), b"agk_unknown") == "invalid_api_key"
    assert await refusal(Prove(Verified(lost=True)), b"agk_unknown") == "state_unavailable"
    assert await refusal(Prove(Verified(lost=True), Tokens()), b"eyJ.x.y") == "state_unavailable"
