"""What operators decided about ids."""

from collections.abc import Mapping
from typing import Any

from gateway.store.agent_rules import AgentRules
from gateway.store.control import ChangeConflict


class Decisions:
    """The control state of one process, without any Redis: what is told to whom is the rules' business alone."""

    def __init__(self) -> None:
        self.held: dict[str, tuple[dict[str, Any], int]] = {}
        self.tell: Any = None
        self.conflicts = 0

    def on(self, kind: str, listener: Any) -> None:
        self.tell = listener

    def get(self, kind: str, id: str) -> tuple[dict[str, Any], int] | None:
        return self.held.get(id)

    async def change(self, kind: str, id: str, data: Mapping[str, Any], *, expected: int | None = None) -> int:
        if self.conflicts:
            self.conflicts -= 1
            self.held[id] = {"active": False}, 9
            raise ChangeConflict(id)
        assert expected == self.held.get(id, ({}, 0))[1]
        self.held[id] = dict(data), (expected or 0) + 1
        self.tell(id, dict(data), self.held[id][1])
        return self.held[id][1]


async def test_one_change_keeps_what_another_one_said() -> None:
    rules = AgentRules(Decisions())
    await rules.change("agt_1", active=False)
    await rules.change("agt_1", into="agt_2")
    assert rules.is_inactive("agt_1") and rules.stands_for("agt_1") == "agt_2"
    await rules.change("agt_1", active=True, into=None)
    assert not rules.is_inactive("agt_1") and rules.stands_for("agt_1") == "agt_1"


async def test_a_change_at_the_same_time_is_not_lost() -> None:
    decisions = Decisions()
    rules = AgentRules(decisions)
    decisions.conflicts = 1
    await rules.change("agt_1", into="agt_2")
    assert decisions.held["agt_1"][0] == {"active": False, "into": "agt_2"}


async def test_a_circle_of_merges_ends_somewhere() -> None:
    rules = AgentRules(Decisions())
    await rules.change("agt_1", into="agt_2")
    await rules.change("agt_2", into="agt_1")
    assert rules.stands_for("agt_1") in ("agt_1", "agt_2")
    assert rules.merged_into("agt_1") == ["agt_2"]
