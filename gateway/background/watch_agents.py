"""Watches agents: reads what they did, in order, partition by partition, and has done what follows from it.

    read      entries behind the position, of the partitions that this replica leases
    watch     each exchange by what is known of its agent; then learn from it
    decide    with what the fleet says; steps are carried out at once, and may be carried out again
    save      records and position together, if the lease still holds

What goes wrong in between (Redis is away, the lease is lost) lets go of everything that was not saved: whoever leases
the partition then begins at the position that was. An entry, or an agent, that cannot be understood is passed over: it
must not keep the others of its partition from being watched.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.background.act_on_agents import ActOnAgents, Subject
from gateway.background.seen import Seen, answered, groups_of
from gateway.background.watch_fleet import ALONE, Shared, WatchFleet
from gateway.immune.caps import agent_caps
from gateway.immune.detection import Detection, detection
from gateway.immune.finding import Finding
from gateway.immune.lifecycle import Health, decide, on_sigma
from gateway.immune.rates import UNCOUNTED
from gateway.immune.record import Record, new_record
from gateway.immune.repeated import heard
from gateway.immune.settings import Immune
from gateway.immune.watched import watch
from gateway.model.agent import Agent
from gateway.model.bounded import make_room
from gateway.model.lifecycle import BLOCKED, Life
from gateway.model.vitals import Vitals
from gateway.store.errors import StoreError
from gateway.store.keys import partition_of
from gateway.store.quarantine import Quarantine
from gateway.store.watch_feed import Entry
from gateway.store.watch_partitions import WatchPartitions

log = logging.getLogger(__name__)

_EVERY = 0.2
_HOLD_EVERY = 0.5
_LOOK_EVERY = 0.5
_SAVE_EVERY = 1.0  # writing a record down takes longer than watching some exchanges; what is done is saved at once
_KEPT_RECORDS = 400  # of one partition, in memory: 5 to 20 KB each
_AT_ONCE = 50  # entries between two turns of the loop: some milliseconds
_TURN_SECONDS = 0.25  # of one partition, and as long for its agents that do not call: leases have to be renewed
_WORTH_TELLING = 1.0  # σ; nobody looks for what is nearer
_LOOKED_AT = 200  # agents of a partition that one round looks after without their having called
_COMPLAIN_EVERY = 60.0
_DETECTIONS = 1_000


class Healing(Protocol):
    async def look(self, record: Record, life: Life, settings: Immune) -> None: ...


class Numbers(Protocol):
    def watched(self, lag_seconds: float) -> None: ...

    def deviated(self, metric: str, deviation: float) -> None: ...


Whose = Callable[[str], Awaitable[tuple[Agent, Immune, bool]]]
"""An agent, its settings, and whether it exists. Raises StoreUnavailable."""


@dataclass(slots=True)
class _Partition:
    """What is in memory of one partition.

    `busy` are agents that are looked after without their calling; `unsaved` have changed since the last save, by which
    everything up to the entry `last` was watched.
    """

    records: dict[str, Record] = field(default_factory=dict)
    busy: dict[str, None] = field(default_factory=dict)
    looked_at: float = float("-inf")
    unsaved: dict[str, Record] = field(default_factory=dict)
    last: str | None = None
    saved_at: float = float("-inf")

    def forget(self) -> None:
        """Begin anew where it was saved last."""
        self.records.clear()
        self.unsaved.clear()
        self.last = None


class WatchAgents:
    """One of them a replica.

    Args:
        whose: who an agent is and how it is to be watched.
        agents: asks how many agents there are.
        replicas: how many replicas share the partitions.
        clock: seconds since the epoch. monotonic: seconds.

    Attributes:
        many: how many agents there were a second ago.
        passed_over: entries, and looks at agents, that could not be understood.
    """

    def __init__(
        self,
        partitions: WatchPartitions,
        act: ActOnAgents,
        healing: Healing,
        fleet: WatchFleet,
        quarantine: Quarantine,
        numbers: Numbers,
        *,
        whose: Whose,
        agents: Callable[[], Awaitable[int]],
        replicas: Callable[[], int],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._partitions = partitions
        self._act = act
        self._healing = healing
        self._fleet = fleet
        self._quarantine = quarantine
        self._numbers = numbers
        self._whose = whose
        self._agents = agents
        self._replicas = replicas
        self._clock = clock
        self._monotonic = monotonic
        self.many = 0
        self.passed_over = 0
        self._complained_at = float("-inf")
        self._mine: dict[int, _Partition] = {}
        self._held_at = float("-inf")
        self._detections: dict[int, tuple[Immune, Detection]] = {}

    async def run(self) -> None:
        """For ever, until cancelled; then others may go on at once."""
        try:
            while True:
                await self._round()
                await asyncio.sleep(_EVERY)
        finally:
            await self._partitions.release()

    async def _round(self) -> None:
        try:
            await self._hold()
            read = await asyncio.gather(
                *[self._partitions.read(place, after=mine.last) for place, mine in self._mine.items()]
            )
            for (place, mine), entries in zip(tuple(self._mine.items()), read, strict=True):
                await self._hold()
                if self._mine.get(place) is mine and place in self._partitions.held:
                    await self._turn(place, entries)
            await self._fleet.over()
        except StoreError as error:
            log.debug("agents are not watched at the moment: %s", error)
            self._let_go()
        except Exception:  # broad: whatever it is, the watch over all agents goes on
            log.exception("A round of watching agents failed")
            self._let_go()
            await asyncio.sleep(_HOLD_EVERY)

    async def _hold(self) -> None:
        now = self._monotonic()
        if now - self._held_at < _HOLD_EVERY:
            return
        self.many = await self._agents()
        held = await self._partitions.hold(self._replicas())
        self._held_at = now
        for place in set(self._mine) - held:
            del self._mine[place]
        for place in held - set(self._mine):
            busy = await self._partitions.busy(place)
            self._mine[place] = _Partition(busy=dict.fromkeys(busy))

    def _let_go(self) -> None:
        """Forget what was not saved; the next read begins at the position that was saved last."""
        for mine in self._mine.values():
            mine.forget()

    # One partition

    async def _turn(self, place: int, entries: Sequence[Entry]) -> None:
        mine, began = self._mine[place], self._monotonic()
        urgent = False
        for start in range(0, len(entries), _AT_ONCE):
            urgent |= await self._take(mine, entries[start : start + _AT_ONCE])
            if self._monotonic() - began > _TURN_SECONDS:
                break  # the rest is read again
        if self._monotonic() - mine.looked_at >= _LOOK_EVERY:
            mine.looked_at = self._monotonic()
            for record in await self._look_after(place, mine):
                mine.unsaved[record.agent_id] = record
                urgent = True
        if urgent or ((mine.unsaved or mine.last) and self._monotonic() - mine.saved_at >= _SAVE_EVERY):
            await self._save(place)

    async def _take(self, mine: _Partition, entries: Sequence[Entry]) -> bool:
        """Watch what some entries tell; whether something came of it."""
        urgent = False
        mine.last = entries[-1].id
        await self._recall(mine, {entry.agent_id for entry in entries})
        seen = await self._watch(mine, entries)
        groups = await self._fleet.seen(groups_of(seen))
        for one in seen:
            mine.unsaved[one.record.agent_id] = one.record
            urgent |= one.entry.vitals is None
            if one.found or not self._is_well(one.record):
                shared = groups.get(one.group, ALONE) if one.group is not None else ALONE
                try:
                    urgent |= await self._judge(one, shared)
                except StoreError:
                    raise
                except Exception:  # broad: see `_pass_over`
                    self._pass_over(one.record.agent_id)
        return urgent

    def _pass_over(self, agent_id: str) -> None:
        """To be called where an exception was caught: whatever an agent or a provider has left here, the others are
        watched."""
        self.passed_over += 1
        if self._monotonic() - self._complained_at >= _COMPLAIN_EVERY:
            self._complained_at = self._monotonic()
            log.exception("Agent %s is not understood; %d things were passed over", agent_id, self.passed_over)

    async def _save(self, place: int) -> None:
        mine = self._mine[place]
        touched, last, caps = mine.unsaved, mine.last, {}
        for agent_id, record in touched.items():
            try:
                caps[agent_id] = agent_caps(record.state)
            except Exception:  # broad: see `_pass_over`
                self._pass_over(agent_id)
        if not await self._partitions.save(place, last, list(touched.values()), caps):
            del self._mine[place]  # and anew when it is held again
            return
        for agent_id, record in touched.items():
            if record.busy:
                mine.busy[agent_id] = None
            else:
                mine.busy.pop(agent_id, None)
        mine.unsaved, mine.last, mine.saved_at = {}, None, self._monotonic()
        for agent_id in list(mine.records)[: max(0, len(mine.records) - _KEPT_RECORDS)]:
            del mine.records[agent_id]

    async def _recall(self, mine: _Partition, agent_ids: Iterable[str]) -> None:
        """Have the records of these agents in memory, those used last at the end."""
        missing = [agent_id for agent_id in agent_ids if agent_id not in mine.records]
        if missing:
            mine.records.update(await self._partitions.load(missing))

    async def _watch(self, mine: _Partition, entries: Sequence[Entry]) -> list[Seen]:
        seen: list[Seen] = []
        asked: dict[str, tuple[Agent, Immune, bool]] = {}
        now = self._clock()
        await asyncio.sleep(0)
        for entry in entries:
            try:
                whose = asked.get(entry.agent_id)
                if whose is None:
                    whose = asked[entry.agent_id] = await self._whose(entry.agent_id)
                record = self._record(mine, entry, now, exists=whose[2])
                if record is None:
                    continue
                if entry.order is not None:
                    await self._act.obey(record, entry.order)
                seen.append(self._watch_one(entry, record, Subject(whose[0], whose[1], False, entry.id), now))
            except StoreError:
                raise
            except Exception:  # broad: see `_pass_over`
                self._pass_over(entry.agent_id)
        return seen

    def _record(self, mine: _Partition, entry: Entry, now: float, *, exists: bool) -> Record | None:
        """What is known of an entry's agent; None: there is no such agent, and it has not come to exist either."""
        record = mine.records.get(entry.agent_id)
        if record is None:
            if not (exists if entry.vitals is None else answered(entry.vitals)):
                return None
            record = mine.records[entry.agent_id] = new_record(entry.agent_id, now)
        record.life = self._act.life(record)
        return record

    def _watch_one(self, entry: Entry, record: Record, subject: Subject, now: float) -> Seen:
        if entry.vitals is None:
            told = () if entry.finding is None else heard(record.state, entry.finding)
            return Seen(entry, record, subject, told, None)
        self._numbers.watched(now - entry.vitals.time)
        return self._exchange(entry, record, subject, entry.vitals)

    def _exchange(self, entry: Entry, record: Record, subject: Subject, vitals: Vitals) -> Seen:
        if vitals.tools_hash is not None and self._act.gives_tools(record.agent_id):
            record.state.accept("toolset", vitals.tools_hash)  # which is the remedy's doing
        found = watch(record.state, vitals, self._detection(subject.settings))
        for metric, baseline in record.state.latest.items():
            if not -_WORTH_TELLING < baseline.z < _WORTH_TELLING:
                self._numbers.deviated(metric, baseline.z)
        if vitals.time > record.seen:
            record.seen = vitals.time
        if not found and record.life.state in ("INITIALIZING", "HEALTHY") and answered(vitals):
            forms = record.state.forms
            prompt = vitals.prompt_hash if "prompt" in forms and vitals.prompt_hash in forms["prompt"].known else None
            model = vitals.model if "model" in forms and vitals.model in forms["model"].known else None
            record.good = record.good.having(prompt, model, vitals.tool_names)
        group = (vitals.provider or "", vitals.model or "") if vitals.model is not None else None
        return Seen(entry, record, subject, found, group)

    def _is_well(self, record: Record) -> bool:
        """Whether one more call without a finding changes nothing."""
        idle = record.life.state == "HEALTHY" and record.course.idle
        return idle and not (record.busy or self._act.is_left_over(record))

    async def _judge(self, one: Seen, shared: Shared) -> bool:
        """Whether something came of it."""
        vitals = one.entry.vitals
        call = vitals is not None and vitals.error_type not in UNCOUNTED
        record = one.record
        subject = one.subject
        if shared.external:
            subject = Subject(subject.agent, subject.settings, True, subject.entry)
        if self._act.life(record).state == "PROBATION" and one.at < record.life.since:
            return False  # from before its treatment, of which it says nothing
        done = await self._decide(record, subject, one.found, shared, call=call)
        if one.found:
            await self._act.found(record, one.found, subject)
        return done

    async def _decide(
        self, record: Record, subject: Subject, found: Sequence[Finding], shared: Shared, *, call: bool
    ) -> bool:
        record.life = self._act.life(record)
        state = record.state
        sigma = len(on_sigma(self._quarantine.blocked.values())) if found and not record.life.blocked else 0
        health = Health(state.warm, state.calls, self.many, sigma, shared.external, shared.company)
        record.course, steps = decide(
            record.life, record.course, found, health, subject.settings, now=self._clock(), call=call
        )
        for step in steps:
            await self._act.do(record, step, subject)
        await self._act.settle(record)
        return bool(steps)

    def _detection(self, settings: Immune) -> Detection:
        known = self._detections.get(id(settings))
        if known is None or known[0] is not settings:
            make_room(self._detections, _DETECTIONS)
            known = self._detections[id(settings)] = settings, detection(settings)
        return known[1]

    # Without a call

    async def _look_after(self, place: int, mine: _Partition) -> list[Record]:
        """Agents that time, a person or a treatment may move on."""
        for life in self._quarantine.blocked.values():
            if partition_of(life.agent_id) == place:
                mine.busy.setdefault(life.agent_id, None)
        due, began = list(mine.busy)[:_LOOKED_AT], self._monotonic()
        await self._recall(mine, due)
        changed = []
        for agent_id in due:
            if self._monotonic() - began > _TURN_SECONDS:
                break
            mine.busy.pop(agent_id, None)  # and in again below: all have their turn
            record = mine.records.get(agent_id)
            if record is None:
                record = mine.records[agent_id] = new_record(agent_id, self._clock())
            before = (record.life, record.course, record.memory)
            mine.busy[agent_id] = None
            try:
                agent, settings, _ = await self._whose(agent_id)
                await self._look(record, Subject(agent, settings, entry=f"{self._clock():.3f}"))
            except StoreError:
                raise
            except Exception:  # broad: see `_pass_over`
                self._pass_over(agent_id)
            if not record.busy:
                del mine.busy[agent_id]
            if (record.life, record.course, record.memory) != before:
                changed.append(record)
        return changed

    async def _look(self, record: Record, subject: Subject) -> None:
        record.life = self._act.life(record)
        if record.life.state in BLOCKED or record.course.asked:
            await self._healing.look(record, record.life, subject.settings)
            record.life = self._act.life(record)
        if record.life.state in BLOCKED:
            return
        shared = await self._fleet.of(record) if record.course.waiting else ALONE
        await self._decide(record, subject, (), shared, call=False)
