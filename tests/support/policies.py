"""Documents made by hand for tests, and questions asked of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.model.agent import Agent
from gateway.model.ask import OfferedTool
from gateway.model.transcript import MadeCall, Said, Transcript
from gateway.policy.actions import read_pattern
from gateway.policy.clauses import ActionPattern, Clauses, Mode, Tool
from gateway.policy.document import Document, Match
from gateway.policy.engine import Engine, Rules
from gateway.policy.question import Facts, Question
from gateway.policy.verdict import Verdict

AGENT = Agent("agt_1", True, name="sre-1", owner_team="platform", environment="prod")
NOW = 1_800_000_000.0


def patterns(*written: Any) -> tuple[ActionPattern, ...]:
    return tuple(read_pattern(one) for one in written)


def mode(name: str, allow: Sequence[Any] = (), deny: Sequence[Any] = ()) -> Mode:
    return Mode(name, patterns(*allow), patterns(*deny))


def tool(name: str, server: str | None = None, **members: Any) -> Tool:
    return Tool(name, replace(read_pattern(name), server=server), **members)


def document(name: str = "ops", match: Match | None = None, *, version: int = 1, **clauses: Any) -> Document:
    """Lists of actions may be given as text, `arguments` and the rest as they are after reading."""
    for key in ("always_blocked", "allow", "deny"):
        if key in clauses:
            clauses[key] = patterns(*clauses[key])
    for key in ("modes", "tools", "sequence"):
        if key in clauses:
            clauses[key] = tuple(clauses[key])
    return Document(name, match or Match(), clauses=Clauses(**clauses), version=version)


def rules(*documents: Document, agent: Agent = AGENT, **engine: Any) -> Rules:
    return Engine(documents, **engine).of(agent)


def facts(modes: Mapping[str, str] | None = None, *, agent: Agent = AGENT, now: float = NOW, **known: Any) -> Facts:
    return Facts(agent, now, modes or {}, **known)


class Remembered:
    """A memory with these entries."""

    def __init__(
        self, last: Mapping[str, float] | None = None, spent: Mapping[str, float] | None = None, tainted: Any = ()
    ) -> None:
        self._last, self._spent, self._tainted = last or {}, spent or {}, tainted

    def last(self, key: str) -> float | None:
        return self._last.get(key)

    def spent(self, key: str) -> float:
        return self._spent.get(key, 0.0)

    def tainted(self, value: str) -> bool:
        return value in self._tainted


def said(*texts: str | tuple[str, str], calls: Sequence[MadeCall] = ()) -> Transcript:
    """A conversation: a text is a person's, a pair the name of a tool and its result."""
    made = [Said("user", one) if isinstance(one, str) else Said("tool", one[1], one[0]) for one in texts]
    return Transcript(tuple(made), tuple(calls))


def offer(name: str, schema: Any = None, kind: str = "function", **known: Any) -> OfferedTool:
    return OfferedTool(name, kind, {"type": kind, "name": name, "parameters": schema}, **known)


def judge(on: Rules | Document, name: str = "", arguments: Any = None, **known: Any) -> Verdict:
    """What becomes of one call; `known` are members of Question and of Facts."""
    ruled = rules(on) if isinstance(on, Document) else on
    asked = {key: known.pop(key) for key in ("kind", "server", "size", "action", "resource") if key in known}
    question = Question(name, {} if arguments is None else arguments, **asked)
    return ruled.judge_call(question, facts(**known))
