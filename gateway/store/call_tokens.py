"""What the call tokens of allowed calls will say, from their release until they are asked for, on any replica."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass

import orjson

from gateway.intents.claims import LONGEST_CALL, CallClaims
from gateway.store.connection import Connection
from gateway.store.lane import Argument


@dataclass(frozen=True, slots=True)
class ReleasedCall:
    """A call as it was let through.

    Attributes:
        call_id: the provider's id of the call; an agent's next call of that id takes its place.
        tool, server: as of `CallClaims`; `server` None where none was named.
        args_hash: as `gateway.intents.canonical.args_hash`.
        decision: the id of the decision that allowed it.
        intent: the id of the intent it was made under. `tdef`: the hash of the tool's pinned definition.
        step: of the intent, that the call uses. digest: what that use was released under, as `call_digest`.
        grants: what the call may be executed by at an MCP server; its token takes them.
    """

    call_id: str
    tool: str
    server: str | None
    args_hash: str
    decision: str
    intent: str | None = None
    tdef: str | None = None
    step: str | None = None
    digest: str = ""
    grants: tuple[str, ...] = ()


class CallTokens:
    """Every method raises StoreUnavailable.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, connection: Connection, *, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._clock = clock

    async def save(self, agent_id: str, calls: list[ReleasedCall]) -> None:
        """Have call tokens for these, for a minute from now."""
        released = self._clock()
        kept: list[tuple[list[str], list[Argument]]] = []
        for call in calls:
            data = {**asdict(call), "jti": f"cal_{secrets.token_hex(12)}", "released": released}
            kept.append(([self._key(agent_id, call.call_id)], [orjson.dumps(data), LONGEST_CALL]))
        for reply in await self._connection.scripts("keep_value", kept):
            if not isinstance(reply, list):
                raise reply.again()

    async def get(self, agent_id: str, call_id: str, *, audience: str) -> tuple[CallClaims, ReleasedCall] | None:
        """The claims of this agent's latest call of that id, and the call; None if there was none in the last minute.

        Args:
            audience: of a call for which no server was named.
        """
        found = await self._connection.execute("GET", self._key(agent_id, call_id))
        if found is None:
            return None
        data = orjson.loads(found)
        jti, issued = data.pop("jti"), data.pop("released")
        if issued + LONGEST_CALL <= self._clock():
            return None
        call = ReleasedCall(**{**data, "grants": tuple(data["grants"])})
        claims = CallClaims(
            jti,
            agent_id,
            call.server or audience,
            call.tool,
            call.call_id,
            call.args_hash,
            call.intent,
            call.tdef,
            call.decision,
            issued,
            issued + LONGEST_CALL,
        )
        return claims, call

    def _key(self, agent_id: str, call_id: str) -> str:
        # A provider's ids are of any length and form.
        digest = hashlib.blake2b(call_id.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        return self._connection.keys.call(agent_id, digest)
