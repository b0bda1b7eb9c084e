"""What a stub model says: one turn, chosen from the question alone. Pure and deterministic."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from gateway.demo.stub_arguments import plausible_arguments, plausible_value
from gateway.demo.stub_question import StubQuestion, Tool, estimated_tokens


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call. `arguments` is the text as it is sent; `kind` is `function` or `custom`, None: as offered."""

    name: str
    arguments: str = "{}"
    kind: str | None = None
    namespace: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer. `finish` is a finish reason of any dialect; None: what the turn's content implies."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    finish: str | None = None

    @property
    def tokens(self) -> int:
        """What it costs, four characters a token."""
        return estimated_tokens(len(self.text) + sum(len(call.name) + len(call.arguments) for call in self.calls))


CLOSING = "The script has ended."

SLOW_EVENTS = 20


def echo(question: StubQuestion) -> Turn:
    """What the user said last, or JSON where the caller wants JSON."""
    return Turn(_as_wanted(question.text, question))


def call_a_tool(question: StubQuestion) -> Turn:
    """A call of the first tool; once a result is in the conversation, or without tools, text."""
    if question.results_so_far:
        last = question.results[-1] if question.results else "see above"
        return Turn(_as_wanted(f"The tool answered: {last}", question))
    if not question.tools:
        return Turn(_as_wanted("There is no tool to call.", question))
    return Turn(calls=(_plausible_call(question.tools[0], question.text),))


def count_slowly(question: StubQuestion, events: int = SLOW_EVENTS) -> Turn:
    """The numbers from 1, a word each."""
    return Turn(" ".join(str(number) for number in range(1, events + 1)))


def follow(script: Sequence[Turn], question: StubQuestion) -> Turn:
    """The first turn whose calls are not all answered yet, by the number of results so far; then the last one's text.

    A turn without calls counts as one result, so that each turn has its number as long as turns have one call.
    """
    left = question.results_so_far
    for turn in script:
        if left < (needed := max(1, len(turn.calls))):
            return replace(turn, calls=tuple(_as_offered(call, question.tools) for call in turn.calls))
        left -= needed
    return Turn(script[-1].text or CLOSING) if script else Turn(CLOSING)


def read_script(value: Any) -> tuple[Turn, ...]:
    """Turns from JSON or YAML: a list, or `{"turns": [...]}`.

    A turn is a text, or `{"text"?, "calls"?: [...], "finish"?}`; a call `{"name", "arguments"?}` with an object, or a
    text that is sent as it is, or `{"name", "input"}` for a custom tool; `namespace` and `id` may be given.
    Raises ValueError, naming the turn at fault.
    """
    turns = value.get("turns") if isinstance(value, dict) else value
    if not isinstance(turns, list) or not turns:
        raise ValueError("a script is a list of turns, or an object with such a list as `turns`; it has at least one")
    return tuple(_read_turn(turn, f"turns[{at}]") for at, turn in enumerate(turns))


def _read_turn(value: Any, where: str) -> Turn:
    if isinstance(value, str):
        return Turn(value)
    _check_members(value, where, {"text", "calls", "finish"})
    text, calls, finish = value.get("text", ""), value.get("calls", []), value.get("finish")
    if not isinstance(text, str) or not isinstance(calls, list) or not isinstance(finish, str | None):
        raise ValueError(f"{where}: `text` and `finish` are texts, `calls` is a list")
    return Turn(text, tuple(_read_call(call, f"{where}.calls[{at}]") for at, call in enumerate(calls)), finish)


def _read_call(value: Any, where: str) -> Call:
    _check_members(value, where, {"name", "arguments", "input", "namespace", "id"})
    texts = [value.get(member) for member in ("namespace", "id", "input")]
    if not isinstance(value.get("name"), str) or any(not isinstance(text, str | None) for text in texts):
        raise ValueError(f"{where}: `name` is a text, as are `input`, `namespace` and `id` if given")
    if "input" in value:
        return Call(value["name"], value["input"] or "", "custom", value.get("namespace"), value.get("id"))
    arguments = value.get("arguments", {})
    text = arguments if isinstance(arguments, str) else orjson.dumps(arguments, default=str).decode()
    return Call(value["name"], text, None, value.get("namespace"), value.get("id"))


def _check_members(value: Any, where: str, allowed: set[str]) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected an object, got {type(value).__name__}")
    if unknown := sorted(map(str, set(value) - allowed)):
        raise ValueError(f"{where}: unknown member `{unknown[0]}`; allowed are {', '.join(sorted(allowed))}")


def _as_offered(call: Call, tools: Sequence[Tool]) -> Call:
    """Kind and namespace of the offered tool, where the script does not say."""
    offered = next((tool for tool in tools if tool.name == call.name), Tool(call.name, "function"))
    return replace(call, kind=call.kind or offered.kind, namespace=call.namespace or offered.namespace)


def _plausible_call(tool: Tool, said: str) -> Call:
    if tool.kind == "custom":
        return Call(tool.name, said or "hello", "custom", tool.namespace)
    return Call(tool.name, orjson.dumps(plausible_arguments(tool.schema)).decode(), "function", tool.namespace)


def _as_wanted(text: str, question: StubQuestion) -> str:
    return text if question.schema is None else orjson.dumps(plausible_value(question.schema)).decode()
