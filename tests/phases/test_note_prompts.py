"""Which system prompts are kept."""

from dataclasses import dataclass, field
from typing import Any

from gateway.phases.note_prompts import NotePrompts
from tests.support.path import running_path
from tests.support.upstream import ScriptedUpstream, answer, json_answer

ANSWER = {"id": "x", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Aye"}}]}


@dataclass
class Kept:
    noted: dict[tuple[str, str], str] = field(default_factory=dict)

    def knows(self, agent_id: str, prompt_hash: str) -> bool:
        return (agent_id, prompt_hash) in self.noted

    def note(self, agent_id: str, prompt_hash: str, text: str) -> None:
        assert not self.knows(agent_id, prompt_hash)
        self.noted[agent_id, prompt_hash] = text


def ask(*system: str) -> dict[str, Any]:
    messages = [{"role": "system", "content": text} for text in system]
    return {"model": "m", "messages": [*messages, {"role": "user", "content": "Hi"}]}


async def test_the_first_of_each_kind_is_kept_once_a_provider_has_answered() -> None:
    kept = Kept()
    notes = NotePrompts(kept)
    async with (
        ScriptedUpstream([answer(500), json_answer(ANSWER)]) as upstream,
        running_path(upstream.url, gates=(notes.gate,), observers=(notes.observe,)) as path,
    ):
        seen = []
        for number, (url, body) in enumerate(
            [
                ("/v1/chat/completions", ask("You are a pirate.")),
                ("/v1/chat/completions", ask("You are a pirate of 1701.", "Be kind.")),
                ("/v1/chat/completions", ask("You are a pirate of 1702.", "Be kind.")),
                ("/v1/chat/completions", ask()),
                ("/v1/responses", {"model": "m", "instructions": "You are a nurse.", "input": "Hi"}),
                ("/v1/files", {}),
            ],
            1,
        ):
            await path.client.post(url, json=body)
            seen.append(await path.sightings.settled(number))
        agent_id = seen[0].agent.agent_id
        assert kept.noted == {
            (agent_id, seen[1].vitals.prompt_hash): "You are a pirate of 1701.\nBe kind.",
            (agent_id, seen[4].vitals.prompt_hash): "You are a nurse.",
        }
        assert not notes._waiting
