"""What every walkthrough plays on, and what it finds out: steps, with what was expected of each and what was seen."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx

from gateway.demo.cloud_state import Cloud

_TRIES = 40
_PAUSE = 0.25  # seconds


class Ask(Protocol):
    """The admin API, as an operator's command asks it; `yaml` is a policy document's text."""

    def __call__(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        body: object = None,
        yaml: str | None = None,
    ) -> Any: ...


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the table at the end. The story went as it should if all were seen as expected."""

    what: str
    expected: str
    seen: str

    @property
    def ok(self) -> bool:
        return self.seen == self.expected


@dataclass
class Stage:
    """A gateway with the stub models, and the simulated cloud behind its `/mcp/cloud`.

    Attributes:
        http: whose base URL is the gateway's.
        ask: its admin API.
        cloud_url: where the cloud itself listens: the way past the gateway.
        say: prints one line.
    """

    http: httpx.Client
    ask: Ask
    cloud: Cloud
    cloud_url: str
    say: Callable[[str], None]
    steps: list[Step] = field(default_factory=list)

    def act(self, title: str) -> None:
        self.say(f"\n{title}")

    def check(self, what: str, expected: str, seen: str) -> bool:
        """Note one step, and say what came of it; whether that was expected."""
        step = Step(what, expected, seen)
        self.steps.append(step)
        self.say(f"  {'ok ' if step.ok else 'NOT'}  {what}: {seen}" + ("" if step.ok else f" (expected: {expected})"))
        return step.ok

    def post(self, path: str, body: object, headers: Mapping[str, str]) -> httpx.Response:
        """To the gateway, or to a whole URL; again while Redis is too slow for it, as on a busy machine."""
        for left in reversed(range(_TRIES)):
            answer = self.http.post(path, json=body, headers=dict(headers))
            if answer.status_code != 503 or not left:
                break
            time.sleep(_PAUSE)
        return answer

    def eventually(self, seen: Callable[[], str], expected: str) -> str:
        """What is seen once it is what is expected, or at last: what is recorded shows a moment later."""
        for _ in range(_TRIES):
            if seen() == expected:
                break
            time.sleep(_PAUSE)
        return seen()

    def executed(self, tool: str) -> int:
        """How often the cloud has executed a tool."""
        return sum(name == tool for name, _ in list(self.cloud.calls))

    def agent(self, name: str) -> tuple[str, str]:
        """Make one; its id and its key."""
        agent_id = self.ask("POST", "/agents", body={"name": name, "owner_team": "demo"})["agent_id"]
        key = self.ask("POST", f"/agents/{agent_id}/keys", body={})["api_key"]
        self.say(f"  agent {name} is {agent_id}, with a key of its own")
        return agent_id, key

    def policy(self, text: str) -> None:
        """Put a document in force, and show it."""
        name = text.partition("name: ")[2].split()[0]
        self.ask("PUT", f"/policies/{name}", yaml=text)
        self.say("  policy in force:")
        self.say("".join(f"    {line}\n" for line in text.strip().splitlines()).rstrip("\n"))


Story = Callable[[Stage], None]
"""Plays a walkthrough; what it found out are the stage's steps."""


def shown(arguments: Mapping[str, Any]) -> str:
    """Arguments of a call, in one short line."""
    text = ", ".join(f"{name}={json.dumps(value)}" for name, value in arguments.items())
    return text if len(text) <= 80 else text[:79] + "…"
