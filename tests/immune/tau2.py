"""Real agent calls (`data/README.md`) as vitals: shuffled by conversation, and with something wrong injected."""

import csv
import gzip
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from gateway.immune.state import Watched, dump, load
from gateway.immune.watched import watch
from gateway.model.vitals import Vitals

DATA = Path(__file__).parent / "data" / "tau2_calls.csv.gz"
NORMAL = ("user_stop", "agent_stop")
# Thresholds were chosen on the first five; what they reach is judged on the other five.
TUNED = ("d3f1afbb", "b4e983fc", "022b3ed1", "83e60796", "e27af7ee")
HELD = ("6a82baa3", "71a5c478", "6448b3c0", "94ad2a06", "e93263f9")

Injection = Callable[[Vitals], Vitals]


@cache
def conversations() -> dict[str, list[list[Vitals]]]:
    """The normal conversations of each agent."""
    agents: dict[str, dict[str, list[Vitals]]] = {}
    with gzip.open(DATA, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["end"] in NORMAL:
                calls = agents.setdefault(row["agent"], {}).setdefault(row["conversation"], [])
                calls.append(_vitals(row, len(calls) + 1))
    return {agent: list(found.values()) for agent, found in agents.items()}


def _vitals(row: dict[str, str], turn: int) -> Vitals:
    return Vitals(
        row["agent"],
        f"{row['conversation']}.{row['turn']}",
        0.0,
        "openai",
        "provider",
        f"model of {row['agent']}",
        False,
        200,
        float(row["latency_s"] or 0.0) * 1000.0,  # 0: not known of first calls
        input_tokens=int(row["input_tokens"]),
        output_tokens=int(row["output_tokens"]),
        tool_calls=int(row["tool_calls"]),
        tool_errors=int(row["tool_errors"]),
        cost_usd=float(row["cost_usd"]) if row["cost_usd"] else None,
        conversation=row["conversation"],
        turn=turn,
    )


def calls(agent: str, seed: int) -> list[Vitals]:
    """One agent's calls, its conversations in an order drawn by the seed, two seconds apart."""
    drawn = list(conversations()[agent])
    random.Random(f"{agent} {seed}").shuffle(drawn)
    return [replace(one, time=1.7e9 + 2.0 * place) for place, one in enumerate(one for talk in drawn for one in talk)]


def found_share(
    agents: Sequence[str], seeds: Sequence[int], injection: Injection, finding: str, *, within: int = 10
) -> float:
    """How often an injection into a healthy agent's calls leads to its finding within so many calls."""
    tries = [
        any(found.type == finding for one in rows for found in watch(state, injection(one)))
        for agent in agents
        for seed in seeds
        for state, rows in _starts(calls(agent, seed), seed, within)
    ]
    return sum(tries) / len(tries)


def _starts(
    rows: list[Vitals], seed: int, within: int, *, first: int = 60, every: int = 30
) -> Iterator[tuple[Watched, list[Vitals]]]:
    """What is known of the agent at some of its calls, and the calls that follow."""
    state = Watched()
    for place, one in enumerate(rows[:-within]):
        if place >= first and (place + 7 * seed) % every == 0:
            yield load(dump(state)), rows[place : place + within]
        watch(state, one)
