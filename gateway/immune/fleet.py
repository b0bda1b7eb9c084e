"""Whether many agents suffer from one thing they share, their provider, before each is taken for ill."""

from collections.abc import Mapping
from math import comb
from typing import Generic, NamedTuple, TypeVar

from gateway.immune.settings import FleetSettings

Group = tuple[str, str]
"""Provider and model."""


T = TypeVar("T", covariant=True)


class AtWork(NamedTuple, Generic[T]):
    """The agents of a group, or how many: those at work, those of them that alarmed, those of these that were known
    before (warm)."""

    active: T
    alarming: T
    known: T


def tail(alarming: int, agents: int, rate: float) -> float:
    """The chance that at least `alarming` of `agents` healthy ones alarm, each with chance `rate`, independently."""
    if alarming <= 0:
        return 1.0
    # Summed from the smallest term: the terms fall fast where it matters.
    return sum(comb(agents, k) * rate**k * (1.0 - rate) ** (agents - k) for k in range(agents, alarming - 1, -1))


def is_external(alarming: int, agents: int, settings: FleetSettings | None = None, *, known: int | None = None) -> bool:
    """Whether so many are no coincidence. One or two agents prove nothing about their provider; nor do newcomers, whom
    anybody can make up, but as many as there are known ones (all, if None) to say the same."""
    settings = settings or FleetSettings()
    if known is not None:
        alarming = min(alarming, 2 * known)
    if alarming < 3 or alarming > agents:
        return False
    # A fleet of thousands alarms by chance every minute; the exact tail of large ones is not needed to see k of n.
    if agents > 1000:
        agents, alarming = 1000, alarming * 1000 // agents
    return tail(alarming, agents, settings.alarm_rate) < settings.tail


def external(
    alarms: Mapping[Group, Mapping[str, float]],
    active: Mapping[Group, Mapping[str, float]],
    now: float,
    settings: FleetSettings | None = None,
) -> frozenset[Group]:
    """The groups whose provider is the cause.

    Args:
        alarms: by group and agent, when it last alarmed on what a provider can cause. Seconds since the epoch.
        active: by group and agent, when it was last seen.
        now: the same clock.
    """
    settings = settings or FleetSettings()
    since = now - settings.window_seconds
    found = set()
    for group, agents in alarms.items():
        ill = {agent for agent, at in agents.items() if at >= since}
        seen = {agent for agent, at in active.get(group, {}).items() if at >= since}
        if is_external(len(ill), len(seen | ill), settings):
            found.add(group)
    return frozenset(found)


def in_company(active: Mapping[str, float], now: float, settings: FleetSettings | None = None) -> bool:
    """Whether a group has enough agents at work for the others to tell whether the provider is the cause."""
    settings = settings or FleetSettings()
    return sum(at >= now - settings.window_seconds for at in active.values()) >= 3
