"""What must hold for every stream of the Responses and Messages APIs, wherever the network cuts it."""

import pytest

from gateway.model.errors import Refusal
from gateway.model.verdict import allow_all
from tests.support.transcripts import MARK, Run, deny_all, dialect_of, events, load, names

TRANSCRIPTS = [*names("responses"), *names("messages")]
CUT_SHORT = {"responses-incomplete-call"}
"""The provider stopped in the middle of a call: nobody may have it."""
ENDED_BY_ERROR = {"responses-error-in-call", "responses-failed-in-call", "messages-error-in-call"}
"""The provider reports an error in the middle of a call: what was held is dropped."""


def cuts(data: bytes) -> range:
    """Where to cut a stream: everywhere; in a long one, at offsets that fall on every kind of byte."""
    return range(0, len(data) + 1, 1 if len(data) < 1500 else 13)


RELEASABLE = [name for name in TRANSCRIPTS if name not in CUT_SHORT | ENDED_BY_ERROR]


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", RELEASABLE)
def test_with_nothing_to_deny_the_stream_leaves_as_it_came_wherever_it_is_cut(name: str) -> None:
    data = load(name)
    for cut in cuts(data):
        run = Run(dialect_of(name), allow_all, (data[:cut], data[cut:]))
        assert run.out == data
        assert run.failure is None
    assert Run(dialect_of(name), allow_all, (data[i : i + 1] for i in range(len(data)))).out == data


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_no_byte_of_a_denied_call_leaves_wherever_the_stream_ends(name: str) -> None:
    data = load(name)
    for cut in cuts(data):
        assert MARK not in Run(dialect_of(name), deny_all, (data[:cut],)).out


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_a_denied_stream_is_the_same_wherever_it_is_cut(name: str) -> None:
    data = load(name)
    whole = Run(dialect_of(name), deny_all, (data,)).out
    assert Run(dialect_of(name), deny_all, (data[i : i + 1] for i in range(len(data)))).out == whole


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_a_refusal_in_place_of_a_ruling_ends_the_stream_with_an_error(name: str) -> None:
    def refuse(calls: object) -> Refusal:
        return Refusal("tool_call_denied", "no tools today")

    data = load(name)
    run = Run(dialect_of(name), refuse, (data,))
    assert MARK not in run.out
    last = events(run.out)[-1]
    if run.judged:
        assert "no tools today" in str(last)
        assert "tool_call_denied" in str(last)
    else:
        assert run.failure is None or name in CUT_SHORT


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_every_call_of_the_client_is_judged(name: str) -> None:
    data = load(name)
    run = Run(dialect_of(name), allow_all, (data,))
    assert bool(run.judged) is (MARK in data and name not in CUT_SHORT | ENDED_BY_ERROR)
    for calls in run.judged:
        assert all(call.problem is None and call.name for call in calls)


@pytest.mark.parametrize("name", TRANSCRIPTS)
@pytest.mark.parametrize("line_end", [b"\r\n", b"\r"])
def test_other_line_ends_change_nothing(name: str, line_end: bytes) -> None:
    data = load(name).replace(b"\n", line_end)
    assert MARK not in Run(dialect_of(name), deny_all, (data,)).out
    if name in RELEASABLE:
        assert Run(dialect_of(name), allow_all, (data,)).out == data


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_a_stream_without_event_names_is_judged_all_the_same(name: str) -> None:
    data = b"".join(line for line in load(name).splitlines(keepends=True) if not line.startswith(b"event:"))
    run = Run(dialect_of(name), deny_all, (data,))
    assert MARK not in run.out
    assert len(run.judged) == len(Run(dialect_of(name), deny_all, (load(name),)).judged)
