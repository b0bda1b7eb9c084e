"""Lists of what a provider has stored: answers, their messages, the items of a response or a conversation.

They show calls that were withheld when they were proposed. Each element is read, and where needed rewritten, as if it
were an answer of its own.
"""

import re
from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import unquote

from gateway.model.value import value
from gateway.model.verdict import Withhold
from gateway.wire import DIALECTS
from gateway.wire.dialect import UnreadableFrame
from gateway.wire.hidden import hides_named_calls, hides_typed_calls
from gateway.wire.responses_items import is_client_call

Kind = Literal["answers", "messages", "items"]

_ITEMS = re.compile(r"/(?:responses/[^/]+/input_items|conversations/[^/]+/items(?:/[^/]+)?)[./ ]*(?:\Z|[?#])", re.I)
_CHAT = re.compile(r"/chat/completions(?P<messages>/[^/]+/messages)?[./ ]*(?:\Z|[?#])", re.I)


@value
class Element:
    """One element of a list, as an answer of `dialect`; `place` is its index, None where there is no list."""

    place: int | None
    dialect: str
    answer: dict[str, Any]


def kind_of(path: str) -> Kind | None:
    """What a relayed path lists, read as leniently as any provider would; None for other paths."""
    path = unquote(path)
    if _ITEMS.search(path) is not None:
        return "items"
    found = _CHAT.search(path)
    return None if found is None else "messages" if found["messages"] else "answers"


def elements(kind: Kind, document: dict[str, Any]) -> list[Element]:
    """The elements that can be read. Raises UnreadableFrame for calls elsewhere."""
    data = document.get("data")
    if not isinstance(data, list):
        return [_element(kind, None, document)]
    rest = [{key: member for key, member in document.items() if key != "data"}]
    rest += [one for one in data if not isinstance(one, dict)]
    if hides_named_calls(rest, ()) or hides_typed_calls(rest, (), is_client_call):
        raise UnreadableFrame("it has tool calls where no client should look")
    return [_element(kind, place, one) for place, one in enumerate(data) if isinstance(one, dict)]


def without(
    kind: Kind, document: dict[str, Any], withheld: Sequence[tuple[Element, dict[int, Withhold]]]
) -> dict[str, Any]:
    """A copy of the list; the calls of these elements are replaced, the others are untouched."""
    data: Any = document.get("data")
    copy = {**document, "data": list(data)} if isinstance(data, list) else document
    for element, rulings in withheld:
        told = _told(kind, element, DIALECTS[element.dialect].withhold(element.answer, rulings))
        if element.place is None:
            return told
        copy["data"][element.place] = told
    return copy


def _element(kind: Kind, place: int | None, one: dict[str, Any]) -> Element:
    if kind == "items":
        return Element(place, "responses", {"id": one.get("id"), "output": [one]})
    if kind == "messages":
        return Element(place, "chat_completions", {"choices": [{"index": 0, "message": one}]})
    return Element(place, "chat_completions", one)


def _told(kind: Kind, element: Element, rewritten: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any]
    if kind == "items":
        (told,) = rewritten["output"]
        return {**told, "leuko": rewritten["leuko"]}
    if kind == "answers":
        return rewritten
    (choice,) = rewritten["choices"]
    told = {**choice["message"], "leuko": choice["leuko"]}
    message_id = element.answer["choices"][0]["message"].get("id")
    return told if message_id is None else {"id": message_id, **told}
