"""What this process has seen of one agent and not written yet. Counts and bounded names; grows by at most a few kB."""

from collections.abc import Iterable

import orjson

from gateway.model.agent import Agent, Evidence
from gateway.store.lane import Argument
from gateway.store.vitals import Kept

MODELS, TOOLS, PROVIDERS = 20, 100, 20
"""How many different names are kept of one agent; the first ones stay."""

LONGEST_NAME = 200
"""Characters. Longer text of a client or a provider is cut."""


class Sighting:
    """One agent's share of the exchanges since the last flush. Times in seconds since the epoch.

    `number` is the running number it was sent with, `asked` whether Redis may have got it.
    """

    __slots__ = (
        "address",
        "agent",
        "asked",
        "client",
        "cost",
        "first",
        "input_tokens",
        "last",
        "models",
        "number",
        "ok",
        "output_tokens",
        "providers",
        "proxied",
        "requests",
        "rows",
        "tools",
    )

    def __init__(self, agent: Agent, time: float) -> None:
        self.agent = agent
        self.address: str | None = None
        self.client: str | None = None
        self.first = self.last = time
        self.ok = False
        self.proxied: float | None = None
        self.requests = self.input_tokens = self.output_tokens = 0
        self.cost = 0  # nanodollars
        self.rows: list[bytes] = []  # of vitals, packed
        self.models: set[str] = set()
        self.providers: set[str] = set()
        self.tools: set[str] = set()
        self.number = 0
        self.asked = False

    def absorb(self, older: "Sighting") -> None:
        """Take over an earlier sighting of the same agent that was not written after all."""
        self.first = min(self.first, older.first)
        self.last = max(self.last, older.last)
        self.address = self.address or older.address
        self.client = self.client or older.client
        self.ok = self.ok or older.ok
        self.proxied = self.proxied or older.proxied
        self.requests += older.requests
        self.input_tokens += older.input_tokens
        self.output_tokens += older.output_tokens
        self.cost += older.cost
        self.rows[:0] = older.rows
        add_names(self.models, older.models, MODELS)
        add_names(self.providers, older.providers, PROVIDERS)
        add_names(self.tools, older.tools, TOOLS)

    def arguments(self, writer: str, kept: Kept) -> list[Argument]:
        """What `see_agent.lua` takes."""
        rows = self.rows[-kept.count :]
        agent = self.agent
        fields: list[Argument] = ["agent_id", agent.agent_id, "verified", int(agent.verified)]
        said = {
            "credential": agent.credential,
            "credential_id": agent.credential_id or None,
            "own_name": agent.name,
            "client": self.client,
            "address": self.address,
        }
        said["credential_id"] = agent.credential_id or None
        for name, value in said.items():
            if value is not None:
                fields += (name, _text(value))
        if self.proxied is not None:
            fields += ("proxied", round(self.proxied * 1000))
        if agent.evidence:
            fields += ("evidence", _evidence(agent.evidence))
        return [
            writer,
            self.number,
            int(self.ok and agent.key_id is None),  # who has a key was made, and comes back from no deletion
            round(self.first * 1000),
            round(self.last * 1000),
            self.requests,
            amount(self.input_tokens),
            amount(self.output_tokens),
            amount(self.cost),
            len(fields) // 2,
            *fields,
            *_group(MODELS, self.models),
            *_group(TOOLS, self.tools),
            *_group(PROVIDERS, self.providers),
            *(kept.count, kept.seconds, len(rows)),
            *rows,
        ]


def add_names(names: set[str], more: Iterable[str], most: int) -> None:
    """Add to a bounded set; what does not fit is left out."""
    for name in more:
        if len(names) >= most:
            return
        names.add(name[:LONGEST_NAME])


def amount(number: int) -> int:
    """A count that a provider has named, in the range that Redis can add up: nobody uses a trillion tokens at once."""
    return max(0, min(number, 10**12))


def _group(most: int, names: set[str]) -> list[Argument]:
    return [most, len(names), *map(_text, names)]


def _evidence(evidence: tuple[Evidence, ...]) -> bytes:
    return orjson.dumps([(one.kind, one.score, one.detail) for one in evidence])


def _text(text: str) -> bytes:
    # Headers and JSON can carry lone surrogates; they must not make a flush fail.
    return text[:LONGEST_NAME].encode("utf-8", "replace")
