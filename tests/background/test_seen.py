from gateway.background.act_on_agents import Subject
from gateway.background.seen import Seen, answered, groups_of
from gateway.immune.finding import Finding
from gateway.immune.record import new_record
from gateway.immune.settings import DEFAULT
from gateway.model.agent import Agent
from gateway.store.watch_feed import Entry
from tests.background.watching import START, call, loop
from tests.immune.exchanges import watched

GROUP = ("acme", "m-1")


def seen(agent_id: str, *found: Finding, **entry: object) -> Seen:
    made = Entry("1-0", agent_id, **entry)  # type: ignore[arg-type]
    group = GROUP if made.vitals is not None else None
    return Seen(made, new_record(agent_id, START), Subject(Agent(agent_id), DEFAULT), found, group)


def test_who_was_at_work_and_who_alarmed_is_told_by_provider_and_model() -> None:
    shared = Finding("high_retry_rate", "retries", None, START, "agt_2", "req_1", "m-1")
    many = [
        seen("agt_1", loop("agt_1"), vitals=call("agt_1", 0)),
        seen("agt_2", shared, vitals=call("agt_2", 0)),
        seen("agt_3", loop("agt_3"), finding=loop("agt_3")),
    ]
    assert groups_of(many) == {GROUP: ({"agt_1", "agt_2"}, {"agt_2"}, set())}
    many[1].record.state = watched(40)
    assert groups_of(many)[GROUP].known == {"agt_2"}


def test_an_entry_is_as_old_as_what_it_tells_of_and_an_order_is_never_too_old() -> None:
    late = loop("agt_1")
    assert seen("agt_1", vitals=call("agt_1", 7)).at == START + 7
    assert seen("agt_1", finding=late).at == late.at
    assert seen("agt_1", order={"do": "accept"}).at == float("inf")


def test_only_what_a_provider_has_answered_well_is_an_answer() -> None:
    assert answered(call("agt_1", 0))
    assert not answered(call("agt_1", 0, status=404))
    assert not answered(call("agt_1", 0, error_type="client_gone"))
