"""A document's own examples, held against it alone: by itself, for an agent it is about, with nothing done before."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gateway.model.agent import Agent
from gateway.model.transcript import Said, Speaker, Transcript
from gateway.policy.clauses import Case
from gateway.policy.document import Document, Match
from gateway.policy.engine import Engine
from gateway.policy.errors import PolicyError
from gateway.policy.question import Facts, Question
from gateway.policy.verdict import Verdict

_AGENT = Agent("agt_case", verified=True)
_SPEAKERS: tuple[Speaker, ...] = ("user", "model", "tool")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one case: `found` is `allow`, `deny` or `approval`."""

    case: Case
    found: str
    verdict: Verdict

    @property
    def holds(self) -> bool:
        return self.found == self.case.expect

    @property
    def shown(self) -> str:
        """In one line, without the arguments."""
        call, verdict = self.case.call, self.verdict
        name = call.get("tool") or call.get("action")
        mode = f" in mode {self.case.mode}" if self.case.mode is not None else ""
        rule = f" by {verdict.rule}: {verdict.reason}" if verdict.rule else ": no rule has a say"
        return f"{name}{mode}: expected {self.case.expect}, found {self.found}{rule}"


class _Nothing:
    """The memory of an agent that has done nothing yet."""

    def last(self, key: str) -> float | None:
        return None

    def spent(self, key: str) -> float:
        return 0.0

    def tainted(self, value: str) -> bool:
        return False


def outcomes(document: Document, servers: Collection[str] = ()) -> Iterator[Outcome]:
    """What becomes of each case. Shadow is left out: a case says what the document means."""
    if not document.clauses.cases:
        return
    alone = replace(document, match=Match(), clauses=replace(document.clauses, shadow=False))
    rules = Engine((alone,), servers=servers).of(_AGENT)
    for case in document.clauses.cases:
        modes = {} if case.mode is None else {document.name: case.mode}
        facts = Facts(_AGENT, 0.0, modes, transcript=_transcript(case.call), memory=_Nothing())
        verdict = rules.judge_call(_question(case.call), facts)
        yield Outcome(case, _found(verdict), verdict)


def check_cases(document: Document, servers: Collection[str] = ()) -> None:
    """Raises PolicyError for the first case that does not hold."""
    for position, outcome in enumerate(outcomes(document, servers)):
        if not outcome.holds:
            raise PolicyError(document.source, f"cases[{position}]", f"does not hold: {outcome.shown}")


def _question(call: Mapping[str, Any]) -> Question:
    named = {name: call.get(name) for name in ("server", "action", "resource")}
    return Question.stated(call.get("tool", ""), call.get("arguments", {}), **named)


def _transcript(call: Mapping[str, Any]) -> Transcript:
    return Transcript(tuple(_said(text) for text in call.get("said", ())))


def _said(written: Mapping[str, str]) -> Said:
    speaker = next(speaker for speaker in _SPEAKERS if speaker in written)
    return Said("tool", written["text"], written["tool"]) if speaker == "tool" else Said(speaker, written[speaker])


def _found(verdict: Verdict) -> str:
    if not verdict.allowed:
        return "deny"
    return "approval" if verdict.approval else "allow"
