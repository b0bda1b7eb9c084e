"""What is kept of a request and of a call, so that a policy that is only thought of can be tried on them."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Self

from gateway.model.agent import Agent
from gateway.model.ask import OfferedTool
from gateway.model.value import value
from gateway.policy.question import Facts, Question, offered_as
from gateway.policy.verdict import Verdict

ANY = "*"
"""The key of `modes` for documents that it does not name."""


@value
class RecordedCall:
    """A call that was judged.

    Attributes:
        question: as it was judged; `arguments` without known secrets once it was kept.
        time: seconds since the epoch.
        modes: the mode in force by the name of the document.
        tools: the tool of this name as the request offered it; empty: it did not; None: nobody can know.
        verdict: what was said of it.
        cut: its arguments were too large to be kept.
        covered: secrets in its arguments were covered.
    """

    question: Question
    agent: Agent
    time: float
    modes: Mapping[str, str] = field(default_factory=dict)
    tools: Mapping[str, OfferedTool] | None = None
    verdict: Verdict | None = None
    request_id: str | None = None
    conversation: str | None = None
    cut: bool = False
    covered: bool = False

    @classmethod
    def of(
        cls, question: Question, facts: Facts, verdict: Verdict, request_id: str | None, conversation: str | None
    ) -> Self:
        """What was judged, without the conversation, which is not to be kept."""
        tools = facts.tools
        if tools is not None:
            offered = offered_as(question, tools)
            tools = {} if offered is None else {question.tool: offered}
        return cls(question, facts.agent, facts.now, facts.modes, tools, verdict, request_id, conversation)


@value
class RecordedRequest:
    """A request that was judged: names and numbers of it. `size` is bytes of its body."""

    agent: Agent
    time: float
    model: str | None
    tools: tuple[OfferedTool, ...] = ()
    size: int = 0
    stream: bool = False
    modes: Mapping[str, str] = field(default_factory=dict)
    request_id: str | None = None


Recorded = RecordedCall | RecordedRequest


def modes_of(modes: Mapping[str, str]) -> dict[str, str]:
    """The same as plain values: what each document named has, and under `*` what any other has."""
    found: dict[str, str] = {name: modes[name] for name in modes}
    others: Any = modes.get("")  # no document has this name
    return {**found, ANY: others} if others is not None else found
