"""`leuko incidents`: what was found wrong with agents, what was done about it, and what a person says it was."""

from typing import Annotated

import typer

from gateway.commands.agents import Limit
from gateway.commands.session import Output, Session, group, quoted

_COLUMNS = ("incident_id", "agent_id", "state", "opened_at", "closed_at", "cause", "deviation", "reason")
_FINDINGS = ("at", "type", "metric", "deviation", "hard", "request_id", "detail")
_VITALS = ("time", "request_id", "model", "status", "latency_ms", "input_tokens", "output_tokens", "tool_calls")
_LISTS = ("findings", "diagnoses", "actions", "vitals")

_CAUSES = (
    "prompt_drift, prompt_injection, infinite_loop, tool_instability, memory_corruption, cost_overrun, "
    "external_cause or unknown, also where nothing was wrong"
)
IncidentId = Annotated[str, typer.Argument(help="An incident's id, inc_….", metavar="INCIDENT")]


def list_incidents(
    session: Session,
    agent: Annotated[str | None, typer.Option(help="Those of one agent.")] = None,
    open: Annotated[bool | None, typer.Option("--open/--closed", help="Those that are so.")] = None,
    limit: Limit = 100,
) -> None:
    """What was found wrong, the newest first."""
    params = {"agent_id": agent, "open": None if open is None else str(open).lower()}
    items = session.client.items("/incidents", limit, params)
    if session.output is Output.TABLE:
        items = [{**one, "cause": _first(one["diagnoses"]), "deviation": _furthest(one["findings"])} for one in items]
    session.show(items, _COLUMNS)


def show(session: Session, incident: IncidentId) -> None:
    """One incident: the findings, what may be the cause, what was tried, and the exchanges that showed it."""
    found = session.client.ask("GET", f"/incidents/{quoted(incident)}")
    if session.output is Output.JSON:
        session.show_one(found)
        return
    session.show_one({name: member for name, member in found.items() if name not in _LISTS})
    for name, columns in zip(
        _LISTS, (_FINDINGS, ("cause", "confidence"), ("at", "action", "outcome"), _VITALS), strict=True
    ):
        if found[name]:
            print(f"\n{name}")
            session.show(found[name], columns)


def feedback(
    session: Session,
    incident: IncidentId,
    cause: Annotated[str, typer.Argument(help=f"What it was: {_CAUSES}.")],
) -> None:
    """Say what was really wrong: diagnoses of the next ones like it follow that."""
    body = {"incident_id": incident, "actual_cause": cause}
    said = session.client.ask("POST", "/feedback", body=body)
    session.done(f"{said['incident_id']}: {said['actual_cause']}")


def _first(diagnoses: list[dict[str, object]]) -> str | None:
    return f"{diagnoses[0]['cause']} {diagnoses[0]['confidence']}" if diagnoses else None


def _furthest(findings: list[dict[str, float | None]]) -> float | None:
    return max((one["deviation"] for one in findings if one["deviation"] is not None), key=abs, default=None)


def commands() -> typer.Typer:
    verbs = (("list", list_incidents), ("show", show), ("feedback", feedback))
    return group("incidents", "What was found wrong with agents, and what was done.", verbs)
