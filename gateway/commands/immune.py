"""`leuko immune replay`: what the immune system would have done with other settings."""

import json
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.policies import time_of
from gateway.commands.session import Output, Session, group, quoted

if TYPE_CHECKING:
    from gateway.immune.replay import Event, Report
    from gateway.immune.settings import Immune
    from gateway.model.vitals import Vitals
    from gateway.policy.document import Document

_AGENTS = 100_000
_KEPT = 100_000  # rows of one agent; GATEWAY_RETENTION keeps fewer
_AT_ONCE = 8


def replay(
    session: Session,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            exists=True,
            dir_okay=False,
            help="Vitals as JSON lines or CSV.",
            show_default="those of the gateway's agents",
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="7d, 12h, 30m ago, or a time (RFC 3339).", show_default="all that is kept")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="mode=…, sigma_action=…, metrics.latency.z=…, as policies have them. Repeatable."),
    ] = None,
    policy: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="Policy documents whose immune members count. Repeatable."),
    ] = None,
) -> None:
    """Run stored vitals through detection and decisions from the beginning: what would have been found and done.

    Settings are those of the gateway's policies about all agents where its own vitals are replayed, else none; then
    come --policy and --set. Loops are not in it: vitals do not tell them.
    """
    from gateway.immune.replay import run

    if files and since is not None:
        raise typer.BadParameter("give files or --since, not both")
    given = [_members(changes or ())]  # before anybody is asked
    settings = _settings([] if files or policy else policies_in_force(session), policy or (), given)
    rows = _rows(files) if files else _stored(session, since)
    report = run(rows, settings)
    found = _shown(report)
    if session.output is Output.JSON:
        session.show_one(found)
        return
    print(f"{report.calls} calls of {report.agents} agents")
    for name in ("findings", "moves"):
        if found[name]:
            print()
            session.show(found[name], tuple(found[name][0]))


def _settings(raws: Iterable[Any], paths: Iterable[Path], changes: Iterable[Any]) -> "Immune":
    """What documents and then changes say of the immune system. Raises Failure."""
    from gateway.commands.client import Failure
    from gateway.immune.settings import settings_of
    from gateway.policy.document import parse
    from gateway.policy.errors import PolicyError
    from gateway.settings.policies import read_policy

    try:
        documents: list[Document] = [parse(raw, f"policy {raw['name']}") for raw in raws]
        documents += [parse(read_policy(path, str(path)), str(path)) for path in paths]
        documents += [parse({"name": "set", "immune": members}, "--set") for members in changes]
    except PolicyError as error:
        raise Failure(str(error), 2) from None
    return settings_of(document.clauses.immune for document in documents)


def policies_in_force(session: Session) -> list[dict[str, Any]]:
    """What the gateway's policies about all agents say of the immune system. Raises Failure."""
    client, found = session.client, []
    for one in client.ask("GET", "/policies")["items"]:
        document = client.ask("GET", f"/policies/{quoted(one['name'])}")["document"] if one["in_force"] else {}
        if document.get("immune") and not document.get("match"):
            found.append({"name": document["name"], "immune": document["immune"]})
    return found


def _members(changes: Iterable[str]) -> dict[str, Any]:
    """`a.b=1` as `{"a": {"b": 1}}`; several may stand in one text, with commas between them."""
    found: dict[str, Any] = {}
    for change in (part.strip() for text in changes for part in text.split(",")):
        name, equals, value = change.partition("=")
        if not equals or not all(name.split(".")):
            raise typer.BadParameter(f"--set {change!r:.80}: is not NAME=VALUE, such as metrics.latency.z=5")
        *path, last = name.strip().split(".")
        place = found
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise typer.BadParameter(f"--set {change!r:.80}: {part} has a value already")
        place[last] = _value(value.strip())
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _rows(files: Iterable[Path]) -> "list[Vitals]":
    from gateway.commands.client import Failure
    from gateway.commands.vitals_rows import in_order, read_rows

    try:
        return in_order(row for path in files for row in read_rows(path))
    except (ValueError, OSError) as error:
        raise Failure(" ".join(str(error).split()), 2) from None


def _stored(session: Session, since: str | None) -> "list[Vitals]":
    """Those of all agents that the gateway keeps. Raises Failure."""
    from gateway.commands.vitals_rows import in_order, vitals_of

    client = session.client
    agents = [agent["agent_id"] for agent in client.items("/agents", _AGENTS)]
    params = {"since": time_of(since)}

    def of(agent: str) -> "list[Vitals]":
        return [vitals_of(row) for row in client.items(f"/agents/{quoted(agent)}/vitals", _KEPT, params)][::-1]

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return in_order(row for rows in pool.map(of, agents) for row in rows)


def _shown(report: "Report") -> dict[str, Any]:
    moves = Counter(_name(event) for event in report.events)
    return {
        "calls": report.calls,
        "agents": report.agents,
        "findings": [_counted(report, "type", name, count) for name, count in report.types().most_common()],
        "moves": [_counted(report, "step", name, count) for name, count in moves.most_common()],
        "events": [_event(event) for event in report.events],
    }


def _counted(report: "Report", what: str, name: str, count: int) -> dict[str, Any]:
    return {what: name, "count": count, "per_1000_calls": round(report.per_thousand(count), 3)}


def _name(event: "Event") -> str:
    """A step in words: who is quarantined comes into DRAINING first."""
    step = event.step
    if step.do == "move":
        return f"{step.before} to {step.state}"
    return f"tell, not {step.withheld}" if step.withheld else step.do


def _event(event: "Event") -> dict[str, Any]:
    from datetime import UTC, datetime

    at = datetime.fromtimestamp(event.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    step = _name(event)
    return {
        "agent_id": event.agent_id,
        "request_id": event.request_id,
        "time": at,
        "step": step,
        "cause": event.step.cause,
    }


def commands() -> typer.Typer:
    return group("immune", "What the immune system would do.", (("replay", replay),))
