"""What people, events and metrics hear of agents."""

from gateway.background.tell_of_agents import TellOfAgents
from gateway.immune.lifecycle import Step
from gateway.model.lifecycle import Life
from tests.background.healing import Told
from tests.immune.made import finding

BEFORE = Life("agt_1", "QUARANTINED", incident_id="inc_1")


def telling(told: Told) -> TellOfAgents:
    return TellOfAgents(
        told,
        audit=told.audit.append,
        notify=lambda kind, data: told.events.append((kind, data)),
        alert=lambda kind, data, once: told.alerts.append((kind, data, once)),
        clock=lambda: 5.0,
    )


def test_a_finding_is_counted_each_time_and_told_once_a_minute() -> None:
    told, found = Told(), finding("tool_loop", hard=True)
    tell = telling(told)
    for _ in range(3):
        tell.found(found)
    assert told.found == ["tool_loop"] * 3
    assert [kind for kind, _ in told.events] == ["finding"]
    (entry,) = told.audit
    assert (entry.kind, entry.action, entry.rule) == ("finding", "find:tool_loop", "immune/tool_loop")
    assert entry.metadata["hard"] is True


def test_people_hear_of_what_is_withheld() -> None:
    told = Told()
    telling(told).warned(BEFORE, Step("tell", "odd", withheld="move"))
    assert [(kind, once) for kind, _, once in told.alerts] == [("immune.alert", "inc_1:odd")]
    assert [(kind, data) for kind, data, _ in told.alerts] == told.events
    assert [entry.action for entry in told.audit] == ["withhold:move"]


def test_a_move_is_told_with_its_cause_and_no_move_is_not() -> None:
    told = Told()
    telling(told).moved(BEFORE, BEFORE)
    assert told == Told()
    telling(told).moved(BEFORE, BEFORE.moved("HEALING", 4.0, "heal_now", "adk_kim"))
    assert told.moves == [("QUARANTINED", "HEALING")]
    data = {"agent_id": "agt_1", "before": "QUARANTINED", "state": "HEALING", "cause": "heal_now"}
    assert told.events == [("lifecycle", {**data, "incident_id": "inc_1"})]
    (entry,) = told.audit
    assert (entry.action, entry.reason, entry.resource, entry.time) == ("move:HEALING", "heal_now", "inc_1", 5.0)


def test_webhooks_hear_when_a_treatment_lets_an_agent_go_on() -> None:
    told, treated = Told(), BEFORE.moved("HEALING", 4.0, "auto", "gateway")
    telling(told).moved(treated, treated.moved("PROBATION", 5.0, "reset_memory", "gateway"))
    data = {"agent_id": "agt_1", "incident_id": "inc_1", "reason": "reset_memory"}
    assert told.alerts == [("agent.released", data, "inc_1:5.0")]


def test_treatments_are_told_by_what_became_of_them() -> None:
    told = Told()
    telling(told).treated("agt_1", "inc_1", "throttle", "unknown", "failed")
    assert told.treated_ == [("throttle", "failed")] and told.events[0][0] == "healing"
    assert (told.audit[0].action, told.audit[0].metadata) == ("heal:throttle", {"outcome": "failed"})


def test_webhooks_hear_of_agents_that_nothing_helped_and_of_those_a_person_let_be_blocked() -> None:
    told = Told()
    telling(told).exhausted("agt_1", "inc_1")
    telling(told).quarantined(BEFORE)
    assert [(kind, once) for kind, _, once in told.alerts] == [
        ("agent.exhausted", "inc_1:5.0"),
        ("agent.quarantined", "inc_1:0.0"),
    ]


def test_healing_took_from_the_first_block_of_the_case() -> None:
    told, life = Told(), Life("agt_1", "HEALTHY")
    telling(told).healed(life)
    assert told.healed == []
    path = ("DRAINING", "QUARANTINED", "HEALING", "PROBATION")
    for at, state in enumerate((*path, "HEALTHY", *path, *path)):
        life = life.moved(state, at / 10, "", "gateway")  # type: ignore[arg-type]
    for now in (life, life.moved("HEALTHY", 2.0, "", "gateway")):
        telling(told).healed(now)
    assert told.healed == [4.5, 4.5]
