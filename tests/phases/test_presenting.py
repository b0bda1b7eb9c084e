"""Which intent a request is made under."""

import pickle
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.intents.canonical import thumb
from gateway.intents.claims import IntentClaims, Step
from gateway.intents.keyring import Key, KeyRing, thumbprint
from gateway.intents.tokens import Verifier, mint_intent
from gateway.model.agent import Agent
from gateway.model.errors import Refusal
from gateway.phases.presenting import IntentRefused, Presenting
from gateway.store.errors import StoreUnavailable

NAME = "leuko"


class Deployment:
    """A ring, a clock, and what was revoked."""

    def __init__(self) -> None:
        private = Ed25519PrivateKey.generate()
        self.key = Key(thumbprint(private.public_key()), private, private.public_key(), "current", None)
        self.now = 1000.0
        self.revoked: set[str] = set()
        self.looked = 0
        self.away = False

    def ring(self) -> KeyRing:
        if self.away:
            raise StoreUnavailable("closed", "away", sent=False)
        self.looked += 1
        return KeyRing((self.key,))

    def presenting(self, *, shadow: bool = False) -> Presenting:
        verifier = Verifier(self.ring, NAME, NAME)
        revoked = self.revoked
        return Presenting(verifier, lambda one: one.jti in revoked, clock=lambda: self.now, shadow=shadow)

    def token(self, agent_id: str = "agt_1", *, key: str | None = None, principal: str | None = None) -> bytes:
        steps, times = (Step("s1", "add"),), (self.now, self.now + 60, self.now)
        claims = IntentClaims("int_1", agent_id, principal, steps, *times, policy="p", key_thumbprint=key)
        return mint_intent(claims, self.key, NAME, NAME).encode()


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    yield Deployment()


def agent(agent_id: str = "agt_1", *, verified: bool = True) -> Agent:
    return Agent(agent_id, verified)


def exchange(token: bytes | None, dialect: str | None = "chat_completions") -> Any:
    fields = {} if token is None else {b"x-intent-token": token}
    return SimpleNamespace(
        request=SimpleNamespace(fields=fields), route=SimpleNamespace(dialect=dialect), agent=agent(), intent=None
    )


def word(presenting: Presenting, token: bytes, who: Agent) -> str:
    with pytest.raises(IntentRefused) as refused:
        presenting.read(token, who)
    assert (refused.value.code, refused.value.status) == ("intent_invalid", 403)
    return refused.value.word


def test_a_signature_is_looked_at_once(deployment: Deployment) -> None:
    presenting, token = deployment.presenting(), deployment.token()
    for _ in range(3):
        found = presenting.read(token, agent())
        assert found is not None
        assert found.jti == "int_1"
    assert deployment.looked == 1


def test_time_agent_and_revocation_are_looked_at_every_time(deployment: Deployment) -> None:
    presenting, token = deployment.presenting(), deployment.token()
    presenting.read(token, agent())
    assert word(presenting, token, agent("agt_2")) == "wrong_agent"
    assert word(presenting, token, agent(verified=False)) == "wrong_agent"
    deployment.revoked.add("int_1")
    assert word(presenting, token, agent()) == "revoked"
    deployment.now += 100
    assert word(presenting, token, agent()) == "expired"
    assert presenting.refused == {"wrong_agent": 2, "revoked": 1, "expired": 1}


def test_an_unproved_agent_presents_nothing(deployment: Deployment) -> None:
    assert word(deployment.presenting(), deployment.token(), agent(verified=False)) == "wrong_agent"


def test_an_intent_for_one_principal_is_not_presented_for_another(deployment: Deployment) -> None:
    presenting, of_ada, of_nobody = deployment.presenting(), deployment.token(principal="ada"), deployment.token()
    working = {name: Agent("agt_1", True, principal=name) for name in ("ada", "bob")}
    assert presenting.read(of_ada, working["ada"]) and presenting.read(of_ada, agent())
    for _ in range(2):  # also once its signature is known
        assert word(presenting, of_ada, working["bob"]) == "wrong_agent"
    assert presenting.read(of_nobody, working["bob"])


def test_what_is_no_token_is_refused(deployment: Deployment) -> None:
    assert word(deployment.presenting(), b"nonsense", agent()) == "malformed"


def test_in_shadow_a_bad_token_is_only_told(deployment: Deployment) -> None:
    assert deployment.presenting(shadow=True).read(b"nonsense", agent()) is None


def test_without_the_ring_nothing_is_taken(deployment: Deployment) -> None:
    deployment.away = True
    with pytest.raises(Refusal) as refused:
        deployment.presenting().read(deployment.token(), agent())
    assert refused.value.code == "state_unavailable"


def test_the_gate_reads_the_header_of_model_requests(deployment: Deployment) -> None:
    presenting = deployment.presenting()
    for asked in (exchange(None), exchange(deployment.token(), "mcp")):
        presenting.gate(asked)
        assert asked.intent is None
    asked = exchange(deployment.token())
    presenting.gate(asked)
    presenting.gate(asked)
    assert asked.intent.jti == "int_1"


def test_a_refusal_can_be_handed_to_another_process(deployment: Deployment) -> None:
    with pytest.raises(IntentRefused) as refused:
        deployment.presenting().read(b"nonsense", agent())
    assert pickle.loads(pickle.dumps(refused.value)).code == "intent_invalid"


def test_another_key_of_the_same_agent_cannot_present_a_token(deployment: Deployment) -> None:
    presenting, token = deployment.presenting(), deployment.token(key=thumb(b"crd_1"))
    assert presenting.read(token, Agent("agt_1", True, credential_id="crd_1")) is not None
    for other in (Agent("agt_1", True, credential_id="crd_2"), agent()):
        with pytest.raises(IntentRefused, match="wrong_agent"):
            presenting.read(token, other)
