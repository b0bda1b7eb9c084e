"""The README's tables of the lifecycle, made from the tables that the gateway works by.

    python -m tests.support.lifecycle_tables      writes them into the README

Each stands between `<!-- NAME -->` and `<!-- /NAME -->`. What happens and who does it is said here, and has to be said
for every move and every type of finding that there is.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from gateway.immune.constants import WARM_ANYWAY, WARM_CALLS, WARM_CONVERSATIONS
from gateway.immune.diagnosis import RULES
from gateway.immune.evidence import CHANGES, KINDS
from gateway.immune.finding import FindingType
from gateway.immune.ladder import LADDERS
from gateway.immune.rates import HARD_RUN
from gateway.immune.remedies import REMEDIES
from gateway.immune.settings import DEFAULT
from gateway.model.lifecycle import BLOCKED, MOVES, State

_OPERATOR, _GATEWAY, _EITHER = "an operator", "the gateway", "the gateway, an operator"
_STOPPED = "hard evidence; `leuko quarantine`"
_RELEASED = "`leuko release`"

WHY: Mapping[tuple[State, State], tuple[str, str]] = {
    ("INITIALIZING", "HEALTHY"): (
        f"its baseline is warm: {WARM_CALLS} calls in {WARM_CONVERSATIONS} conversations, or {WARM_ANYWAY} calls",
        _GATEWAY,
    ),
    ("INITIALIZING", "DRAINING"): (_STOPPED, _EITHER),
    ("HEALTHY", "SUSPECTED"): ("a finding", _GATEWAY),
    ("HEALTHY", "DRAINING"): (_STOPPED, _EITHER),
    ("SUSPECTED", "HEALTHY"): (
        f"{DEFAULT.quiet_calls} calls without a finding, or {DEFAULT.quiet_seconds / 60:g} minutes without one",
        _GATEWAY,
    ),
    ("SUSPECTED", "DRAINING"): (
        f"{_STOPPED}; {DEFAULT.confirm} of the {DEFAULT.confirm_of} calls after the first finding show it again, and a"
        f" second metric does as well (from {DEFAULT.second_metric_from} known calls on) or `sigma_action` says so",
        _EITHER,
    ),
    ("PROBATION", "HEALTHY"): (f"{DEFAULT.probation_calls} calls without a finding", _GATEWAY),
    ("PROBATION", "DRAINING"): (f"{_STOPPED}; what it was healed of shows again", _EITHER),
    ("DRAINING", "QUARANTINED"): (
        f"nothing of it is under way any more, or `drain_seconds` ({DEFAULT.drain_seconds:g}) are over; at once when an"
        " operator asks",
        _EITHER,
    ),
    ("QUARANTINED", "HEALING"): (
        f"by itself below {DEFAULT.approve_above:g} σ; else, and where somebody may be attacking, when a person"
        " approves; `leuko heal`",
        _EITHER,
    ),
    ("QUARANTINED", "PROBATION"): (_RELEASED, _OPERATOR),
    ("HEALING", "PROBATION"): ("a remedy is in place", _GATEWAY),
    ("HEALING", "EXHAUSTED"): ("no remedy is left, or an operator has taken hold of it meanwhile", _GATEWAY),
    ("EXHAUSTED", "HEALING"): ("`leuko heal`", _OPERATOR),
    ("EXHAUSTED", "PROBATION"): (_RELEASED, _OPERATOR),
}

FOUND: Mapping[FindingType, str] = {
    "token_spike": "input and output have grown at once",
    "input_token_spike": "the first turn, or the growth from turn to turn, is far above its past",
    "output_token_spike": "answers far longer, or shorter, than they were; one that is cut at its cap while it streams",
    "latency_spike": "answers, for their length, or their first token take far longer",
    "tool_explosion": "far more tool calls in an answer, or a hundred in one conversation",
    "high_retry_rate": "its client repeats requests",
    "cost_spike": "an answer costs far more; a budget is spent",
    "prompt_change": "a system prompt it never had, twice",
    "tools_change": "a set of tools it never had, twice",
    "model_change": "a model it never asked, twice",
    "error_rate_spike": "errors of its requests, of the provider or of its tools, about four in a row",
    "tool_loop": "the same call with the same result again and again, or two by turns",
    "unsanctioned_call": "a call was executed that no model proposed, or that was not let through",
    "denied_burst": "calls or requests denied, about four in a row",
    "identity_evasion": "a new name with the credential of an agent in quarantine, or a likeness of it",
    "new_client": "a verified key from a new client and a new address",
    "drift": "its normal is three times what it was a week ago",
}

_HARD: Mapping[FindingType, str] = {
    "tool_loop": f"blocks at {DEFAULT.loops.block_at} of the last {DEFAULT.loops.window} calls",
    "error_rate_spike": f"blocks at {HARD_RUN} in a row",
    "unsanctioned_call": "blocks at once",
    "identity_evasion": "blocks with the credential",
}
"""When it is evidence by itself."""


def moves() -> str:
    rows = [
        (f"{before}{' (blocked)' if before in BLOCKED else ''}", after, *WHY[before, after])
        for before, afters in MOVES.items()
        for after in MOVES
        if after in afters
    ]
    return _table(("from", "to", "when", "by"), rows)


def findings() -> str:
    return _table(("type", "what was seen", "what it does", "speaks for"), [_finding(name) for name in KINDS])


def remedies() -> str:
    rows = [
        (f"`{one.name}`", one.says, "until taken away" if one.lasting else "while on probation", _against(one.name))
        for one in REMEDIES
    ]
    return _table(("remedy", "what it does", "in force", "tried against"), rows)


TABLES: Mapping[str, Callable[[], str]] = {"lifecycle": moves, "findings": findings, "remedies": remedies}


def problems(document: str) -> list[str]:
    """What the document does not show as it is."""
    return [name for name, table in TABLES.items() if _filled(document, name, table()) != document]


def filled(document: str) -> str:
    """The document with the tables as they are. Raises ValueError where there is no place for one."""
    for name, table in TABLES.items():
        document = _filled(document, name, table()) or ""
        if not document:
            raise ValueError(f"there is no <!-- {name} --> and <!-- /{name} -->")
    return document


def _filled(document: str, name: str, table: str) -> str | None:
    place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if place.search(document) is None:
        return None
    return place.sub(lambda found: f"{found[1]}{table}{found[2]}", document)


def _finding(name: FindingType) -> tuple[str, str, str, str]:
    kind = KINDS[name]
    does = "throttles at once" if kind.throttles else "suspects" if kind.moves else "is told"
    if name in _HARD:
        does += f"; {_HARD[name]}"
    if kind.stopped:
        does += ", and by itself no more: it came to nothing"
    if name in CHANGES:
        does += ", and by itself no more, unless `sigma_action` says so"
    if kind.severe:
        does += "; a person decides on healing"
    if kind.shared:
        does += "; the provider is asked about first"
    causes = sorted(RULES[name].items(), key=lambda item: -item[1])
    return f"`{name}`", FOUND[name], does, ", ".join(f"{cause} {weight:g}" for cause, weight in causes)


def _against(remedy: str) -> str:
    places = [(ladder.index(remedy), cause) for cause, ladder in LADDERS.items() if remedy in ladder]
    return ", ".join(f"{cause} ({place + 1})" for place, cause in sorted(places))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    readme = Path(__file__).resolve().parents[2] / "README.md"
    readme.write_text(filled(readme.read_text("utf-8")), "utf-8")
