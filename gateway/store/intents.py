"""Intents that were minted: what is known of them, whether they are revoked, and how often they were used."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from gateway.intents.claims import IntentClaims, Step, TokenProblem
from gateway.intents.tokens import LEEWAY
from gateway.store.connection import Connection
from gateway.store.control import Control
from gateway.store.errors import StoreUnavailable
from gateway.store.intent_uses import IntentUses, TooManyIntents, Use, Used
from gateway.store.revocations import Revocations

Status = Literal["active", "exhausted", "expired", "revoked"]

KEPT_SECONDS = 3600
"""That an intent is remembered after its end."""
MOST_OF_AGENT = 1000
"""Intents that one agent may have asked for and that have not ended."""

_ACKNOWLEDGED_WITHIN = 1.0
_BATCH = 50
_SCANNED = 2000


@dataclass(frozen=True, slots=True)
class Intent:
    """What is known of one. `made_by`: the agent that asked for it, or handed it on. `goal`: in its own words."""

    claims: IntentClaims
    goal: str
    made_by: str

    @property
    def intent_id(self) -> str:
        return self.claims.jti


class Intents:
    """Every method but `is_revoked`, `before` and `status` raises StoreUnavailable.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, connection: Connection, control: Control, *, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._control = control
        self._clock = clock
        self._uses = IntentUses(connection)
        self._revocations = Revocations(control, clock=clock)
        self.is_revoked = self._revocations.is_revoked
        self.before = self._revocations.before
        self.used = self._uses.used

    async def save(self, intent: Intent) -> None:
        """Before its token is given to anybody. Raises TooManyIntents; TokenProblem for one narrowed from nothing."""
        claims, keys = intent.claims, self._connection.keys
        names = (keys.intent(claims.jti), keys.intents_index, keys.intents_made(intent.made_by))
        end = round(claims.expires * 1000)
        args = (claims.jti, _written(intent), end, KEPT_SECONDS * 1000, MOST_OF_AGENT)
        await self._uses.open(claims)
        (done,) = await self._connection.script("save_intent", names, args)
        if not done:
            raise TooManyIntents(f"{MOST_OF_AGENT} intents of this agent have not ended yet.")

    async def use(self, claims: IntentClaims, uses: Sequence[Use]) -> None:
        """As `IntentUses.use`, of an intent that is still good. Raises TokenProblem `revoked` and `expired` as well."""
        self._check(claims)
        await self._uses.use(claims, uses)

    async def join(self, claims: IntentClaims, use: Use) -> bool:
        """As `IntentUses.join`. Raises as `use`."""
        self._check(claims)
        return await self._uses.join(claims, use)

    async def get(self, intent_id: str) -> Intent | None:
        """None for one that there is not, or not any more."""
        return (await self._read([intent_id]))[0]

    def status(self, intent: Intent, used: Used | None) -> Status:
        """What has become of it; `used` None: that is not known any more."""
        claims = intent.claims
        if self.is_revoked(claims):
            return "revoked"
        if claims.expires <= self._clock():
            return "expired"
        if used is None:
            return "revoked"
        return "active" if any(used.counts[step.id] < step.max_uses for step in claims.steps) else "exhausted"

    async def standing(self, intent: Intent) -> tuple[Status, Mapping[str, int]]:
        """What has become of it, and how often each step was used."""
        try:
            used = await self._uses.used(intent.claims)
        except TokenProblem:
            used = None
        return self.status(intent, used), used.counts if used is not None else {}

    async def revoke(self, intent: Intent) -> list[str]:
        """Refuse it from now on, and all that were narrowed from it; replicas that have not said that they do."""
        if intent.claims.expires <= self._clock() or self.is_revoked(intent.claims):
            return []
        return await self._acknowledged(
            await self._revocations.revoke(intent.claims.agent_id, intent.intent_id, intent.claims.expires)
        )

    async def revoke_all(self, agent_id: str) -> list[str]:
        """Refuse all that an agent has by now, and all that comes from it; replicas that have not said that they do."""
        return await self._acknowledged(await self._revocations.revoke_all(agent_id))

    async def page(
        self, agent_id: str | None = None, *, limit: int = 100, cursor: str = ""
    ) -> tuple[list[Intent], str | None]:
        """The newest first, and where to go on; a page may have fewer than `limit` before the last.

        Raises ValueError for a cursor that `page` did not give.
        """
        after = _place(cursor) if cursor else None
        found: list[Intent] = []
        for _ in range(_SCANNED // _BATCH):
            ends = "+inf" if after is None else after[0]
            rows = await self._connection.execute(
                "ZRANGE", self._connection.keys.intents_index, ends, "-inf", "BYSCORE", "REV", "LIMIT", 0, _BATCH,
                "WITHSCORES",
            )  # fmt: skip
            places = [(int(score), id.decode()) for id, score in zip(rows[::2], rows[1::2], strict=True)]
            fresh = [place for place in places if after is None or place < after]
            for place, intent in zip(fresh, await self._read([id for _, id in fresh]), strict=True):
                after = place
                if intent is not None and agent_id in (None, intent.claims.agent_id):
                    found.append(intent)
                    if len(found) == limit:
                        return found, f"{place[0]}-{place[1]}"
            if not fresh or len(places) < _BATCH:
                return found, None
        return found, None if after is None else f"{after[0]}-{after[1]}"

    def _check(self, claims: IntentClaims) -> None:
        """An answer may take minutes: what was good at its beginning may be over when its calls are released."""
        if self.is_revoked(claims):
            raise TokenProblem("revoked", "it was revoked")
        if self._clock() >= claims.expires + LEEWAY:
            raise TokenProblem("expired", "it has expired")

    async def _read(self, ids: Sequence[str]) -> list[Intent | None]:
        keys = self._connection.keys
        found = await asyncio.gather(*(self._connection.execute("GET", keys.intent(id)) for id in ids))
        return [None if one is None else _read(orjson.loads(one)) for one in found]

    async def _acknowledged(self, epoch: int) -> list[str]:
        with contextlib.suppress(StoreUnavailable):  # it is written; who has not heard of it polls
            return await self._control.acknowledged(epoch, _ACKNOWLEDGED_WITHIN)
        return []


def _written(intent: Intent) -> bytes:
    return orjson.dumps({"claims": intent.claims, "goal": intent.goal, "made_by": intent.made_by})


def _read(data: dict[str, Any]) -> Intent:
    claims = data["claims"]
    steps = tuple(Step(**{**step, "after": tuple(step["after"])}) for step in claims["steps"])
    lists = {name: tuple(claims[name]) for name in ("parents", "act")}
    return Intent(IntentClaims(**{**claims, **lists, "steps": steps}), data["goal"], data["made_by"])


def _place(cursor: str) -> tuple[int, str]:
    at, dash, intent_id = cursor.partition("-")
    if not dash or not at.isascii() or not at.isdigit() or len(at) > 16:
        raise ValueError("is not a cursor of this list")
    return int(at), intent_id
