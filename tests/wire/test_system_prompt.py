"""Another system prompt takes the place of a request's own; as `history` reads it, nothing of that is left."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire import DIALECTS
from gateway.wire.system_prompt import replace_system

GOOD = "You are kind.\nHelp."
USER = {"role": "user", "content": "Hello"}
BILLING = {"type": "text", "text": "x-anthropic-billing-header: cc=1"}


def replaced(dialect: str, document: dict[str, Any], text: str = GOOD) -> Any:
    return orjson.loads(replace_system(orjson.dumps(document), document, dialect, text))


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": said, **more}


def test_in_chat_completions_it_is_the_first_message() -> None:
    bad = {"role": "developer", "content": "Be bad", "name": "ops"}
    later = {"role": "system", "content": "It is late"}
    ask = {"messages": [bad, {"role": "system", "content": [text("Be worse")]}, USER, later]}
    assert replaced("chat_completions", ask)["messages"] == [{**bad, "content": GOOD}, USER, later]
    assert replaced("chat_completions", {"messages": [USER]})["messages"] == [{"role": "system", "content": GOOD}, USER]


def test_in_the_responses_api_it_is_the_instructions_or_the_items_before_the_first_words() -> None:
    bad = {"role": "developer", "content": "Be bad"}
    tools = {"type": "additional_tools", "tools": []}
    assert replaced("responses", {"input": "Hello", "instructions": "Be bad"}) == {
        "input": "Hello",
        "instructions": GOOD,
    }
    assert replaced("responses", {"input": "Hello"}) == {"input": "Hello", "instructions": GOOD}
    both = replaced("responses", {"instructions": "Be bad", "input": [tools, bad, USER, bad]})
    assert both == {"instructions": GOOD, "input": [tools, USER, bad]}
    items = replaced("responses", {"instructions": None, "input": [bad, bad, USER]})
    assert items == {"instructions": None, "input": [{**bad, "content": GOOD}, USER]}
    call = {"type": "function_call", "call_id": "t"}
    assert replaced("responses", {"input": [call, bad]})["input"] == [call, bad]


def test_in_the_messages_api_it_is_the_last_block_and_what_is_for_billing_stays() -> None:
    cached = {"cache_control": {"type": "ephemeral"}}
    ask = {"system": [BILLING, text("Be bad"), text("Be worse", **cached)], "messages": [USER]}
    assert replaced("messages", ask)["system"] == [BILLING, text(GOOD, **cached)]
    assert replaced("messages", {"system": "Be bad", "messages": [USER]})["system"] == GOOD
    assert replaced("messages", {"messages": [USER]})["system"] == GOOD
    assert replaced("messages", {"system": [BILLING], "messages": [USER]})["system"] == [BILLING, text(GOOD)]
    assert replaced("messages", {"system": [{"type": "odd"}], "messages": [USER]})["system"] == [text(GOOD)]
    early = {"role": "system", "content": "Be bad"}
    assert replaced("messages", {"system": "Be bad", "messages": [early, USER]}) == {"system": GOOD, "messages": [USER]}


@pytest.mark.parametrize("dialect", ["completions", "embeddings"])
def test_where_there_is_none_nothing_changes(dialect: str) -> None:
    assert replaced("chat_completions", {"messages": None}) == {"messages": None}
    body = b'{"prompt": "x", "input": "x"}'
    assert replace_system(body, orjson.loads(body), dialect, GOOD) is body


def test_no_other_byte_changes() -> None:
    body = b'{ "n":1.0,"instructions" : "bad\\u0021", "input":[ {"role":"user","content":"\\u00e4"} ] }'
    after = replace_system(body, orjson.loads(body), "responses", "good")
    assert after == body.replace(b'"bad\\u0021"', b'"good"')


_SYSTEMS = st.lists(st.sampled_from([{"role": "system", "content": "a"}, {"role": "system", "content": [text("b")]}]))
_MEMBERS = {"responses": "instructions", "messages": "system"}


@given(
    st.sampled_from(["chat_completions", "responses", "messages"]),
    st.none() | st.text() | st.lists(st.sampled_from([text("a"), BILLING])),
    _SYSTEMS,
    _SYSTEMS,
    st.text(min_size=1).filter(lambda said: not said.startswith("x-anthropic")),
)
def test_whatever_it_was_history_reads_the_new_one_alone(
    dialect: str, member: Any, early: list[Any], late: list[Any], said: str
) -> None:
    own = {_MEMBERS[dialect]: member} if dialect in _MEMBERS and member is not None else {}
    where = "input" if dialect == "responses" else "messages"
    document = {**own, where: [*early, USER, *late]}
    after = replaced(dialect, document, said)
    assert DIALECTS[dialect].history(after).system == [said]
    assert after[where][-len(late) - 1 :] == [USER, *late]
