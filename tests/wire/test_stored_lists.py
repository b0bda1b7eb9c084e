"""Lists of stored answers are taken apart, element by element, and put together again without some calls."""

from typing import Any

import pytest

from gateway.model.verdict import Denial, Withhold
from gateway.wire import DIALECTS
from gateway.wire.dialect import UnreadableFrame
from gateway.wire.stored_lists import Kind, elements, kind_of, without

NO = Withhold("refused", (Denial("drop", "ops/deny/0", "no"),))
ITEM = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "drop", "arguments": "{}"}
SAID = {"type": "message", "id": "msg_1", "role": "user", "content": [{"type": "input_text", "text": "x"}]}
CALL = {"id": "c1", "type": "function", "function": {"name": "drop", "arguments": "{}"}}
MESSAGE = {"id": "m-0", "role": "assistant", "content": None, "tool_calls": [CALL]}
ANSWER = {
    "id": "cc",
    "object": "chat.completion",
    "choices": [{"index": 0, "message": MESSAGE}],
    "metadata": {"a": "b"},
}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/chat/completions", "answers"),
        ("/Chat/Completions", "answers"),
        ("/chat%2Fcompletions", "answers"),
        ("/engines/x/chat/completions", "answers"),
        ("/chat/completions/cc/messages", "messages"),
        ("/responses/resp_1/input_items", "items"),
        ("/conversations/conv_1/items", "items"),
        ("/conversations/conv_1/items/msg_1", "items"),
        ("/conversations/conv_1/items%3Flimit=1", "items"),
        ("/conversations/conv_1", None),
        ("/chat/completions/cc", None),
        ("/files", None),
    ],
)
def test_a_path_says_what_it_lists(path: str, kind: Kind | None) -> None:
    assert kind_of(path) == kind


def _without(kind: Kind, document: dict[str, Any]) -> dict[str, Any]:
    withheld = []
    for element in elements(kind, document):
        answer = DIALECTS[element.dialect].read_answer(element.answer)
        if answer.calls:
            withheld.append((element, dict.fromkeys(answer.calls, NO)))
    return without(kind, document, withheld)


def test_an_item_that_is_a_call_becomes_a_message_and_others_stay() -> None:
    told = _without("items", {"object": "list", "data": [SAID, ITEM, SAID], "has_more": False})
    assert (told["object"], told["has_more"], told["data"][0], told["data"][2]) == ("list", False, SAID, SAID)
    item = told["data"][1]
    assert (item["type"], item["role"], item["content"][0]["text"]) == ("message", "assistant", "refused")
    assert item["leuko"]["denied"][0]["tool"] == "drop"


def test_one_item_alone_is_read_too() -> None:
    assert _without("items", ITEM)["content"][0]["text"] == "refused"


def test_a_stored_answer_and_a_stored_message_say_the_refusal() -> None:
    answer = _without("answers", {"object": "list", "data": [ANSWER]})["data"][0]
    assert "tool_calls" not in answer["choices"][0]["message"]
    assert (answer["choices"][0]["message"]["content"], answer["metadata"]) == ("refused", {"a": "b"})
    (message,) = _without("messages", {"object": "list", "data": [MESSAGE]})["data"]
    assert (message["id"], message["role"], message["content"]) == ("m-0", "assistant", "refused")
    assert "tool_calls" not in message


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("items", {"data": [SAID], "more": [ITEM]}),
        ("items", {"data": [[ITEM]]}),
        ("messages", {"data": [], "last": MESSAGE}),
        ("answers", {"data": {"0": ANSWER}}),
    ],
)
def test_a_call_where_no_client_should_look_is_no_list(kind: Kind, document: dict[str, Any]) -> None:
    with pytest.raises(UnreadableFrame):
        for element in elements(kind, document):
            DIALECTS[element.dialect].read_answer(element.answer)
