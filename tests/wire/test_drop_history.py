"""What a conversation held is left out: what is left is valid in its dialect, and what stays keeps its bytes."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.errors import UnreadableRequest
from gateway.wire import DIALECTS
from gateway.wire.conversation import ARRAYS, calls_in, reported_in, results_among
from gateway.wire.drop_history import NothingLeft, drop_history, refers

CHAT, RESPONSES, MESSAGES = "chat_completions", "responses", "messages"


def left(dialect: str, document: dict[str, Any], held: int, *, refers: bool = False) -> Any:
    body = orjson.dumps(document)
    after = drop_history(body, document, dialect, held, refers=refers)
    return None if after is body else orjson.loads(after)


def chat(*messages: Any, held: int) -> Any:
    found = left(CHAT, {"messages": list(messages)}, held)
    return None if found is None else found["messages"]


def anthropic(*messages: Any, held: int) -> Any:
    found = left(MESSAGES, {"messages": list(messages)}, held)
    return None if found is None else found["messages"]


def responses(*items: Any, held: int, refers: bool = False, **more: Any) -> Any:
    found = left(RESPONSES, {"input": list(items), **more}, held, refers=refers)
    return None if found is None else found["input"]


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def says(content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def calls(*ids: str) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": [{"id": id, "type": "function"} for id in ids]}


def result(id: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": "…"}


def use(*ids: str) -> dict[str, Any]:
    return says([{"type": "tool_use", "id": id, "name": "f", "input": {}} for id in ids])


def gives(*ids: str) -> list[Any]:
    return [{"type": "tool_result", "tool_use_id": id, "content": "…"} for id in ids]


def call(id: str) -> dict[str, Any]:
    return {"type": "function_call", "call_id": id, "name": "f", "arguments": "{}"}


def output(id: str) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": id, "output": "…"}


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


SYSTEM, DEVELOPER = {"role": "system", "content": "s"}, {"role": "developer", "content": "d"}


# Chat completions


def test_in_chat_what_the_makers_say_and_the_last_words_stay() -> None:
    before = (SYSTEM, user("1"), calls("a"), result("a"), says("x"), DEVELOPER, user("2"), user("3"))
    assert chat(*before, held=8) == [SYSTEM, DEVELOPER, user("2"), user("3")]
    assert chat(*before, calls("b"), result("b"), held=8) == [
        SYSTEM,
        DEVELOPER,
        user("2"),
        user("3"),
        calls("b"),
        result("b"),
    ]


def test_in_the_midst_of_calls_only_the_words_are_left() -> None:
    assert chat(SYSTEM, user("1"), calls("a"), result("a"), held=4) == [SYSTEM, user("1")]


def test_a_result_without_its_call_goes_whenever_it_comes() -> None:
    late = (user("1"), calls("a", "b"), result("a"), result("b"), calls("a"), result("a"))
    assert chat(*late, held=3) == [user("1"), calls("a"), result("a")]
    older = ({"role": "assistant", "function_call": {"name": "f"}}, {"role": "function", "name": "f", "content": "…"})
    assert chat(user("1"), *older, says("x"), held=2) == [user("1"), says("x")]


def test_a_conversation_that_has_only_begun_keeps_its_bytes() -> None:
    assert chat(SYSTEM, user("1"), held=2) is None
    assert chat(user("1"), calls("a"), result("a"), says("x"), held=1) is None
    assert (
        left(CHAT, {}, 0) is left("embeddings", {"input": ["a"]}, 0) is left("completions", {"prompt": "x"}, 0) is None
    )


def test_where_nothing_is_left_that_is_said() -> None:
    with pytest.raises(NothingLeft):
        chat(calls("a"), result("a"), held=2)
    assert chat(SYSTEM, calls("a"), result("a"), held=3) == [SYSTEM]


# The Responses API


def test_in_the_responses_api_items_go_and_offered_tools_stay() -> None:
    tools, reasoning = {"type": "additional_tools", "tools": []}, {"type": "reasoning", "id": "r"}
    before = (DEVELOPER, tools, user("1"), reasoning, call("a"), output("a"), says("x"), user("2"))
    assert responses(*before, held=8) == [DEVELOPER, tools, user("2")]
    assert responses(*before, call("b"), output("b"), output("a"), held=8)[3:] == [call("b"), output("b")]


def test_the_reference_to_what_the_provider_keeps_goes() -> None:
    for member, value in (("previous_response_id", "resp_1"), ("conversation", {"id": "conv_1"})):
        document = {"model": "m", "input": [user("1"), output("a")], member: value}
        assert refers(RESPONSES, document)
        assert left(RESPONSES, document, 2, refers=True) == {"model": "m", "input": [user("1")]}
        asked = {"input": "Go on", member: value}
        assert left(RESPONSES, asked, 0, refers=True) == {"input": "Go on"}
    assert responses(user("1"), call("b"), output("b"), held=1, refers=True) is None


def test_a_request_that_only_reports_to_what_is_left_out_says_nothing() -> None:
    for given_input in ([output("a")], [DEVELOPER, output("a")], [], None):
        with pytest.raises(NothingLeft):
            left(RESPONSES, {"input": given_input, "previous_response_id": "r"}, len(given_input or ()), refers=True)


# The Messages API


def test_in_the_messages_api_words_beside_results_stay_without_them() -> None:
    before = (user("1"), use("a"), user([*gives("a"), text("mind")]), use("b"), user(gives("b")))
    assert anthropic(*before, held=5) == [user([text("1"), text("mind")])]
    after = (use("c"), user([*gives("c"), text("soon")]))
    assert anthropic(*before, *after, held=5) == [user([text("1"), text("mind")]), *after]
    assert anthropic(user([*gives("z"), text("1")]), says("x"), held=1) is not None  # a result of no call here
    assert anthropic(use("a"), user([*gives("a"), text("1")]), held=2) == [user([text("1")])]


def test_in_the_messages_api_roles_alternate_where_something_is_left_out() -> None:
    assert anthropic(user("1"), use("a"), user("2"), held=2) == [user([text("1"), text("2")])]
    assert anthropic(user("1"), says("x"), SYSTEM, user("2"), held=4) == [SYSTEM, user("2")]
    assert anthropic(user("1"), use("a"), user(gives("a")), says("x"), held=2) == [user("1"), says("x")]
    assert anthropic(user("1"), use("a"), user([*gives("a"), text("2")]), held=2) == [user([text("1"), text("2")])]
    assert anthropic(user("0"), says("x"), user(None), user("2"), "odd", held=4) == [user(None), user("2"), "odd"]


def test_in_the_messages_api_an_answer_that_was_begun_for_the_model_stays() -> None:
    before = (user("0"), says("x"), user("1"), says("{"))
    assert anthropic(*before, held=4) == [user("1"), says("{")]
    assert anthropic(*before[:3], says('{"a": 1}'), user("2"), held=4) == [user("1"), says('{"a": 1}'), user("2")]
    assert anthropic(user("1"), says("{"), held=2) is anthropic(user("1"), held=2) is None
    assert anthropic(user("0"), says("x"), SYSTEM, held=3) == [user("0"), SYSTEM]


def test_the_reference_to_a_thread_goes() -> None:
    document = {"messages": [user("1")], "thread": {"previous_message_id": "msg_1", "id": "t"}}
    assert refers(MESSAGES, document) and not refers(MESSAGES, {"thread": "odd"}) and not refers(CHAT, document)
    assert left(MESSAGES, document, 1, refers=True) == {"messages": [user("1")], "thread": {"id": "t"}}


# Whatever the conversation


@st.composite
def conversations(draw: st.DrawFn, dialect: str) -> tuple[list[Any], int]:
    """A valid one, and where its client stood when a request came."""
    said: list[Any] = [] if dialect == MESSAGES else [SYSTEM]
    ends, number = [], 0
    for turn in range(draw(st.integers(1, 4))):
        if dialect == MESSAGES and said and said[-1]["role"] == "user":
            said.append(says("fine"))
        said.append(user(f"ask {turn}"))
        ends.append(len(said))
        for _ in range(draw(st.integers(0, 3))):
            ids = [f"t{number + n}" for n in range(draw(st.integers(1, 2)))]
            number += len(ids)
            if dialect == MESSAGES:
                words = [text("mind")] if draw(st.booleans()) else []
                said += [use(*ids), user([*gives(*ids), *words])]
            elif dialect == CHAT:
                said += [calls(*ids), *map(result, ids)]
            else:
                said += [{"type": "reasoning"}, *map(call, ids), *map(output, ids)]
            ends.append(len(said))
        if draw(st.booleans()):
            said.append(says("done"))
    return said, draw(st.sampled_from(ends))


@settings(max_examples=200)
@given(st.sampled_from([CHAT, RESPONSES, MESSAGES]), st.data())
def test_what_is_left_is_a_conversation_again(dialect: str, data: st.DataObject) -> None:
    messages, held = data.draw(conversations(dialect))
    document = {"a": 1, ARRAYS[dialect]: messages, "z": [1.5]}
    body = json.dumps(document, indent=1).encode()
    after = drop_history(body, orjson.loads(body), dialect, held, refers=False)
    kept = orjson.loads(after)[ARRAYS[dialect]]

    made, reported = [c for one in kept for c in calls_in(dialect, one)], []
    for one in kept:
        told = one["content"] if dialect == MESSAGES and isinstance(one["content"], list) else [one]
        reported += [id for part in told if (id := reported_in(dialect, part)) is not None]
    assert sorted(set(made)) == sorted(reported)
    assert [one for one in messages[:held] if one.get("role") == "system"] == [one for one in kept if one == SYSTEM]
    assert kept[len(kept) - len(messages[held:]) :] == messages[held:]
    assert not [one for one in kept[: len(kept) - len(messages[held:])] if one.get("role") not in ("system", "user")]
    assert not any(results_among(one) for one in kept[: len(kept) - len(messages[held:])])
    last = [one for one in messages[:held] if one.get("role") == "user" and not results_among(one)][-1]
    assert last["content"] in json.dumps(kept)
    if dialect == MESSAGES:
        roles = [one["role"] for one in kept]
        assert roles[0] == "user" and all(a != b for a, b in zip(roles, roles[1:], strict=False))
    begin = body.index(b"[")
    assert after.startswith(body[:begin]) and after.endswith(body[body.rindex(b',\n "z"') :])
    assert drop_history(body, document, dialect, held, refers=False) == after


_ODD = st.sampled_from([None, True, 1, "t1", "user", [], {}, ["x"]])
_BLOCKS = st.fixed_dictionaries(
    {}, optional={"type": st.sampled_from(["text", "tool_use", "tool_result", 1]), "id": _ODD, "tool_use_id": _ODD}
)
_MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["user", "assistant", "system", "tool", "function", "x", None]),
        "type": st.sampled_from(["message", "function_call", "function_call_output", "additional_tools", "odd"]),
        "content": _ODD | st.lists(_BLOCKS, max_size=3),
        "tool_calls": _ODD | st.lists(st.fixed_dictionaries({}, optional={"id": _ODD}), max_size=2),
        "call_id": _ODD,
        "tool_call_id": _ODD,
        "function_call": _ODD,
    },
)


@settings(max_examples=400)
@given(st.sampled_from([CHAT, RESPONSES, MESSAGES]), st.lists(_MESSAGES, max_size=5), st.integers(0, 6), st.booleans())
def test_whatever_it_is_what_is_left_can_be_read(dialect: str, messages: list[Any], held: int, refers: bool) -> None:
    document = {ARRAYS[dialect]: messages, "previous_response_id": "r", "thread": {"previous_message_id": "m"}}
    try:
        DIALECTS[dialect].read_request(document)
        after = drop_history(orjson.dumps(document), document, dialect, held, refers=refers)
    except (UnreadableRequest, NothingLeft):
        return
    found = DIALECTS[dialect].read_request(orjson.loads(after))
    assert len(found.document[ARRAYS[dialect]]) <= len(messages)
    assert dialect == CHAT or (found.previous is None) == refers
