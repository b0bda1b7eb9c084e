"""Whether an agent goes round in circles. Calls are counted, not scored: a loop needs no past to be one.

A call that gives something new is progress. What real agents do all the time is no loop: to look again after other
work, and to do again what a person asks for again. So a repetition counts towards the lower limits where the calls
before it brought nothing new, or are as dense, and where no new word of a person stands between; the limits that block
leave nobody an excuse but `polling`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from gateway.immune.calls import KEPT_CALLS, VOLATILE_MEMBERS, Seen, Trail, followed, fresh_calls
from gateway.immune.finding import Finding, FindingType
from gateway.immune.settings import LoopLimits
from gateway.model.transcript import Said, Transcript
from gateway.model.value import value

_FEW = 8
"""Calls of one turn that are compared with the earlier ones, each with each; of more, digests are made."""

Kind = Literal["identical_calls", "alternation", "tool_errors", "conversation_calls"]

_TYPES: Mapping[Kind, FindingType] = {
    "identical_calls": "tool_loop",
    "alternation": "tool_loop",
    "tool_errors": "error_rate_spike",
    "conversation_calls": "tool_explosion",
}


@value
class Loop:
    """`count` times. `blocks`: the conversation is to end here; else the agent is suspected."""

    kind: Kind
    count: int
    tool: str
    blocks: bool

    def finding(
        self, at: float, agent_id: str, request_id: str, *, model: str | None = None, conversation: str | None = None
    ) -> Finding:
        """A loop that blocks is hard evidence."""
        detail = {"tool": self.tool, "count": self.count}
        where = (at, agent_id, request_id, model, conversation)
        return Finding(_TYPES[self.kind], self.kind, None, *where, hard=self.blocks, detail=detail)


def loop_in(transcript: Transcript, failed: Callable[[Said], bool], limits: LoopLimits | None = None) -> Loop | None:
    """The loop that the latest calls of a whole conversation complete or go on with, if any.

    Most conversations hold none, and that is seen by comparing the latest calls with the earlier ones.
    """
    limits = limits or LoopLimits()
    fresh = fresh_calls(transcript)
    if not fresh:
        return None
    latest = range(len(transcript.calls) - fresh, len(transcript.calls))
    if fresh > _FEW or any(_worth_a_look(transcript, index, failed) for index in latest):
        return looping(*followed(transcript, failed), limits)
    names = [call.name for call in transcript.calls if call.name not in limits.polling]
    new = sum(call.name not in limits.polling for call in transcript.calls[-fresh:])
    return _crossed(len(names) - new, len(names), names[-1], limits) if new else None


def looping(trail: Trail, fresh: int = 1, limits: LoopLimits | None = None) -> Loop | None:
    """The worst loop that one of the latest `fresh` calls completes or goes on with."""
    limits = limits or LoopLimits()
    calls = [call for call in trail.calls if call.tool not in limits.polling]
    new = sum(call.tool not in limits.polling for call in trail.calls[max(0, len(trail.calls) - fresh) :])
    found = [
        loop
        for end in range(len(calls) - new, len(calls))
        for rule in _RULES
        if (loop := rule(calls, end, trail.dropped, limits)) is not None
    ]
    return max(found, key=lambda loop: (loop.blocks, loop.count), default=None)


def _identical(calls: Sequence[Seen], end: int, dropped: int, limits: LoopLimits) -> Loop | None:
    key = calls[end].key
    recent = sum(call.key == key for call in calls[max(0, end + 1 - limits.window) : end + 1])
    if recent >= limits.block_at:
        return Loop("identical_calls", recent, calls[end].tool, True)
    before = next((call for call in reversed(calls[:end]) if call.key == key), None)
    if before is None or before.word != calls[end].word:
        return None
    without_progress = 1 + sum(call.key == key for call in calls[_last_new(calls, end) + 1 : end + 1])
    # Every other call is dense, whatever stands between.
    dense = sum(call.key == key for call in calls[max(0, end + 2 - 2 * limits.identical) : end + 1])
    count = max(without_progress, dense)
    return Loop("identical_calls", count, calls[end].tool, False) if count >= limits.identical else None


def _alternation(calls: Sequence[Seen], end: int, dropped: int, limits: LoopLimits) -> Loop | None:
    if end < 1 or calls[end].key == calls[end - 1].key:
        return None
    turns = 2
    while turns <= end and calls[end - turns].key == calls[end - turns + 2].key:
        turns += 1
    times = turns // 2
    if times >= limits.block_alternations:
        return Loop("alternation", times, calls[end].tool, True)
    if times >= limits.alternations and calls[end].word == calls[end - 2].word:
        return Loop("alternation", times, calls[end].tool, False)
    return None


def _errors(calls: Sequence[Seen], end: int, dropped: int, limits: LoopLimits) -> Loop | None:
    count = 0
    while count <= end and calls[end - count].failed:
        count += 1
    if count >= limits.block_errors:
        return Loop("tool_errors", count, calls[end].tool, True)
    if count >= limits.errors and calls[end].word == calls[end - 1].word:
        return Loop("tool_errors", count, calls[end].tool, False)
    return None


def _many(calls: Sequence[Seen], end: int, dropped: int, limits: LoopLimits) -> Loop | None:
    return _crossed(dropped + end, dropped + end + 1, calls[end].tool, limits)


def _crossed(before: int, count: int, tool: str, limits: LoopLimits) -> Loop | None:
    """Said once each time, not at every call after: long conversations of diligent agents are no illness."""
    crossed = count // limits.calls > before // limits.calls
    return Loop("conversation_calls", count, tool, False) if crossed else None


_RULES = (_identical, _alternation, _errors, _many)


def _last_new(calls: Sequence[Seen], end: int) -> int:
    """Where, up to `end`, a call last gave what none had given before."""
    first: dict[str, int] = {}
    for index in range(end + 1):
        first.setdefault(calls[index].key, index)
    return max(first.values())


def _worth_a_look(transcript: Transcript, index: int, failed: Callable[[Said], bool]) -> bool:
    """Whether a call was made twice before, or failed: without that it can be no part of a loop."""
    call = transcript.calls[index]
    arguments = call.arguments
    marked = type(arguments) is dict and not VOLATILE_MEMBERS.isdisjoint(arguments)
    earlier = transcript.calls[max(0, index - KEPT_CALLS) : index]
    if sum(c.name == call.name and (marked or c.arguments == arguments) for c in earlier) >= 2:
        return True
    return any(said.speaker == "tool" and failed(said) for said in transcript.said[call.position :])
