"""The chat completions API: requests, whole answers and what a refusal looks like there.

https://platform.openai.com/docs/api-reference/chat
"""

from typing import Any

from gateway.model.answer import Answer
from gateway.model.ask import Ask, OfferedTool, ToolResult
from gateway.model.errors import Refusal
from gateway.model.history import History
from gateway.model.transcript import Transcript
from gateway.model.verdict import Withhold
from gateway.wire import governed, openai_errors
from gateway.wire.chat_calls import whole_calls
from gateway.wire.chat_history import chat_history
from gateway.wire.chat_refusal import choices_of, refuse_choice, turn_of
from gateway.wire.chat_stream import ChatReader, check_places, note
from gateway.wire.chat_transcript import chat_transcript
from gateway.wire.dialect import StreamReader
from gateway.wire.hidden import could_name

_SPEAKERS = ("user", "assistant", "system", "developer")
"""Roles whose messages report no result of a tool."""

_TEXTS = ("content", "refusal", "reasoning_content", "reasoning")
"""Members of an answer's message that hold what the model said."""


class ChatCompletions:
    """See `Dialect`. A choice is a turn."""

    name = "chat_completions"
    streams = True
    injects_usage = True

    def read_request(self, document: dict[str, Any]) -> Ask:
        stream_options = governed.mapping(document, "stream_options")
        limit = governed.count(document, "max_completion_tokens")
        governed.count(document, "n")  # answers are paid for each; what else a provider may read as a number is refused
        if not isinstance(document.get("tool_choice"), str):
            governed.mapping(document, "tool_choice")
        return Ask(
            document,
            model=governed.model(document),
            stream=governed.flag(document, "stream"),
            tools=(*_tools(document), *_functions(document)),
            results=_results(document),
            wants_usage=governed.flag(stream_options, "include_usage", "stream_options."),
            max_output_tokens=governed.count(document, "max_tokens") if limit is None else limit,
        )

    def history(self, document: dict[str, Any]) -> History:
        return chat_history(document)

    def transcript(self, document: dict[str, Any]) -> Transcript:
        return chat_transcript(document)

    def read_answer(self, document: dict[str, Any], body: bytes | None = None) -> Answer:
        answer = Answer()
        note(answer, document)
        has_calls = body is None or could_name(body, b"_call")
        if has_calls:
            check_places(document, ("message",))
        for position, choice in enumerate(choices_of(document)):
            turn, message = turn_of(choice, position), choice.get("message")
            finish = choice.get("finish_reason")
            answer.finish_reason = finish if isinstance(finish, str) else answer.finish_reason
            if not isinstance(message, dict):
                continue
            if has_calls and (calls := whole_calls(message, turn)):
                answer.calls.setdefault(turn, []).extend(calls)
                answer.text_chars += sum(len(call.arguments) for call in calls)
            for key in _TEXTS:
                text = message.get(key)
                if type(text) is str:
                    answer.text_chars += len(text)
        return answer

    def withhold(self, document: dict[str, Any], rulings: dict[int, Withhold]) -> dict[str, Any]:
        choices: list[Any] = []
        position = 0
        for choice in document["choices"]:
            if isinstance(choice, dict):
                ruling = rulings.get(turn_of(choice, position))
                choice = choice if ruling is None else refuse_choice(choice, ruling)
                position += 1
            choices.append(choice)
        return {**document, "choices": choices}

    def reader(self) -> StreamReader:
        return ChatReader()

    def error_body(self, refusal: Refusal) -> bytes:
        return openai_errors.error_body(refusal)


def _tools(document: dict[str, Any]) -> list[OfferedTool]:
    tools = []
    for index, tool in enumerate(governed.mappings(document, "tools")):
        function = tool.get("function")
        if tool.get("type") == "function" and type(function) is dict:
            name = function.get("name")
            if type(name) is str and name:  # nearly always; paths are for the others
                tools.append(OfferedTool(name, "function", tool))
                continue
        path = f"tools[{index}]."
        kind = governed.text(tool, "type", path) or "function"
        name = kind
        if kind in ("function", "custom"):
            body = governed.mapping(tool, kind, path)
            name = governed.required_text(body, "name", f"{path}{kind}.")
        tools.append(OfferedTool(name, kind, tool))
    return tools


def _functions(document: dict[str, Any]) -> list[OfferedTool]:
    """The older form: https://platform.openai.com/docs/api-reference/chat/create#chat-create-functions"""
    return [
        OfferedTool(governed.required_text(function, "name", f"functions[{index}]."), "function", function)
        for index, function in enumerate(governed.mappings(document, "functions"))
    ]


def _results(document: dict[str, Any]) -> tuple[ToolResult, ...]:
    results = []
    for index, message in enumerate(governed.mappings(document, "messages")):
        if message.get("role") in _SPEAKERS:
            continue
        path = f"messages[{index}]."
        role = governed.text(message, "role", path)
        if role == "tool":
            results.append(ToolResult(governed.text(message, "tool_call_id", path), message.get("content")))
        elif role == "function":
            results.append(ToolResult(governed.text(message, "name", path), message.get("content")))
    return tuple(results)


CHAT_COMPLETIONS = ChatCompletions()
