"""Who is calling."""

from dataclasses import dataclass

from gateway.model.value import value

NO_CREDENTIAL = "crd_" + 24 * "0"
"""The `credential_id` of all who show none: it is nobody's, so it says of no two agents that they belong together."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a caller is taken for this agent. `score`, from 0 to 1: how much this alone says; `detail` is no secret."""

    kind: str
    score: float
    detail: str | None = None


@value
class Agent:
    """An agent as `identify` knows it.

    `credential` is a hint a person can recognise (`…a1b2`), never the credential itself; `credential_id` the keyed hash
    of what was shown, the same for every agent behind one credential. `verified` agents proved who they are, with the
    agent key `key_id` or with a token of the configured issuer. `owner_team` and `environment` are what operators gave
    it; only verified agents have them. `evidence` is what the id was derived from. `principal` is for whom a verified
    agent's token says that it works.
    """

    agent_id: str
    verified: bool = False
    credential: str | None = None
    name: str | None = None
    credential_id: str = ""
    key_id: str | None = None
    owner_team: str | None = None
    environment: str | None = None
    evidence: tuple[Evidence, ...] = ()
    principal: str | None = None
