"""How often the steps of intents were used, exact over all replicas.

opened     when an intent is minted; a use of one that was narrowed counts at every intent it comes from
used       when a call is released, together with all calls of its turn or not at all
joined     when a released call is executed: that is no further use
lost       what Redis lost cannot be used: nobody knows how often it was
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.intents.claims import IntentClaims, TokenProblem
from gateway.store.connection import Connection
from gateway.store.errors import StoreUnavailable
from gateway.store.lane import Argument

_AFTER_SECONDS = 60
MOST_INTENTS = 100
"""That may come from one intent."""

_TRIES = 2
_SAID = {
    "uses_exhausted": "this step was used as often as it may be",
    "step_order": "a step that has to come before it was not used yet",
    "lost": "its uses are not known any more",
}


class TooManyIntents(Exception):
    """More intents than may be; the message says of whom."""


@dataclass(frozen=True, slots=True)
class Use:
    """One call that uses a step.

    Attributes:
        step: the step's id.
        claim: names this very call of the agent, on whatever replica: the same claim is one use.
        decision: the id of the decision that allows it.
        digests: the names of the call, see `call_digest`. It is released under the first; what is executed may have
            been released under any.
    """

    step: str
    claim: str
    decision: str
    digests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Used:
    """What is known of the steps of an intent, by their ids.

    Attributes:
        counts: uses under this intent, and those narrowed from it.
        released: calls of the digests asked for that were released and not executed yet.
        done: the steps, of what it comes from too, that were used by anybody who shares its counts.
    """

    counts: Mapping[str, int]
    released: Mapping[str, int]
    done: frozenset[str] = frozenset()


class IntentUses:
    """Every method raises StoreUnavailable: then nothing may be used."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def open(self, claims: IntentClaims) -> None:
        """Begin to count; a narrowed intent's steps have the ids of the steps that they come from.

        Raises TooManyIntents; TokenProblem `revoked` where what it comes from is not known any more.
        """
        parent = claims.parents[-1] if claims.parents else ""
        args: list[Argument] = [claims.jti, parent, round((claims.expires + _AFTER_SECONDS) * 1000), MOST_INTENTS]
        for step in claims.steps:
            args += (step.id, step.max_uses, step.id, ",".join(step.after))
        (done,) = await self._surely("open_uses", claims, args)
        if done < 0:
            raise TooManyIntents(f"{MOST_INTENTS} intents come from {claims.root} already.")
        if not done:
            raise TokenProblem("revoked", _SAID["lost"])

    async def used(self, claims: IntentClaims, digests: Sequence[str] = ()) -> Used:
        """How often each step was used. Raises TokenProblem `revoked` where that is not known any more."""
        shared = dict.fromkeys(id for step in claims.steps for id in (step.id, *step.after))
        fields = [f"used:{claims.root}/{id}" for id in shared]
        for step in claims.steps:
            place = f"{claims.jti}/{step.id}"
            fields += (f"step:{place}", f"used:{place}", *(f"released:{place}/{digest}" for digest in digests))
        found = await self._connection.execute("HMGET", self._connection.keys.uses(claims.root), *fields)
        done = frozenset(id for id, count in zip(shared, found, strict=False) if int(count or 0))
        counts, released, width = dict[str, int](), dict[str, int](), 2 + len(digests)
        for at, step in enumerate(claims.steps):
            start = len(shared) + at * width
            opened, count, *waiting = found[start : start + width]
            if opened is None:
                raise TokenProblem("revoked", _SAID["lost"])
            counts[step.id] = int(count or 0)
            released[step.id] = sum(int(one or 0) for one in waiting)
        return Used(counts, released, done)

    async def use(self, claims: IntentClaims, uses: Sequence[Use]) -> None:
        """Use steps for calls that are about to be released: all of them, or none.

        Raises TokenProblem: `uses_exhausted`, `step_order`, or `revoked` where the counts are not known any more.
        """
        if uses:
            await self._run(claims, uses, executed=False)

    async def join(self, claims: IntentClaims, use: Use) -> bool:
        """Use a step for a call that is about to be executed; whether it had been released, which was its use.

        Raises as `use`.
        """
        (decision,) = await self._run(claims, [use], executed=True)
        return decision == b""

    async def _run(self, claims: IntentClaims, uses: Sequence[Use], *, executed: bool) -> list[bytes]:
        args: list[Argument] = [claims.jti, int(executed)]
        for use in uses:
            first, *further = use.digests
            args += (use.step, _digest(claims, use.claim), use.decision, first, ",".join(further))
        at, *found = await self._surely("use_intent", claims, args)
        if at:
            word = found[0].decode()
            step = uses[int(at) - 1].step
            raise TokenProblem("revoked" if word == "lost" else word, f"step {step}: {_SAID[word]}")
        return found

    async def _surely(self, name: str, claims: IntentClaims, args: Sequence[Argument]) -> list[Any]:
        """Run a script that changes nothing more when it is run again, once more if its reply does not come."""
        keys = [self._connection.keys.uses(claims.root)]
        for _ in range(_TRIES - 1):
            try:
                return await self._connection.script(name, keys, args)
            except StoreUnavailable as error:
                if error.reason not in ("timeout", "connection"):
                    raise
        return await self._connection.script(name, keys, args)


def _digest(claims: IntentClaims, claim: str) -> str:
    text = f"{claims.agent_id}\0{claim}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()
