"""Which results that a request reports are new, and where their calls come from.

Results of calls that the gateway refused, or never let through, are no proof of anything: an agent that reports one has
found a way round, or makes conversations up.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from gateway.model.transcript import Said, Transcript


def newest(transcript: Transcript, ids: Collection[str]) -> list[Said]:
    """The results of these calls that no model has seen yet: they stand after its last word, and its last call."""
    after = transcript.calls[-1].position if transcript.calls else 0
    found: list[Said] = []
    for said in reversed(transcript.said[after:]):
        if said.speaker == "model":
            break
        if said.speaker == "tool" and said.call_id in ids:
            found.append(said)
    return found[::-1]


def named(transcript: Transcript, tools: Mapping[str, str]) -> Transcript:
    """The transcript with the names of tools, by call id, where it holds results without their calls: the provider
    keeps those."""
    if all(said.tool is not None or said.call_id not in tools for said in transcript.said):
        return transcript
    said = (replace(one, tool=tools.get(one.call_id or "")) if one.tool is None else one for one in transcript.said)
    return replace(transcript, said=tuple(said), memo={})
