"""Anthropic's Messages API, read and judged; its token counting too. https://docs.anthropic.com/en/api/messages

An answer has one turn, 0: all its content blocks together.
"""

from collections.abc import Iterator
from typing import Any

from gateway.model.answer import Answer, Usage
from gateway.model.ask import Ask, OfferedTool, ToolResult
from gateway.model.errors import Refusal
from gateway.model.history import History
from gateway.model.transcript import Transcript
from gateway.model.verdict import Withhold
from gateway.wire import governed, messages_errors, tolerant
from gateway.wire.dialect import Dialect, StreamReader
from gateway.wire.messages_blocks import (
    as_call,
    is_client_call,
    is_hosted,
    offered_tool,
    read_usage,
    refused,
    text_chars,
)
from gateway.wire.messages_history import messages_history
from gateway.wire.messages_stream import MessagesReader, check_places
from gateway.wire.messages_transcript import messages_transcript


class Messages:
    """See `Dialect`."""

    name = "messages"
    streams = True
    injects_usage = False

    def read_request(self, document: dict[str, Any]) -> Ask:
        blocks = list(_blocks(document))
        thread = governed.mapping(document, "thread")
        return Ask(
            document=document,
            model=governed.model(document),
            stream=governed.flag(document, "stream"),
            tools=tuple(_offered(document, blocks)),
            results=tuple(_result(block) for _, block in blocks if block.get("type") == "tool_result"),
            max_output_tokens=governed.count(document, "max_tokens"),
            previous=governed.text(thread, "previous_message_id", "thread."),
        )

    def history(self, document: dict[str, Any]) -> History:
        return messages_history(document)

    def transcript(self, document: dict[str, Any]) -> Transcript:
        return messages_transcript(document)

    def read_answer(self, document: dict[str, Any], body: bytes | None = None) -> Answer:
        answer = Answer(
            id=tolerant.text(document.get("id")),
            model=tolerant.text(document.get("model")),
            finish_reason=tolerant.text(document.get("stop_reason")),
        )
        if isinstance(usage := document.get("usage"), dict):
            answer.usage = read_usage(usage)
        elif "content" not in document and type(document.get("input_tokens")) is int:
            answer.usage = Usage(0, 0)  # tokens were counted, none was used
        content = document.get("content")
        blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
        if calls := [as_call(block) for block in blocks if is_client_call(block)]:
            answer.calls[0] = calls
        check_places(document, content)
        answer.hosted = [as_call(block) for block in blocks if is_hosted(block)]
        answer.text_chars = sum(map(text_chars, blocks))
        return answer

    def withhold(self, document: dict[str, Any], rulings: dict[int, Withhold]) -> dict[str, Any]:
        ruling = rulings.get(0)
        if ruling is None:
            return dict(document)
        content = document.get("content")
        blocks = content if isinstance(content, list) else []
        kept = [block for block in blocks if not (isinstance(block, dict) and is_client_call(block))]
        return {**refused(document, ruling), "content": [*kept, {"type": "text", "text": ruling.text}]}

    def reader(self) -> StreamReader:
        return MessagesReader()

    def error_body(self, refusal: Refusal) -> bytes:
        return messages_errors.error_body(refusal)


def _blocks(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every content block of every message, with its place. Raises UnreadableRequest."""
    for position, message in enumerate(governed.mappings(document, "messages")):
        if isinstance(message.get("content"), list):
            where = f"messages[{position}]."
            for place, block in enumerate(governed.mappings(message, "content", where)):
                yield f"{where}content[{place}].", block


def _offered(document: dict[str, Any], blocks: list[tuple[str, dict[str, Any]]]) -> Iterator[OfferedTool]:
    """Tools come in `tools`, as servers that the provider calls, and defined in the middle of the conversation."""
    for position, tool in enumerate(governed.mappings(document, "tools")):
        yield offered_tool(tool, f"tools[{position}].")
    for position, server in enumerate(governed.mappings(document, "mcp_servers")):
        name = governed.required_text(server, "name", f"mcp_servers[{position}].")
        yield OfferedTool(name, "mcp", server, name)
    for where, block in blocks:
        changes = block.get("tool_changes") if block.get("type") == "compaction" else None
        for change in changes if isinstance(changes, list) else (block,):
            yield from _added(change, where)


def _added(block: object, where: str) -> Iterator[OfferedTool]:
    """The tool that a `tool_addition` defines; one that refers to a tool defined elsewhere adds nothing new."""
    if not isinstance(block, dict) or block.get("type") != "tool_addition":
        return
    tool = governed.mapping(block, "tool", where)
    if tool.get("type") == "tool_definition":
        yield offered_tool(governed.mapping(tool, "definition", f"{where}tool."), f"{where}tool.definition.")


def _result(block: dict[str, Any]) -> ToolResult:
    return ToolResult(tolerant.text(block.get("tool_use_id")), block.get("content"), block.get("is_error") is True)


MESSAGES: Dialect = Messages()
