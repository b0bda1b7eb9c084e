"""Derives the id of an agent without a proof: a keyed hash of its credential and of what it says of itself."""

from collections.abc import Mapping

from gateway.identity.client_family import client_family
from gateway.identity.derived import agent_id, credential_id, keyed, subkey
from gateway.model.agent import NO_CREDENTIAL, Agent, Evidence
from gateway.model.bounded import make_room
from gateway.model.errors import Refusal

_HINT_LIMIT = 128
_CACHE_LIMIT = 20_000

# One for all: many agents are remembered.
_CREDENTIAL, _NO_CREDENTIAL = Evidence("credential", 0.9), Evidence("credential", 0.1)
_HEADER = Evidence("agent_id_header", 0.6)


class Fingerprinter:
    """The same agent has the same id after a restart, from another address, with another version of its client, and on
    every replica that shares the secret.

    What counts is the credential, and `X-Agent-Id` if that is sent; else the kind of client. A caller that names its
    agents may use several clients for one.

    Args:
        secret: the deployment's root secret; the hashes' keys are derived from it.

    Attributes:
        form_key: of the hashes that prompts are compared by.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = subkey(secret, "leuko/agent-fingerprint/2")
        self._credential_key = subkey(secret, "leuko/credential/1")
        self.form_key = subkey(secret, "leuko/agent-form/1")
        self._known: dict[tuple[bytes | None, ...], Agent] = {}

    def agent(self, credential: bytes | None, fields: Mapping[bytes, bytes]) -> Agent:
        """The agent behind a credential and the request's other headers, by lower-case name.

        Raises Refusal `invalid_request` for an `X-Agent-Id` longer than 128 bytes or outside ASCII.
        """
        shown = credential, fields.get(b"x-agent-id"), fields.get(b"user-agent"), fields.get(b"x-stainless-lang")
        agent = self._known.get(shown)
        if agent is None:
            make_room(self._known, _CACHE_LIMIT)
            agent = self._known[shown] = self._name(*shown)
        return agent

    def derived(self, agent: Agent, form: bytes) -> str:
        """The id of another agent behind the same fingerprint, which differs in its form."""
        return self._id(b"form", agent.agent_id.encode(), form)

    def shared(self, agent: Agent) -> str:
        """The one id of all further agents behind the same credential, once it has too many."""
        return self._id(b"shared", agent.credential_id.encode())

    def _name(
        self, credential: bytes | None, hint: bytes | None, user_agent: bytes | None, language: bytes | None
    ) -> Agent:
        if hint is not None and (len(hint) > _HINT_LIMIT or not hint.isascii()):
            raise Refusal("invalid_request", f"`X-Agent-Id` is longer than {_HINT_LIMIT} bytes or not ASCII.")
        secret = credential or b""
        evidence = [_CREDENTIAL if credential else _NO_CREDENTIAL]
        if hint:
            parts = [b"hint", secret, hint]
            evidence.append(_HEADER)
        else:
            family = client_family(user_agent, language)
            parts = [b"client", secret, family.encode()]
            if family:
                evidence.append(Evidence("client", 0.3, family))
        shown = None if len(secret) < 16 else "…" + secret[-4:].decode("ascii", "replace")
        crd = credential_id(keyed(self._credential_key, secret)) if secret else NO_CREDENTIAL
        return Agent(self._id(*parts), credential=shown, credential_id=crd, evidence=tuple(evidence))

    def _id(self, *parts: bytes) -> str:
        proof = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return agent_id(keyed(self._key, proof))
