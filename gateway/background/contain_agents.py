"""Stops quarantined agents beyond blocking them, and lets them go on when they are not blocked any more.

Done by whichever replica looks after the agent. What is about to be done is written down first: after a crash, or on
another replica, an agent is neither forgotten nor begun with again for ever. What fails is tried again, later each
time, for as long as it is wanted; agents are blocked at the gateway all the while.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from gateway.background.pausing import pause_after
from gateway.enforcement.enforcement import Enforcement
from gateway.enforcement.strategy import EnforcementFailed
from gateway.model.audit import AuditEntry
from gateway.model.lifecycle import KEPT_MOVES, Life
from gateway.store.contained_agents import Contained, ContainedAgents
from gateway.store.errors import StoreError

log = logging.getLogger(__name__)

Action = Literal["contain", "release"]

_TICK = 0.5
_IDLE_TICKS = 60
_AT_ONCE = 16


class Lives(Protocol):
    """`Quarantine`, as far as it is used here."""

    blocked: dict[str, Life]

    def of(self, agent_id: str) -> Life | None: ...


@dataclass(slots=True)
class _Trouble:
    """What does not succeed: how often it was tried, when it is tried next, what was said of it last."""

    action: Action
    blocked_at: float
    tries: int = 0
    again_at: float = 0.0
    told: tuple[tuple[str, str], ...] = ()


class ContainAgents:
    """`run` until cancelled, on every replica.

    Args:
        holds: whether this replica looks after an agent now.
        name_of: what an operator called an agent; raises StoreUnavailable.
        notify: tells whoever watches the events. audit: takes a line of the record. alert: webhooks: of a kind, with
            data, once an id. None of them waits or raises.
        clock: monotonic seconds. wall_clock: seconds since the epoch. jitter: a number in [0, 1).
    """

    def __init__(
        self,
        lives: Lives,
        enforcement: Enforcement,
        contained: ContainedAgents,
        *,
        holds: Callable[[str], bool],
        name_of: Callable[[str], Awaitable[str | None]],
        notify: Callable[[str, dict[str, Any]], None],
        audit: Callable[[AuditEntry], None],
        alert: Callable[[str, Mapping[str, Any], str], None],
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        jitter: Callable[[], float],
        tick: float = _TICK,
    ) -> None:
        self._lives = lives
        self._enforcement = enforcement
        self._contained = contained
        self._holds = holds
        self._name_of = name_of
        self._notify = notify
        self._audit = audit
        self._alert = alert
        self._clock = clock
        self._wall_clock = wall_clock
        self._jitter = jitter
        self._tick = tick
        self._troubles: dict[str, _Trouble] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        idle, left = 0, False
        try:
            while True:
                # Without targets nothing begins, and whether another replica left something can wait half a minute.
                if self._enforcement.configured or left or idle == 0:
                    try:
                        left = await self._look()
                    except StoreError as error:
                        log.debug("what agents were stopped cannot be read: %s", error)
                idle = (idle + 1) % _IDLE_TICKS
                await asyncio.sleep(self._tick)
        finally:
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self) -> bool:
        """Whether any agent is stopped, or about to be."""
        contained = await self._contained.all()
        blocked = self._lives.blocked
        for agent_id in self._enforcement.unnamed([*blocked, *contained]):
            self._enforcement.learn(agent_id, await self._name_of(agent_id))
        for agent_id in self._troubles.keys() - blocked.keys() - contained.keys():
            del self._troubles[agent_id]
        for agent_id in dict.fromkeys([*blocked, *contained]):
            if agent_id not in self._tasks and len(self._tasks) < _AT_ONCE and self._holds(agent_id):
                self._begin(agent_id, contained.get(agent_id))
        return bool(contained or self._tasks)

    def _begin(self, agent_id: str, before: Contained | None) -> None:
        life = self._lives.of(agent_id)
        if life is not None and life.blocked:
            wanted = self._missing(life, before)
            if wanted is not None and self._due(agent_id, "contain", wanted.blocked_at):
                self._start(agent_id, self._contain(life, wanted))
        elif before is not None and _knows(life, before) and self._due(agent_id, "release", before.blocked_at):
            # What another blocked agent runs in goes on when that one does.
            kept = self._enforcement.shared(agent_id)
            ways = [way for way in before.begun if way not in kept]
            if ways or not before.begun:
                self._start(agent_id, self._release(agent_id, before, ways))

    def _start(self, agent_id: str, work: Coroutine[Any, Any, None]) -> None:
        self._tasks[agent_id] = task = asyncio.create_task(work)

        def over(task: asyncio.Task[None]) -> None:
            del self._tasks[agent_id]
            if not task.cancelled() and (error := task.exception()) is not None:
                log.log(
                    logging.DEBUG if isinstance(error, StoreError) else logging.ERROR,
                    "agent %s is looked after again: %s",
                    agent_id,
                    error,
                    exc_info=None if isinstance(error, StoreError) else error,
                )

        task.add_done_callback(over)

    def _missing(self, life: Life, before: Contained | None) -> Contained | None:
        """What is to be written down of an agent before it is contained; None if there is nothing to do.

        One that is being healed may have to be awake for it, and one whose streams end is not stopped yet.
        """
        if life.state not in ("QUARANTINED", "EXHAUSTED"):
            return None
        ways, since = self._enforcement.strategies(life.agent_id), life.blocked_at
        if before is None or before.blocked_at != since:
            begun = ways if before is None else tuple(dict.fromkeys((*before.begun, *ways)))
            return Contained(life.incident_id or "", since, begun) if ways else None
        if set(ways) <= set(before.done):
            return None
        return replace(before, begun=tuple(dict.fromkeys((*before.begun, *ways))))

    async def _contain(self, life: Life, wanted: Contained) -> None:
        agent_id = life.agent_id
        await self._contained.put(agent_id, wanted)
        ways = [way for way in self._enforcement.strategies(agent_id) if way not in wanted.done]
        failures = await self._enforcement.contain(agent_id, wanted.incident_id, ways)
        failed = {failure.strategy for failure in failures}
        done = [way for way in ways if way not in failed]
        if done:
            await self._contained.put(agent_id, replace(wanted, done=(*wanted.done, *done)))
        self._over("contain", agent_id, wanted, done, failures)

    async def _release(self, agent_id: str, before: Contained, ways: Sequence[str]) -> None:
        known = self._enforcement.strategies(agent_id)
        failures = await self._enforcement.release(agent_id, before.incident_id, ways)
        failed = {failure.strategy for failure in failures}
        left = [way for way in before.begun if way in failed or way not in ways]
        if left:
            await self._contained.put(agent_id, replace(before, begun=tuple(left), done=()))
        else:
            await self._contained.remove(agent_id)
            self._enforcement.forget(agent_id)
        gone = [way for way in ways if way not in known]
        done = [way for way in ways if way not in failed and way not in gone]
        lost = [EnforcementFailed(way, "is not configured any more: start the agent by hand") for way in gone]
        self._over("release", agent_id, before, done, [*failures, *lost], again=bool(failures))

    # Trying again, and saying so

    def _due(self, agent_id: str, action: Action, blocked_at: float) -> bool:
        trouble = self._troubles.get(agent_id)
        if trouble is None or (trouble.action, trouble.blocked_at) != (action, blocked_at):
            self._troubles.pop(agent_id, None)
            return True
        return self._clock() >= trouble.again_at

    def _over(
        self,
        action: Action,
        agent_id: str,
        of: Contained,
        done: Sequence[str],
        failures: Sequence[EnforcementFailed],
        *,
        again: bool = True,
    ) -> None:
        if done:
            said = "contained" if action == "contain" else "released"
            self._say(action, f"enforcement.{said}", agent_id, of, {"strategies": list(done)})
        if not failures:
            self._troubles.pop(agent_id, None)
            return
        trouble = self._troubles.get(agent_id)
        if trouble is None:
            trouble = self._troubles[agent_id] = _Trouble(action, of.blocked_at)
        trouble.tries += 1
        trouble.again_at = self._clock() + pause_after(trouble.tries, self._jitter())
        told = tuple((failure.strategy, failure.reason) for failure in failures)
        if told == trouble.told:  # once is enough: the counter says how often
            return
        trouble.told = told
        for failure in failures:
            data = {"strategy": failure.strategy, "reason": failure.reason, "again": again}
            self._say(action, "enforcement.failed", agent_id, of, data)
            log.warning("Agent %s: %s by %s failed: %s", agent_id, action, failure.strategy, failure.reason)
        reasons = "; ".join(f"{failure.strategy}: {failure.reason}" for failure in failures)
        cause = f"{action} failed: {reasons}"
        data = {"agent_id": agent_id, "incident_id": of.incident_id or None, "cause": cause, "withheld": None}
        self._alert("immune.alert", data, f"{of.incident_id or agent_id}:{action}:{trouble.tries}")

    def _say(self, action: Action, kind: str, agent_id: str, of: Contained, data: Mapping[str, Any]) -> None:
        self._notify(kind, {"agent_id": agent_id, "incident_id": of.incident_id or None, "action": action, **data})
        failed = kind == "enforcement.failed"
        self._audit(
            AuditEntry(
                self._wall_clock(),
                "gateway",
                f"{action}:agent",
                agent_id=agent_id,
                resource=agent_id,
                result="error" if failed else "success",
                reason=data["reason"] if failed else None,
                metadata={"incident_id": of.incident_id, **{k: v for k, v in data.items() if k != "reason"}},
            )
        )


def _knows(life: Life | None, before: Contained) -> bool:
    """Whether this replica knows of the block for which the agent was contained: one that is behind must not let it
    go. Only so many moves are remembered of an agent."""
    if life is None:
        return False
    return len(life.history) >= KEPT_MOVES or any(move.at == before.blocked_at for move in life.history)
