"""One frame of `leuko top`: lines that fit the terminal. What agents call themselves is text here and nothing more."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.cells import chop_cells
from rich.text import Text

from gateway.commands.provider_health import failing
from gateway.commands.session import plain
from gateway.commands.top_view import Document, View, called, in_order, mode_of

_STYLES = {
    "HEALTHY": "green",
    "SUSPECTED": "yellow",
    "PROBATION": "cyan",
    "DRAINING": "bold red",
    "QUARANTINED": "bold red",
    "HEALING": "magenta",
    "EXHAUSTED": "bold white on red",
}
_COLUMNS = (("AGENT", 18), ("STATE", 12), ("σ", 5), ("REQ/MIN", 7), ("TOK/MIN", 8), ("USD", 8), ("MODEL", 15))
_RIGHT = ("σ", "REQ/MIN", "TOK/MIN", "USD")
_NARROW, _WIDER = 80, 22  # a wider terminal shows more of names
_LEAST_AGENTS = 3
_PANE_ROWS = 3
_UNTOLD, _PLAIN = ("agent_id", "request_id"), (str, int, float)
_ASKED_ROWS = 5
_KEYS = "↑↓ Tab select  Q quarantine  r release  h heal  a approve  x reject  q quit"


def frame(view: View, width: int, height: int | None) -> list[Text]:
    """The lines, at most `height` of them. Without a height all agents are shown."""
    head = _head(view, width)
    foot = _foot(view, width)
    below = [*_approvals(view, width, height), *_incidents(view, width, height)]
    if height is not None:
        room = height - len(head) - len(foot) - 1
        below = below[: max(0, room - _LEAST_AGENTS)]
        rows = max(0, room - len(below))
    else:
        rows = len(view.answers.agents)
    lines = [*head, *_agents(view, width, rows), *below, *foot]
    return lines if height is None else [*lines[: max(0, height - len(foot))], *foot][:height]


def _line(width: int, *parts: tuple[object, str] | str) -> Text:
    """One line of exactly `width` cells."""
    line = Text(no_wrap=True)
    for part in parts:
        text, style = (part, "") if isinstance(part, str) else part
        line.append(plain(text), style or None)
    line.truncate(width, overflow="ellipsis", pad=True)
    return line


def _cells(width: int, values: Sequence[tuple[object, str]]) -> Text:
    """A row of the table; the last column takes what is left."""
    line = Text(no_wrap=True)
    for (name, least), (value, style) in zip(_COLUMNS, values, strict=True):
        size = least + min(_WIDER, max(0, width - _NARROW)) if name == "AGENT" else least
        cell = Text(plain(value), style=style, no_wrap=True)
        cell.truncate(size, overflow="ellipsis")
        space = " " * max(0, size - cell.cell_len)
        line.append_text(Text.assemble(space, cell) if name in _RIGHT else Text.assemble(cell, space))
        line.append(" ")
    line.truncate(width, overflow="ellipsis", pad=True)
    return line


def _head(view: View, width: int) -> list[Text]:
    stats, agents = view.answers.stats, view.answers.agents
    count = f"{len(agents)} of {stats.get('agents', '?')}" if view.answers.more_agents else str(len(agents))
    state: tuple[object, str] = (f"STALE, {view.stale}", "bold white on red") if view.stale else ("live", "green")
    first = _line(width, ("Leuko", "bold"), f" {view.url}  {view.clock}  ", state)
    rates = [rate for agent in agents if (rate := view.rates.of(agent["agent_id"])) is not None]
    totals = f"{_short(sum(r[0] for r in rates))} req/m  {_short(sum(r[1] for r in rates))} tok/m  " if rates else ""
    second = _line(
        width,
        f"{count} agents  ",
        (f"{stats.get('quarantined', '?')} blocked", "bold red" if stats.get("quarantined") else ""),
        f"  {stats.get('findings', '?')} findings  {stats.get('healed', '?')} healed  "
        f"{totals}${stats.get('cost_usd', 0.0):.2f}",
    )
    return [first, second, _providers(view, width)]


def _providers(view: View, width: int) -> Text:
    trouble = {(one["provider"], one["model"]) for one in view.answers.stats.get("external", ())}
    ill = {provider for provider, _ in trouble}
    parts: list[tuple[object, str] | str] = [f"mode {mode_of(view.answers.mode)}  providers "]
    for provider in view.answers.providers:
        bad = provider["name"] in ill or failing(provider)
        parts += [(provider["name"], "bold red" if bad else "green"), "  "]
    for name, model in sorted(trouble):
        parts.append((f"external trouble: {name} {model}  ", "bold red"))
    return _line(width, *parts)


def _agents(view: View, width: int, rows: int) -> list[Text]:
    header = _cells(width, [(name, "bold") for name, _ in _COLUMNS])
    header.stylize("reverse" if view.pane == "agents" and view.keys else "underline")
    agents = in_order(view.answers.agents, view.rates)
    place = next((at for at, agent in enumerate(agents) if agent["agent_id"] == view.selected), 0)
    first = max(0, min(place - rows // 2, len(agents) - rows))
    lines = [_agent(view, width, agent) for agent in agents[first : first + rows]]
    if not agents and rows:
        lines = [_line(width, ("no agent has come yet", "dim"))]
    return [header, *lines, *(_line(width) for _ in range(rows - len(lines)))]


def _agent(view: View, width: int, agent: Document) -> Text:
    rate, off, state = view.rates.of(agent["agent_id"]), agent["deviation"], agent["state"]
    throttled = bool(agent.get("throttled"))
    shown = "throttled" if throttled and state in ("HEALTHY", "SUSPECTED", "PROBATION") else state
    row = _cells(
        width,
        [
            (agent["name"] or agent["agent_id"], ""),
            (shown, "yellow" if throttled and shown != state else _STYLES.get(state, "")),
            ("-" if off is None else f"{off:.1f}", "bold yellow" if off is not None and abs(off) >= 4.3 else ""),
            ("-" if rate is None else _short(rate[0]), ""),
            ("-" if rate is None else _short(rate[1]), ""),
            (_usd(agent["cost_usd"]), ""),
            (agent["models"][-1] if agent["models"] else "-", ""),
        ],
    )
    if view.keys and view.pane == "agents" and agent["agent_id"] == view.selected:
        row.stylize("reverse")
    return row


def _approvals(view: View, width: int, height: int | None) -> list[Text]:
    waiting = view.answers.approvals
    title = _line(width, (f"APPROVALS  {len(waiting) or 'none'} pending", "bold"))
    title.stylize("reverse" if view.pane == "approvals" else "underline")
    lines = [title]
    place = next((at for at, one in enumerate(waiting) if one["approval_id"] == view.selected), 0)
    rows = len(waiting) if height is None else _PANE_ROWS
    first = max(0, min(place - rows // 2, len(waiting) - rows))
    for one in waiting[first : first + rows]:
        line = _line(width, (approval_line(view, one), ""))
        if view.pane == "approvals" and one["approval_id"] == view.selected:
            line.stylize("reverse")
        lines.append(line)
    return lines


def approval_line(view: View, one: Document) -> str:
    """Who wants what, and by which rule it has to ask."""
    off = "" if one["deviation"] is None else f" {one['deviation']:.1f}σ"
    what = f" {_flat(one['arguments'])}" if one["arguments"] is not None else ""
    return f"{one['kind']}{off} {called(view.answers.agents, one['agent_id'])}: {one['tool']}{what} [{one['rule']}]"


def _incidents(view: View, width: int, height: int | None) -> list[Text]:
    title = _line(width, (f"INCIDENTS  {len(view.answers.incidents) or 'none'} open", "bold"))
    title.stylize("underline")
    shown = view.answers.incidents if height is None else view.answers.incidents[:_PANE_ROWS]
    return [title, *(_line(width, (_incident_line(view, one), "")) for one in shown)]


def _incident_line(view: View, one: Document) -> str:
    found = _listed(_finding(finding) for finding in one["findings"][:3]) or one["reason"]
    causes = _listed(f"{d['cause']} {d['confidence']:.0%}" for d in one["diagnoses"][:1])
    acts = _listed(f"{act['action']} {act['outcome']}" for act in one["actions"][-2:])
    parts = [called(view.answers.agents, one["agent_id"]), one["state"], found, causes, acts]
    return "  ".join(str(part) for part in parts if part)


def _finding(finding: Document) -> str:
    off = finding["deviation"]
    return str(finding["type"]) if off is None else f"{finding['type']} {off:.1f}σ"


def _foot(view: View, width: int) -> list[Text]:
    lines = [_line(width, (_event_line(view), "dim"))]
    if not view.keys:
        return lines
    if view.asks:
        # Whoever is asked sees all of what it is about, as far as it fits.
        asked = chop_cells(plain(f"{view.asks} [y/N]"), width)
        if len(asked) > _ASKED_ROWS:
            asked = [*asked[: _ASKED_ROWS - 1], "… [y/N]"]
        return [*lines, *(_line(width, (part, "bold black on yellow")) for part in asked)]
    return [*lines, _line(width, (view.said, "bold") if view.said else (_KEYS, "dim"))]


def _event_line(view: View) -> str:
    if view.event is None:
        return "no event yet"
    data = view.event["data"]
    whom = [called(view.answers.agents, data["agent_id"])] if isinstance(data.get("agent_id"), str) else []
    told = [f"{name}={value}" for name, value in data.items() if name not in _UNTOLD and isinstance(value, _PLAIN)]
    return " ".join([view.event["time"][11:19], view.event["kind"], *whom, *told])


def _listed(parts: Iterable[str]) -> str:
    return ", ".join(parts)


def _flat(arguments: Any) -> str:
    if isinstance(arguments, dict):
        return " ".join(f"{name}={value}" for name, value in arguments.items())
    return str(arguments)


def _short(number: float) -> str:
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if number >= limit:
            return f"{number / (1e3 if unit == 'k' else limit):.1f}{unit}"
    return f"{number:.0f}"


def _usd(dollars: float | None) -> str:
    if dollars is None:
        return "?"
    return f"{dollars:.4f}" if dollars < 10 else f"{dollars:.2f}"
