"""Every key in Redis: its name, its life and its hash tag. No other module spells a key.

A part in braces is the hash tag: keys with the same one lie on the same node of a cluster, and only such keys may be
used by one script.

| key | type | holds | life |
|---|---|---|---|
| `schema` | string | the number of this layout | for ever |
| `probe` | string | nothing; written to see whether writes are taken | 60 s |
| `stats` | hash | totals over all agents | for ever |
| `agents` | sorted set | agent ids by the time first seen, ms | for ever |
| `agent:{id}` | hash | what is known of one agent | for ever |
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """Names under one prefix."""

    prefix: str = "leuko:"

    @property
    def schema(self) -> str:
        return f"{self.prefix}schema"

    @property
    def probe(self) -> str:
        return f"{self.prefix}probe"

    @property
    def stats(self) -> str:
        return f"{self.prefix}stats"

    @property
    def agents(self) -> str:
        return f"{self.prefix}agents"

    def agent(self, agent_id: str) -> str:
        return f"{self.prefix}agent:{{{agent_id}}}"
