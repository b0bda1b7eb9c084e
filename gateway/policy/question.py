"""What is asked of a policy, and what it may look at to answer."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

from gateway.model.agent import Agent
from gateway.model.ask import OfferedTool
from gateway.model.transcript import Transcript
from gateway.model.value import value


@value
class Question:
    """One call that an agent is about to be given, or asks about itself.

    Attributes:
        tool: its name as the model wrote it. `server` is the MCP server it is on, where that is known.
        arguments: read strictly: a dict for functions, the text for custom tools, anything for other kinds.
        size: bytes of the arguments as sent.
        action, resource: given where an agent asks about an action rather than a tool; else derived from the tool.
    """

    tool: str
    arguments: Any
    kind: str = "function"
    server: str | None = None
    size: int = 0
    action: str | None = None
    resource: str | None = None

    @classmethod
    def stated(
        cls,
        tool: str,
        arguments: Any,
        *,
        server: str | None = None,
        action: str | None = None,
        resource: str | None = None,
    ) -> Self:
        """As somebody writes it down: text is for a custom tool, and all else is as long as its shortest JSON."""
        text = isinstance(arguments, str)
        sent = arguments if text else json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))
        size = len(sent.encode("utf-8", "surrogatepass"))
        return cls(tool, arguments, "custom" if text else "function", server, size, action, resource)


class Memory(Protocol):
    """What an agent did lately, on any replica, read before the judge is asked."""

    def last(self, key: str) -> float | None:
        """When an action that this `sequence` clause waits for was allowed last, seconds since the epoch."""

    def spent(self, key: str) -> float:
        """What `sum_max` has counted under this key in its present period."""

    def tainted(self, value: str) -> bool:
        """Whether the value was first seen in an untrusted result of this session."""


class Intent(Protocol):
    """The intent that an agent presents: what it said before that it would do.

    Attributes:
        root: names all intents that share its counts.
        tools: the tools that it is about.
    """

    root: str
    tools: Collection[str]

    def fit(
        self,
        tool: str,
        server: str | None,
        arguments: Any,
        holds: Callable[[str, Mapping[str, Mapping[str, Any]], Mapping[str, Any]], bool],
    ) -> tuple[str | None, str]:
        """The id of the step that the call fits, else None and why: a word, and what it means.

        Args:
            tool, server: its own name, and the MCP server it is on where that is known.
            holds: whether arguments are what the constraints of this step demand.
        """


@dataclass(slots=True)
class Facts:
    """What a decision may look at beside the question.

    Attributes:
        now: seconds since the epoch.
        modes: the mode in force, by the name of the document; one that is not there is in its start mode.
        tools: what the request offered, by name, and `namespace/name` where it has one; None where nobody can know.
        transcript: the conversation; None where there is none.
        memory: None where no rule asks for it.
        intent: what the agent presents; None: nothing.
        proposed: a model has proposed exactly this call, and it was counted and let through, the conversation in sight.
        declaring: the call is a step of an intent that is being declared: it needs no intent itself.
    """

    agent: Agent
    now: float
    modes: Mapping[str, str]
    tools: Mapping[str, OfferedTool] | None = None
    transcript: Transcript | None = None
    memory: Memory | None = None
    intent: Intent | None = None
    proposed: bool = False
    declaring: bool = False


def offered_as(question: Question, tools: Mapping[str, OfferedTool]) -> OfferedTool | None:
    """The tool that is called: of two with one name, the one in the namespace that the call names."""
    inside = tools.get(f"{question.server}/{question.tool}") if question.server is not None else None
    return inside if inside is not None else tools.get(question.tool)
