"""An agent whose model says what a script has it say: for walkthroughs. It works as any agent does: asks its model
through the gateway, executes the calls of the answer at the MCP server behind the gateway, and tells the model.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.demo.cloud_tools import TOOLS
from gateway.demo.walkthrough import Stage, shown

_LONGEST = 110
_MOST_TURNS = 10

Call = tuple[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call, at the model or at a tool server.

    Attributes:
        text: what the agent was told.
        rule, code: of a refusal; `status` is the HTTP status.
    """

    done: bool
    text: str
    status: int = 200
    rule: str = ""
    code: str = ""

    @property
    def word(self) -> str:
        """In a word or two, as the tables have it; an intent's refusal is told by its reason."""
        if self.done:
            return "executed"
        if self.rule.split("/")[-1] == "intent":
            return f"refused: {self.text.partition(f'rule {self.rule}: ')[2].partition(':')[0]}"
        return f"refused: {self.rule or self.code or self.status}"


class ScriptedAgent:
    """One agent with its key. `execution` and `intent`, if set, go along with whatever it sends."""

    def __init__(self, stage: Stage, key: str) -> None:
        self._stage, self._key = stage, key
        self.intent = ""
        self.execution = ""

    @property
    def headers(self) -> dict[str, str]:
        more = {"x-intent-token": self.intent, "x-gateway-execution": self.execution}
        return {"authorization": f"Bearer {self._key}"} | {name: value for name, value in more.items() if value}

    def work(self, prompt: str, *script: Call | str) -> list[Outcome]:
        """A conversation: each of the script is what the model says next, a call or text. Ends with what it says
        last, or with a refusal of the model's answer; the outcome of each call, in order."""
        self._stage.say(f"  person: {prompt}")
        talk: list[dict[str, Any]] = [{"role": "user", "content": prompt}]
        outcomes: list[Outcome] = []
        turns = [_turn(one) for one in script]
        for _ in range(_MOST_TURNS):
            message, refused = self._ask_model(talk, turns)
            if refused is not None:
                return [*outcomes, refused]
            calls = message.get("tool_calls") or []
            if not calls:
                return outcomes
            talk.append(message)
            for call in calls:
                name, arguments = call["function"]["name"], json.loads(call["function"]["arguments"])
                outcome = self.call(name, arguments)
                outcomes.append(outcome)
                talk.append({"role": "tool", "tool_call_id": call["id"], "content": outcome.text})
        return outcomes

    def _ask_model(self, talk: Sequence[Any], turns: Sequence[Any]) -> tuple[dict[str, Any], Outcome | None]:
        """Its message, and what is said instead of a call that was not let through."""
        body = {"model": "stub-script", "messages": talk, "tools": _OFFERED, "stub": {"turns": turns}}
        answer = self._stage.post("/v1/chat/completions", body, self.headers)
        document = answer.json()
        if answer.status_code != 200:
            error = document["error"]
            self._stage.say(f"  gateway: {answer.status_code} {_short(error['message'])}")
            return {}, Outcome(False, error["message"], answer.status_code, code=error["code"] or "")
        choice = document["choices"][0]
        message: dict[str, Any] = choice["message"]
        said = message.get("content") or ""
        if said:
            self._stage.say(f"  model:  {_short(said)}")
        for call in message.get("tool_calls") or ():
            function = call["function"]
            self._stage.say(f"  model:  calls {function['name']}({shown(json.loads(function['arguments']))})")
        denied = [one["rule"] for one in (choice.get("leuko") or {}).get("denied", ())]
        if denied:
            return message, Outcome(False, said, rule=denied[0])
        if said.startswith("Plan (not executed)"):
            return message, Outcome(False, said, rule="plan_only")
        return message, None

    def call(self, tool: str, arguments: Mapping[str, Any], *, url: str = "/mcp/cloud") -> Outcome:
        """Execute one, at the gateway's MCP server or at another URL."""
        params = {"name": tool, "arguments": arguments}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        answer = self._stage.post(url, body, {**self.headers, "accept": "application/json, text/event-stream"})
        outcome = _outcome(answer.status_code, answer.json())
        self._stage.say(f"  tool:   {tool}({shown(arguments)}) -> {_short(outcome.text)}")
        return outcome


_OFFERED = [
    {"type": "function", "function": {"name": name, "description": tool.about, "parameters": definition["inputSchema"]}}
    for name, tool, definition in ((name, tool, tool.definition(name)) for name, tool in TOOLS.items())
]


def _turn(said: Call | str) -> Any:
    return said if isinstance(said, str) else {"calls": [{"name": said[0], "arguments": said[1]}]}


def _outcome(status: int, document: dict[str, Any]) -> Outcome:
    if "error" in document:
        error = document["error"]
        data = error.get("data") or {}
        code = data.get("reason") or data.get("code") or ""
        return Outcome(False, error["message"], status, code=code)
    result = document["result"]
    denied = [one["rule"] for one in result.get("_meta", {}).get("io.leuko/denied", ())]
    text = "".join(part.get("text", "") for part in result["content"])
    return Outcome(not result["isError"], text, status, rule=denied[0] if denied else "")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
