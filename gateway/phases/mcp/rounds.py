"""Rounds of one call, in the stateless era: its caller sends it again with the `requestState` of the answer before.

Where a person has to approve it, the state is the gateway's own, for one agent, server and tool, and says since when
the caller asks; no server sees it. Where the server wants more, its own state travels sealed, for this very call: what
comes back with it goes on with the call that was let through before.
"""

from typing import Any

import orjson

from gateway.model.value import value
from gateway.phases.mcp.sealing import Sealing

OWN = "leuko-held."
"""What such a state starts with."""
SECONDS = 10.0
"""That one round waits at most: clients repeat themselves some ten times, and give one request less than 30 s."""
SEALED = "leuko-round."
"""What a server's state starts with once it is sealed."""
LIFE_SECONDS = 3600
"""That a caller may take to go on with a call."""


@value
class Round:
    """A call that a server has asked more about.

    Attributes:
        id: of this round alone. issued: when the server asked, seconds since the epoch.
        state: the server's own; None where it gave none.
        intent, step: what the call was made under. lifted: the rule that a person lifted for it.
    """

    id: str
    issued: float
    state: str | None
    intent: str | None
    step: str | None
    lifted: str | None


class Rounds:
    """Makes and reads states.

    Args:
        secret: the deployment's root secret.
        seconds: that one round waits.
    """

    def __init__(self, secret: bytes, *, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._own = Sealing(secret, b"leuko/mcp-rounds/1\x01")
        self._theirs = Sealing(secret, b"leuko/mcp-server-rounds/1\x01")

    def state(self, since: float, agent_id: str, server: str, tool: str) -> str:
        """What the caller sends again; `since` in seconds since the epoch."""
        return OWN + self._own.seal((agent_id, server, tool), f"{since:.3f}".encode())

    def since(self, state: object, agent_id: str, server: str, tool: str) -> float | None:
        """When the first round was; None for what was not made for this call."""
        if not is_own(state):
            return None
        found = self._own.open((agent_id, server, tool), str(state).removeprefix(OWN))
        return None if found is None else float(found[1])

    def seal(
        self, about: tuple[str, ...], *, now: float, state: str | None, under: tuple[str | None, str | None, str | None]
    ) -> str:
        """A server's state for its caller.

        Args:
            about: agent, server, tool and hash of the arguments.
            under: the ids of the intent and of its step, and the rule that a person lifted.
        """
        return SEALED + self._theirs.seal(about, orjson.dumps([now, state, *under]))

    def opened(self, sealed: object, about: tuple[str, ...]) -> Round | None:
        """What `seal` was given; None for what it has not made for this call."""
        if not is_sealed(sealed):
            return None
        found = self._theirs.open(about, str(sealed).removeprefix(SEALED))
        return None if found is None else Round(found[0], *orjson.loads(found[1]))


def with_state(answer: dict[str, Any], state: str) -> dict[str, Any]:
    """A server's answer with this in place of its own state."""
    return {**answer, "result": {**answer["result"], "requestState": state}}


def wants_more(answer: dict[str, Any]) -> bool:
    """Whether a server's answer is none yet: its caller is to send the call again."""
    result = answer.get("result")
    if type(result) is not dict or result.get("resultType") != "input_required":
        return False
    return result.get("requestState") is None or type(result["requestState"]) is str


def is_sealed(state: object) -> bool:
    return type(state) is str and state.startswith(SEALED)


def is_own(state: object) -> bool:
    return type(state) is str and state.startswith(OWN)
