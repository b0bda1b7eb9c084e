"""What the agents of one provider and model have in common: who is at work, who alarms, who is to blame.

Groups stand in Redis under digests: callers choose the names of models.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Set
from itertools import islice

import orjson

from gateway.immune.fleet import AtWork, Group
from gateway.immune.settings import FleetSettings
from gateway.store.connection import Connection
from gateway.store.errors import StoreError, StoreUnavailable
from gateway.store.lane import Argument
from gateway.store.vitals import plain

_AGENTS = 2000  # of one group; shares are judged of a thousand
_GROUPS = 200  # in one call, and to blame at a time
_LONGEST = 200
_RESERVED_US = 10_000_000  # by then the control state says on every replica that the agent is blocked


class Fleet:
    """Every method but `reserve_sigma` raises StoreUnavailable.

    Args:
        clock: seconds since the epoch.
        window_seconds: how long what agents did is of interest.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        clock: Callable[[], float],
        window_seconds: float = FleetSettings().window_seconds,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._window_ms = round(window_seconds * 1000)

    async def seen(
        self, groups: Mapping[Group, AtWork[Set[str]]], now: float | None = None
    ) -> Mapping[Group, AtWork[int]]:
        """How many agents of each group there were within the window.

        Args:
            groups: the agents; of the first two hundred groups.
            now: seconds since the epoch.
        """
        at = round((self._clock() if now is None else now) * 1000)
        calls, keys = [], self._connection.keys
        some = dict(islice(groups.items(), _GROUPS))
        for group, one in some.items():
            digest = _digest(group)
            arguments: list[Argument] = [at, self._window_ms, _AGENTS, math.ceil(self._window_ms / 500)]
            for agents in (one.active | one.alarming, one.alarming, one.known):
                seen = sorted(agents)[:_AGENTS]
                arguments += [len(seen), *seen]
            calls.append(([keys.fleet(part, digest) for part in ("active", "alarms", "known")], arguments))
        found = {}
        for group, reply in zip(some, await self._connection.scripts("see_group", calls), strict=True):
            if isinstance(reply, StoreError):
                raise reply.again()
            found[group] = AtWork(*map(int, reply))
        return found

    async def reserve_sigma(self, agent_id: str, most: int, known: Iterable[str]) -> bool:
        """Whether one more agent may be blocked on statistical evidence; asked again, the answer is the same for ten
        seconds, after which the agent has to be among the `known`.

        Args:
            most: how many may be at a time.
            known: those that are, as far as this replica knows. Without Redis nobody may.
        """
        blocked = set(known)
        if agent_id in blocked:
            return True
        try:
            said = await self._reserve(agent_id, 1)
            place = said.index(agent_id) + 1 if agent_id in said else len(said) + 1
            if len(blocked.union(said[:place])) <= most:
                return True
            await self._reserve(agent_id, 0)
        except StoreUnavailable:
            pass  # a throttle instead
        return False

    async def external(self) -> Mapping[Group, tuple[float, float]]:
        """The groups whose provider is the cause, since when and until when; also those where that is over and nobody
        has said so (`end_external`). Seconds since the epoch."""
        flat = await self._connection.script("read_hash", [self._connection.keys.fleet("external")])
        found: dict[Group, tuple[float, float]] = {}
        for kept in flat[1::2]:
            since, until, names = kept.split(b" ", 2)
            provider, model = orjson.loads(names)
            found[provider, model] = (float(since), float(until))
        return found

    async def set_external(self, group: Group, now: float, until: float) -> float:
        """A provider is the cause, until then at least; since when it is. `now` if that is news. Infinity: so many
        providers are the cause that this one is not noted."""
        names = orjson.dumps([plain(name[:_LONGEST]) for name in group])
        arguments = (_digest(group), repr(now), repr(until), names, _GROUPS)
        (since,) = await self._connection.script("set_external", [self._connection.keys.fleet("external")], arguments)
        return float(since) if since else math.inf

    async def end_external(self, group: Group) -> None:
        """It is not the cause any more."""
        await self._connection.execute("HDEL", self._connection.keys.fleet("external"), _digest(group))

    async def _reserve(self, agent_id: str, word: int) -> list[str]:
        arguments = (agent_id, _RESERVED_US, word)
        said = await self._connection.script("reserve_sigma", [self._connection.keys.fleet("sigma")], arguments)
        return [one.decode() for one in said]


def _digest(group: Group) -> str:
    """Of the names as `external` gives them, so that they name the same group again."""
    names = b"\x00".join(str(plain(name[:_LONGEST])).encode() for name in group)
    return hashlib.blake2b(names, digest_size=12).hexdigest()
