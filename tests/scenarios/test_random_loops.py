"""Agents that do anything in any order: what is executed is within the intent, and what is within it is executed.

A small model of an intent says what has to become of each thing that an agent does.
"""

import random
from collections import Counter
from typing import Any

import pytest

from tests.scenarios.loop import BOUND, Loop

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("restart_service", {"service": "cache"}),
    ("scale_fleet", {"count": 2}),
    ("scale_fleet", {"count": 3}),
    ("scale_fleet", {"count": 9}),
    ("restart_service", {"service": "database"}),
    ("delete_database", {"name": "billing"}),
]
NAMES = ("{}", "cloud__{}", "mcp__cloud__{}")
MANY = 25


class Model:
    """An intent of two steps, the second after the first; what was released is executed without a further use."""

    def __init__(self, restarts: int, scalings: int) -> None:
        self.most = {"restart": restarts, "scale": scalings}
        self.used: Counter[str] = Counter()
        self.released: Counter[int] = Counter()

    @property
    def steps(self) -> list[dict[str, Any]]:
        count = {"count": {"type": "integer", "minimum": 1, "maximum": 5}}
        restart = {"id": "restart", "tool": "restart_service", "arguments": {"service": "cache"}, "server": "cloud"}
        scale = {"id": "scale", "tool": "scale_fleet", "constraints": count, "after": ["restart"]}
        return [{**restart, "max_uses": self.most["restart"]}, {**scale, "max_uses": self.most["scale"]}]

    def step(self, call: int) -> str | None:
        return {0: "restart", 1: "scale", 2: "scale"}.get(call)

    def use(self, call: int) -> bool:
        """Whether the call may be let through, which uses its step."""
        step = self.step(call)
        if step is None or self.used[step] >= self.most[step] or (step == "scale" and not self.used["restart"]):
            return False
        self.used[step] += 1
        return True

    def propose(self, calls: list[int]) -> bool:
        before = self.used.copy()
        if not all([self.use(call) for call in calls]) or not _in_order(before, calls):
            self.used = before
            return False
        self.released.update(calls)
        return True

    def execute(self, call: int) -> bool:
        if self.released[call]:
            self.released[call] -= 1
            return True
        return self.use(call)


def _in_order(used: Counter[str], calls: list[int]) -> bool:
    """A step of the same turn is not done yet, so nothing can come after it."""
    return bool(used["restart"]) or not any(call in (1, 2) for call in calls)


@pytest.mark.parametrize("seed", range(8))
def test_whatever_an_agent_does_only_what_was_declared_is_executed(loop: Loop, seed: int) -> None:
    chance = random.Random(seed)
    agent, model = loop.agent(BOUND), Model(chance.randint(1, 3), chance.randint(1, 4))
    token = loop.plan(agent, *model.steps).token
    certain = True
    executed: Counter[int] = Counter()
    for _ in range(MANY):
        at = chance.randrange(2)
        if chance.random() < 0.5:
            calls = chance.choices(range(len(CALLS)), weights=(4, 4, 4, 1, 1, 1), k=chance.choice((1, 1, 2)))
            name = chance.choice(NAMES)
            told = loop.propose(agent, *[(name.format(CALLS[c][0]), CALLS[c][1]) for c in calls], token=token, at=at)
            expected, done = model.propose(calls), f"propose {calls}"
        else:
            call = chance.choices(range(len(CALLS)), weights=(4, 4, 4, 1, 1, 1))[0]
            told = loop.execute(agent, *CALLS[call], token=token, at=at, in_body=chance.random() < 0.5)
            expected, done = model.execute(call), f"execute {call}"
            executed[call] += told.allowed
        certain = certain and told.tries == 1  # what was not answered (503) may have used something
        assert not certain or told.allowed is expected, (seed, done, told, model.used, model.released)
    assert executed[0] <= model.most["restart"] and executed[1] + executed[2] <= model.most["scale"]
    assert not any(executed[call] for call in (3, 4, 5))
    assert Counter(CALLS.index(call) for call in loop.cloud.executed()) == +executed


def test_an_agent_and_its_helper_together_do_no_more_than_was_declared(loop: Loop) -> None:
    chance = random.Random(99)
    agent, helper, model = loop.agent(BOUND), loop.agent(BOUND), Model(2, 3)
    whole = loop.plan(agent, *model.steps)
    with loop.client(agent) as client:
        part = client.delegate_intent(whole.intent_id, agent_id=helper.agent_id)
    for _ in range(2 * MANY):
        who, token = chance.choice(((agent, whole.token), (helper, part.token)))
        call = CALLS[chance.randrange(len(CALLS))]
        if chance.random() < 0.4:
            loop.propose(who, call, token=token, at=chance.randrange(2))
        else:
            loop.execute(who, *call, token=token, at=chance.randrange(2))
    done = Counter(CALLS.index(call) for call in loop.cloud.executed())
    assert done[0] <= 2 and 0 < done[1] + done[2] <= 3 and done.keys() <= {0, 1, 2}
