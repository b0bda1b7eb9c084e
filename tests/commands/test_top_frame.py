"""Frames of `leuko top`: they fit, and nothing that an agent says of itself does anything."""

import io
from typing import Any

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from gateway.commands.session import plain
from gateway.commands.top_frame import frame
from gateway.commands.top_view import Answers, Rates, View


def agent(id: str, state: str = "HEALTHY", **more: Any) -> dict[str, Any]:
    return {
        "agent_id": f"agt_{id}",
        "name": id,
        "state": state,
        "throttled": False,
        "deviation": 0.8,
        "requests": 12,
        "input_tokens": 5040,
        "output_tokens": 144,
        "cost_usd": 0.0018,
        "models": ["gpt-4o"],
        **more,
    }


APPROVAL = {
    "approval_id": "apr_1",
    "kind": "healing",
    "agent_id": "agt_a",
    "tool": "reset_memory",
    "arguments": {"incident_id": "inc_1"},
    "rule": "immune/approval",
    "deviation": 7.25,
}
INCIDENT = {
    "agent_id": "agt_a",
    "state": "QUARANTINED",
    "reason": "a drill (root)",
    "findings": [{"type": "output_token_spike", "deviation": 7.25}, {"type": "tool_loop", "deviation": None}],
    "diagnoses": [{"cause": "infinite_loop", "confidence": 0.8}, {"cause": "unknown", "confidence": 0.2}],
    "actions": [{"action": "reset_memory", "outcome": "applied"}],
}
STATS = {"agents": 4, "quarantined": 1, "findings": 9, "healed": 3, "cost_usd": 12.5, "external": []}


def view(**more: Any) -> View:
    given: dict[str, Any] = {
        "agents": (agent("a", "QUARANTINED", deviation=7.25), agent("b", throttled=True), agent("c", deviation=None)),
        "approvals": (APPROVAL,),
        "incidents": (INCIDENT,),
        "providers": ({"name": "default"}, {"name": "azure"}),
        "mode": {"mode": "NORMAL", "items": [], "policies": {}},
        "stats": STATS,
    }
    answers = {name: more.pop(name, value) for name, value in given.items()}
    return View("http://gateway", "12:00:01", Answers(1.0, **answers), Rates(), **more)


def shown(view: View, width: int = 80, height: int | None = 24) -> list[str]:
    return [line.plain.rstrip() for line in frame(view, width, height)]


def test_a_frame_says_who_is_ill_what_waits_and_what_was_found() -> None:
    event = {"time": "2026-11-21T12:00:00.000Z", "kind": "finding", "data": {"agent_id": "agt_a", "sigma": 7, "x": {}}}
    lines = shown(view(selected="agt_a", event=event))
    assert lines[0] == "Leuko http://gateway  12:00:01  live"
    assert lines[1] == "3 agents  1 blocked  9 findings  3 healed  $12.50"
    assert lines[2] == "mode NORMAL  providers default  azure"
    assert lines[4].split() == ["a", "QUARANTINED", "7.2", "-", "-", "0.0018", "gpt-4o"]
    assert lines[5].split()[:3] == ["b", "throttled", "0.8"]
    assert lines[6].split()[:3] == ["c", "HEALTHY", "-"]
    assert "APPROVALS  1 pending" in lines
    assert "healing 7.2σ a: reset_memory incident_id=inc_1 [immune/approval]" in lines
    assert "INCIDENTS  1 open" in lines
    stopped = shown(view(incidents=({**INCIDENT, "findings": []},)))
    assert [line for line in stopped if line.startswith("a  QUARANTINED  a drill (root)")]
    (incident,) = [line for line in lines if "infinite_loop" in line]
    assert incident == "a  QUARANTINED  output_token_spike 7.2σ, tool_loop  infinite_loop 80%  reset_me…"
    assert lines[-2] == "12:00:00 finding a sigma=7" and lines[-1].startswith("↑↓ Tab") and len(lines) == 24


def test_what_is_stale_says_so() -> None:
    assert "STALE, 12 s old: no answer" in shown(view(stale="12 s old: no answer"))[0]


def test_trouble_at_a_provider_is_named() -> None:
    stats = {**STATS, "external": [{"provider": "azure", "model": "gpt-4o"}]}
    assert "external trouble: azure gpt-4o" in shown(view(stats=stats))[2]


def test_a_question_takes_the_place_of_the_keys_and_is_shown_as_a_whole() -> None:
    assert shown(view(asks="Quarantine a?", said="done"))[-1] == "Quarantine a? [y/N]"
    lines = shown(view(asks="x" * 100))
    assert len(lines) == 24 and lines[-2:] == ["x" * 80, "x" * 20 + " [y/N]"]
    lines = shown(view(asks="x" * 1000))
    assert len(lines) == 24 and lines[-1] == "… [y/N]"
    assert shown(view(said="done"))[-1] == "done"


def test_a_row_far_down_comes_into_sight() -> None:
    many = tuple(agent(f"n{number:03}") for number in range(200))
    for selected in ("agt_n000", "agt_n100", "agt_n199"):
        lines = shown(view(agents=many, selected=selected))
        assert any(line.startswith(selected[4:]) for line in lines) and len(lines) == 24
    waiting = tuple({**APPROVAL, "approval_id": f"apr_{n}", "tool": f"t{n}"} for n in range(20))
    lines = shown(view(approvals=waiting, selected="apr_19", pane="approvals"))
    assert any("t19" in line for line in lines) and not any("t0 " in line for line in lines)


def test_without_a_height_all_is_shown_and_no_keys() -> None:
    many = tuple(agent(f"n{number:03}") for number in range(200))
    lines = shown(view(agents=many, keys=False), height=None)
    assert sum(line.startswith("n") and "HEALTHY" in line for line in lines) == 200
    assert not any("q quit" in line for line in lines)


def test_more_agents_than_were_read_are_counted() -> None:
    answers = Answers(1.0, (agent("a"),), True, stats=STATS)
    assert "1 of 4 agents" in shown(View("u", "c", answers, Rates()))[1]


def test_an_older_gateway_that_says_less_is_shown() -> None:
    lines = shown(View("u", "c", Answers(1.0, (agent("a"),)), Rates()))
    assert lines[1:3] == ["1 agents  ? blocked  ? findings  ? healed  $0.00", "mode ?  providers"]


def test_large_numbers_fit() -> None:
    rates = Rates()
    busy = agent("a", requests=10**12, input_tokens=5 * 10**12, output_tokens=0, cost_usd=12345.678)
    rates.add(0.0, [agent("a", requests=0, input_tokens=0, output_tokens=0)])
    rates.add(60.0, [busy])
    line = shown(View("u", "c", Answers(60.0, (busy,)), rates))[4]
    assert line.split() == ["a", "HEALTHY", "0.8", "1000.0G", "5000.0G", "12345.68", "gpt-4o"]


HOSTILE = st.text(
    st.sampled_from("ab[]/\x1b\x9b\x07\r\n\t\b你é\u0301\u202e\u2066\u200b\ufeff\U0001f600\x00;?m"), max_size=60
)


@given(HOSTILE, HOSTILE, HOSTILE, st.integers(5, 140), st.integers(4, 50))
def test_whatever_agents_call_themselves_the_frame_stays_a_frame(
    name: str, tool: str, model: str, width: int, height: int
) -> None:
    agents = (agent("a", name=name or None, models=[model]), agent("b"))
    approval = {**APPROVAL, "tool": tool, "arguments": {name: model}}
    incident = {**INCIDENT, "findings": [{"type": tool, "deviation": 1.0}]}
    event = {"time": model, "kind": tool, "data": {"agent_id": name, "said": tool}}
    given = view(agents=agents, approvals=(approval,), incidents=(incident,), event=event, asks=name)
    lines = frame(given, width, height)
    assert len(lines) <= height
    assert all(line.cell_len == width for line in lines)
    text = "".join(line.plain for line in lines)
    assert all(c.isprintable() for c in text)


def test_names_with_markup_and_escapes_come_out_of_a_console_as_text() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, markup=False, emoji=False, highlight=False)
    hostile = agent("a", name="[red]:boom:\x1b[2J\x1b]0;t\x07")
    for line in frame(view(agents=(hostile,)), 80, None):
        console.print(line, soft_wrap=True)
    screen = pyte.Screen(80, 24)
    pyte.Stream(screen).feed(out.getvalue().replace("\n", "\r\n"))
    assert screen.display[4].startswith("[red]:boom:�[2J�]…")
    assert screen.title == "" and "\x1b[2J" not in out.getvalue()


@pytest.mark.parametrize("text", ["\x1b", "\x9b", "\u202e", "\u2066", "\u200b", "\n", "\x00", "\ud800"])
def test_what_is_not_seen_is_seen(text: str) -> None:
    assert plain(f"a{text}b") == "a�b"
