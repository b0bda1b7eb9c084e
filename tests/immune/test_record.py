import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.immune.course import Course
from gateway.immune.finding import Finding
from gateway.immune.memory import Memory
from gateway.immune.record import Good, Record, fields, new_record, record_of, summary_of
from gateway.immune.watched import watch
from gateway.model.lifecycle import Life
from tests.immune.exchanges import exchange, watched

NAMES = st.text(max_size=20)


def kept(record: Record) -> dict[str, bytes]:
    return dict(fields(record))


def test_a_record_is_the_same_after_it_was_kept() -> None:
    record = new_record("agt_a", 5.0)
    record.state = watched()
    watch(record.state, exchange(200))
    finding = Finding("tool_loop", "identical_calls", None, 5.0, "agt_a", "req_1", hard=True)
    record.life = Life("agt_a").moved("HEALTHY", 6.0, "warm", "gateway").moved("SUSPECTED", 7.0, "x", "gateway")
    record.course = Course("SUSPECTED").after([finding], 7.0, call=True)
    record.memory = Memory().begun("inc_1", "infinite_loop", "reset_memory", 8.0)
    again = record_of("agt_a", kept(record))
    assert again is not None
    assert (again.life, again.course, again.memory, again.good) == (
        record.life,
        record.course,
        record.memory,
        record.good,
    )
    assert kept(again) == kept(record)


@given(st.lists(st.tuples(NAMES, NAMES, st.tuples(NAMES))))
def test_what_was_good_holds_the_latest_prompt_and_model_and_every_tool_up_to_a_bound(
    seen: list[tuple[str, str, tuple[str]]],
) -> None:
    good = Good()
    for prompt, model, tools in seen:
        good = good.having(prompt or None, model or None, tools)
    assert good.prompt == next((prompt for prompt, _, _ in reversed(seen) if prompt), None)
    assert good.model == next((model for _, model, _ in reversed(seen) if model), None)
    assert set(good.tools) == {tool for _, _, (tool,) in seen}
    assert len(Good().having(None, None, tuple(map(str, range(200)))).tools) == 64


def test_a_record_of_another_version_is_learned_anew_and_one_that_is_not_there_is_none() -> None:
    record = kept(new_record("agt_a", 5.0))
    assert record_of("agt_a", {}) is None
    assert record_of("agt_a", {**record, "c": b"[99,{}]"}) is None
    assert record_of("agt_a", {**record, "l": b"{"}) is None


def test_a_summary_can_be_read_alone() -> None:
    record = new_record("agt_a", 5.0)
    assert summary_of(kept(record)["t"]) == record.summary
    assert (record.summary.state, record.summary.since) == ("INITIALIZING", 5.0)


def test_only_an_agent_that_nothing_is_the_matter_with_may_be_left_alone() -> None:
    record = new_record("agt_a", 5.0)
    assert not record.busy
    record.course = Course(throttled=True)
    assert record.busy
    record.course = Course(waiting="a loop")
    assert record.busy
    record.course = Course()
    record.life = Life("agt_a", "PROBATION")
    assert record.busy


@pytest.mark.parametrize("field", ["s", "c", "l", "m", "g"])
@pytest.mark.parametrize("junk", [b"null", b"[]", b"{}", b"5", b"x", b'"x"', b"[1]", b"[1,null]", b"[1,[]]"])
def test_what_cannot_be_read_is_as_good_as_nothing(field: str, junk: bytes) -> None:
    assert record_of("agt_a", {**kept(new_record("agt_a", 5.0)), field: junk}) is None
