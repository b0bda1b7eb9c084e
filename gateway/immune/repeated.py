"""Loops that come again in one conversation after the other: each of them too short to be stopped by itself."""

from dataclasses import replace

from gateway.immune import constants as k
from gateway.immune.finding import Finding
from gateway.immune.state import Watched, short

METRIC = "conversations"
"""Counted already: one such finding needs no confirming."""


def heard(state: Watched, finding: Finding) -> tuple[Finding, ...]:
    """What a finding that was made elsewhere says of the agent, with what was found before. Changes `state`."""
    if finding.type != "tool_loop" or finding.hard or finding.conversation is None:
        return (finding,)
    conversation, now = short(finding.conversation), state.conversations
    if conversation in state.looped:
        return (finding,)
    state.looped[conversation] = now
    for name in list(state.looped)[: -k.LOOPS]:
        del state.looped[name]
    since = now - next(iter(state.looped.values()))
    if len(state.looped) < k.LOOPS or not 0 <= since < k.LOOPS_OF:
        return (finding,)
    detail = {"conversations": len(state.looped), "of": since + 1, "tool": finding.detail.get("tool")}
    return finding, replace(finding, metric=METRIC, detail=detail)
