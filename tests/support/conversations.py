"""Conversations as agents carry them on in every dialect, with a model that answers what it is told to."""

import json
from collections.abc import Mapping
from typing import Any

from tests.support.upstream import Conversation, Request

NAMES = ("send_mail", "fetch_page", "get_contacts", "get_time", "pay")


def _chat_call(name: str, arguments: Mapping[str, Any], call_id: str) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"id": call_id, "type": "function", "function": function}


def _chat(*calls: dict[str, Any]) -> dict[str, Any]:
    message = {"role": "assistant", "content": None, "tool_calls": list(calls)}
    return {
        "id": "x",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }


class ChatTalk:
    """A conversation in chat completions, as an agent carries it on. `call` is what the model answers next."""

    path = "/v1/chat/completions"

    def __init__(self, question: str) -> None:
        self.turns: list[dict[str, Any]] = [{"role": "user", "content": question}]

    def body(self) -> dict[str, Any]:
        tools = [{"type": "function", "function": {"name": name}} for name in NAMES]
        return {"model": "m", "messages": self.turns, "tools": tools}

    def answer(self, name: str, arguments: Mapping[str, Any], call_id: str) -> dict[str, Any]:
        return _chat(_chat_call(name, arguments, call_id))

    def take(self, answer: dict[str, Any], result: str) -> None:
        message = answer["choices"][0]["message"]
        self.turns.append(message)
        self.turns += [
            {"role": "tool", "tool_call_id": call["id"], "content": result} for call in message["tool_calls"]
        ]

    def say(self, text: str) -> None:
        self.turns.append({"role": "user", "content": text})


class MessagesTalk(ChatTalk):
    path = "/v1/messages"

    def body(self) -> dict[str, Any]:
        tools = [{"name": name, "input_schema": {"type": "object"}} for name in NAMES]
        return {"model": "m", "max_tokens": 9, "messages": self.turns, "tools": tools}

    def answer(self, name: str, arguments: Mapping[str, Any], call_id: str) -> dict[str, Any]:
        block = {"type": "tool_use", "id": call_id, "name": name, "input": dict(arguments)}
        return {"id": "msg", "type": "message", "role": "assistant", "content": [block], "stop_reason": "tool_use"}

    def take(self, answer: dict[str, Any], result: str) -> None:
        self.turns.append({"role": "assistant", "content": answer["content"]})
        results = [{"type": "tool_result", "tool_use_id": one["id"], "content": result} for one in answer["content"]]
        self.turns.append({"role": "user", "content": results})


class ResponsesTalk(ChatTalk):
    path = "/v1/responses"

    def body(self) -> dict[str, Any]:
        tools = [{"type": "function", "name": name} for name in NAMES]
        return {"model": "m", "store": False, "input": self.turns, "tools": tools}

    def answer(self, name: str, arguments: Mapping[str, Any], call_id: str) -> dict[str, Any]:
        item = {"type": "function_call", "id": f"fc_{call_id}", "call_id": call_id, "name": name}
        return {"id": "resp", "status": "completed", "output": [{**item, "arguments": json.dumps(arguments)}]}

    def take(self, answer: dict[str, Any], result: str) -> None:
        self.turns += answer["output"]
        outputs = [
            {"type": "function_call_output", "call_id": item["call_id"], "output": result} for item in answer["output"]
        ]
        self.turns += outputs


class Model:
    """Answers what it was told to answer."""

    def __init__(self) -> None:
        self.url = ""
        self.answer: Any = None

    async def __call__(self, request: Request, talk: Conversation) -> None:
        await talk.json(self.answer)

    def reply(self, answer: Any) -> None:
        self.answer = answer
