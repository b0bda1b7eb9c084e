"""What a stub model needs to know of a request, in every dialect. Tolerant: what it cannot read, it leaves out.

Reads by itself instead of through `wire`, as a provider does: a mistake there cannot hide behind the same one here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool the caller can execute. `kind` is `function` or `custom`; `schema` that of its arguments."""

    name: str
    kind: str
    schema: Any = None
    namespace: str | None = None


@dataclass(frozen=True, slots=True)
class StubQuestion:
    """One request to a stub model.

    Attributes:
        text: what the user said last.
        tools: those the model may call now; empty when `tool_choice` forbids calls.
        legacy: tools came as `functions`, so a call is told as `function_call`.
        results: the tool results in this request, as text.
        results_so_far: those, and the ones of the earlier answers that this request refers to by id.
        schema: of the answer's text, where the caller wants JSON.
        input_tokens: an estimate, four characters a token.
        stub: the request's own `stub` member: how the stub is to behave.
    """

    document: dict[str, Any]
    model: str
    text: str = ""
    stream: bool = False
    tools: tuple[Tool, ...] = ()
    legacy: bool = False
    results: tuple[str, ...] = ()
    results_so_far: int = 0
    choices: int = 1
    include_usage: bool = False
    schema: dict[str, Any] | None = None
    input_tokens: int = 1
    stub: Any = None


def read_question(document: dict[str, Any], model: str) -> StubQuestion:
    """Read the request of any dialect; their members do not collide."""
    messages = _messages(document)
    results = tuple(text for message in messages for text in _results(message))
    tools = tuple(_tools(document))
    options = document.get("stream_options")
    return StubQuestion(
        document=document,
        model=model,
        text=_last_user_text(document, messages),
        stream=document.get("stream") is True,
        tools=_chosen(tools, document.get("tool_choice", document.get("function_call"))),
        legacy=bool(document.get("functions")) and not document.get("tools"),
        results=results,
        results_so_far=len(results) + _remembered(document),
        choices=_choices(document.get("n")),
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        schema=_answer_schema(document),
        input_tokens=_input_tokens(document),
        stub=document.get("stub"),
    )


def content_text(content: Any) -> str:
    """The text of a message's content: a string, or parts of which some have `text`."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(filter(None, map(content_text, content)))
    if isinstance(content, dict) and isinstance(content.get("text"), str):
        return str(content["text"])
    return ""


def estimated_tokens(characters: int) -> int:
    """Four characters a token, at least one."""
    return max(1, -(-characters // 4))


def _messages(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Chat and Messages say `messages`, Responses `input`."""
    listed = document.get("messages", document.get("input"))
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _last_user_text(document: dict[str, Any], messages: list[dict[str, Any]]) -> str:
    prompt = document.get("prompt", document.get("input"))
    if isinstance(prompt, str):
        return prompt
    said = (content_text(message.get("content")) for message in reversed(messages) if message.get("role") == "user")
    return next(filter(None, said), "")


def _results(message: dict[str, Any]) -> Iterator[str]:
    kind, content = message.get("type"), message.get("content")
    if isinstance(kind, str) and kind.endswith("_output"):
        yield _result_text(message.get("output", message.get("tools")))
    elif message.get("role") in ("tool", "function"):
        yield _result_text(content)
    elif isinstance(content, list):
        blocks = (block for block in content if isinstance(block, dict))
        yield from (_result_text(block.get("content")) for block in blocks if block.get("type") == "tool_result")


def _result_text(content: Any) -> str:
    return content_text(content) or ("" if content is None or content == "" else orjson.dumps(content).decode())


def _tools(document: dict[str, Any]) -> Iterator[Tool]:
    for definition in _list(document.get("tools")):
        yield from _tool(definition)
    for definition in _list(document.get("functions")):
        yield from _tool({"type": "function", "function": definition})
    for message in _messages(document):
        for definition in _list(message.get("tools")):
            yield from _tool(definition)
        for block in _list(message.get("content")):
            if isinstance(block, dict) and block.get("type") == "tool_addition":
                yield from _tool(block.get("tool"))


def _tool(definition: Any, namespace: str | None = None) -> Iterator[Tool]:
    """A definition of any dialect. Tools that the provider executes itself are none of the caller's."""
    if not isinstance(definition, dict):
        return
    kind = definition.get("type", "custom" if "input_schema" in definition else "function")
    if kind == "namespace":
        for inner in _list(definition.get("tools")):
            yield from _tool(inner, definition.get("name"))
    elif kind in ("function", "custom", "tool_definition"):
        inside = next((definition[key] for key in (kind, "definition") if key in definition), definition)
        if isinstance(inside, dict) and isinstance(inside.get("name"), str):
            schema = inside.get("input_schema", inside.get("parameters"))
            takes_text = kind == "custom" and schema is None
            yield Tool(inside["name"], "custom" if takes_text else "function", schema, namespace)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _chosen(tools: tuple[Tool, ...], choice: Any) -> tuple[Tool, ...]:
    """The tools that `tool_choice` (or `function_call`) leaves."""
    if choice == "none" or (isinstance(choice, dict) and choice.get("type") == "none"):
        return ()
    allowed = choice.get("allowed_tools", choice) if isinstance(choice, dict) else {}
    entries = _list(allowed.get("tools")) if isinstance(allowed, dict) else []
    names = {name for entry in (entries or [choice]) if (name := _named(entry))}
    return tuple(tool for tool in tools if tool.name in names) if names else tools


def _named(entry: Any) -> str | None:
    """The tool that a choice names: `{"name"}`, or nested below its type."""
    if not isinstance(entry, dict):
        return None
    inside = next((entry[key] for key in ("function", "custom") if isinstance(entry.get(key), dict)), entry)
    return inside["name"] if isinstance(inside.get("name"), str) else None


def _remembered(document: dict[str, Any]) -> int:
    """How many results came before the answer that this request continues: our own ids end with the number."""
    thread = document.get("thread")
    previous = thread.get("previous_message_id") if isinstance(thread, dict) else document.get("previous_response_id")
    found = re.search(r"_(\d{1,6})$", previous) if isinstance(previous, str) else None
    return int(found[1]) if found else 0


def _choices(n: Any) -> int:
    return min(128, max(1, n)) if isinstance(n, int) else 1


def _answer_schema(document: dict[str, Any]) -> dict[str, Any] | None:
    """Of `response_format` (chat), `text.format` (Responses), `output_config.format` (Messages)."""
    text, config = document.get("text"), document.get("output_config")
    wanted = document.get("response_format") or document.get("output_format")
    for holder in (text, config):
        wanted = wanted or (holder.get("format") if isinstance(holder, dict) else None)
    if not isinstance(wanted, dict):
        return None
    if wanted.get("type") == "json_object":
        return {"type": "object", "required": ["answer"], "properties": {"answer": {"type": "string"}}}
    nested = wanted.get("json_schema")
    schema = (nested if isinstance(nested, dict) else wanted).get("schema")
    return schema if wanted.get("type") == "json_schema" and isinstance(schema, dict) else None


def _input_tokens(document: dict[str, Any]) -> int:
    members = ("system", "instructions", "messages", "input", "prompt", "tools", "functions")
    return estimated_tokens(sum(len(orjson.dumps(document[member])) for member in members if member in document))
