"""What was seen of agents in one round, before it is decided what follows from it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.background.act_on_agents import Subject
from gateway.immune.evidence import is_shared
from gateway.immune.finding import Finding
from gateway.immune.fleet import AtWork, Group
from gateway.immune.record import Record
from gateway.model.vitals import Vitals
from gateway.store.watch_feed import Entry


@dataclass(slots=True)
class Seen:
    """One entry and what was found in it."""

    entry: Entry
    record: Record
    subject: Subject
    found: tuple[Finding, ...]
    group: Group | None

    @property
    def at(self) -> float:
        """Seconds since the epoch; an order is always of now."""
        if self.entry.vitals is not None:
            return self.entry.vitals.time
        return math.inf if self.entry.finding is None else self.entry.finding.at


def answered(vitals: Vitals) -> bool:
    return 200 <= vitals.status < 300 and vitals.error_type is None


def groups_of(seen: Iterable[Seen]) -> dict[Group, AtWork[set[str]]]:
    """By provider and model, who was at work and who alarmed on what the provider may have caused."""
    groups: dict[Group, AtWork[set[str]]] = {}
    for one in seen:
        if one.group is not None:
            group = groups.get(one.group)
            if group is None:
                group = groups[one.group] = AtWork(set(), set(), set())
            group.active.add(one.record.agent_id)
            if one.found and any(map(is_shared, one.found)):
                group.alarming.add(one.record.agent_id)
                if one.record.state.warm:
                    group.known.add(one.record.agent_id)
    return groups
