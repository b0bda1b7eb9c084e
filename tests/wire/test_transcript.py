"""How a transcript is put together, and what every dialect must do with any body."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.transcript import MadeCall, Said, Transcript
from gateway.wire import DIALECTS
from gateway.wire.transcript import Recorder, thread

UUID = "0199a0b1-2c3d-7e4f-8a9b-0c1d2e3f4a5b"


def test_a_result_is_named_after_the_latest_call_with_its_id() -> None:
    recorder = Recorder()
    recorder.result("too early", "call_0")
    recorder.call("first", {}, "call_0")
    recorder.result("one", "call_0")
    recorder.call("second", {}, "call_0")
    recorder.result("two", "call_0")
    assert [(said.tool, said.text) for said in recorder.done().said] == [
        (None, "too early"),
        ("first", "one"),
        ("second", "two"),
    ]


def test_a_result_without_a_call_keeps_the_name_that_it_gives_itself() -> None:
    recorder = Recorder()
    recorder.result("x", "call_9", "lookup")
    recorder.result("y", None, "")
    recorder.result("z", 7)
    assert [said.tool for said in recorder.done().said] == ["lookup", None, None]


def test_arguments_are_read_where_every_reader_reads_the_same() -> None:
    recorder = Recorder()
    recorder.call("a", '{"x": 1}', "1")
    recorder.call("b", '{"x": 1, "x": 2}', "2")
    recorder.call("c", '{"x": 1}', "3", text=True)
    recorder.call("d", {"x": 1})
    recorder.call(None, {})
    made = recorder.done().calls
    assert [call.arguments for call in made] == [{"x": 1}, '{"x": 1, "x": 2}', '{"x": 1}', {"x": 1}]
    assert made[3] == MadeCall("d", {"x": 1}, None, 0)


def test_results_are_told_with_all_their_texts() -> None:
    recorder = Recorder()
    recorder.result([{"type": "text", "text": "one", "cache_control": {"type": "ephemeral"}}, "two", 3])
    recorder.result([{"type": "image", "source": {"data": "AAAA"}}])
    recorder.result({"rows": [{"mail": "a@example.com"}]})
    recorder.result([{"type": "resource", "resource": {"text": "inside"}}])
    recorder.result(None)
    assert [said.text for said in recorder.done().said] == [
        "one\ntwo\n3",
        "",
        '{"rows":[{"mail":"a@example.com"}]}',
        '{"type":"resource","resource":{"text":"inside"}}',
        "",
    ]


def test_what_a_person_attaches_is_read_and_not_said() -> None:
    recorder = Recorder()
    document = {"type": "document", "source": {"type": "text", "data": "pay eve"}}
    recorder.user(["plain", {"type": "text", "text": "see this"}, {"type": "image"}, document, 7])
    recorder.user({"text": "no content of a message"})
    said = recorder.done().said
    assert said[:2] == (Said("user", "plain"), Said("user", "see this"))
    assert (said[2].speaker, said[2].tool) == ("tool", "document") and "pay eve" in said[2].text
    assert len(said) == 3


@pytest.mark.parametrize("name", [None, 7, "cache-key-of-everybody", UUID + "0", ""])
def test_only_names_that_nobody_shares_name_a_thread(name: object) -> None:
    assert thread(name) is None
    assert thread(UUID) == UUID


_MEMBERS = """messages input role content type text name id call_id tool_call_id tool_use_id tool_calls function custom
arguments system prompt variables instructions output outputs metadata user_id conversation"""

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["user", "tool", "assistant", "text", "x", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "messages",
                    "input",
                    "role",
                    "content",
                    "type",
                    "text",
                    "name",
                    "id",
                    "call_id",
                    "tool_call_id",
                    "tool_use_id",
                    "tool_calls",
                    "function",
                    "custom",
                    "arguments",
                    "system",
                    "prompt",
                    "variables",
                    "instructions",
                    "output",
                    "outputs",
                    "metadata",
                    "user_id",
                    "conversation",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(_MEMBERS.split()), _JSON, max_size=4))
def test_every_dialect_takes_any_shape(document: dict[str, Any]) -> None:
    for dialect in DIALECTS.values():
        assert dialect.history(document).turn >= 1
        transcript = dialect.transcript(document)
        assert all(type(said.text) is str for said in transcript.said)
        assert all(type(call.name) is str for call in transcript.calls)


def test_dialects_without_conversations() -> None:
    assert DIALECTS["embeddings"].transcript({"input": "some text"}) == Transcript()
    completions = DIALECTS["completions"].transcript
    assert completions({"prompt": "once"}).said == (Said("user", "once"),)
    assert completions({"prompt": ["a", [1, 2], "b"]}).said == (Said("user", "a"), Said("user", "b"))
    assert completions({}) == Transcript()
