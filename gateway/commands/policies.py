"""`leuko policy list`, `show`, `diff`, `apply`, `rollback`, `delete`, `explain`, `replay`: the policies of a running
gateway."""

import difflib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.commands.session import DENIED, Output, Session, given, quoted

_COLUMNS = ("name", "version", "source", "where", "in_force", "enforcement", "updated_at", "updated_by")
_LOOKED = ("rule", "effect", "matched", "why")
_SPAN = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_TO_PERSONS = {"allow": "allowed", "deny": "denied", "approval": "needs approval"}

Name = Annotated[str, typer.Argument(help="The document's name.")]
Files = Annotated[list[Path], typer.Argument(exists=True, help="Files, or directories of them.")]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A policy document.")]
Version = Annotated[int | None, typer.Option(min=1, help="An earlier version.")]


def list_policies(session: Session) -> None:
    """All documents, those of files and settings too."""
    session.show(session.client.ask("GET", "/policies")["items"], _COLUMNS)


def show(session: Session, name: Name, version: Version = None) -> None:
    """One document as it was written."""
    found = session.client.ask("GET", f"/policies/{quoted(name)}", params={"version": version})
    if session.output is Output.JSON:
        session.show_one(found)
    else:
        print(_written(found), end="")


def versions(session: Session, name: Name) -> None:
    """The versions of a document that are kept."""
    items = session.client.ask("GET", f"/policies/{quoted(name)}/versions")["items"]
    session.show(items, ("version", "updated_at", "updated_by", "deleted"))


def diff(
    session: Session,
    what: Annotated[str, typer.Argument(help="A file, to compare with what the gateway has; or a document's name.")],
    version: Annotated[
        int | None, typer.Option(min=1, help="Of a name: the version to compare with the present one.")
    ] = None,
) -> None:
    """What a file would change, or what the last change of a document was; exit code 1 if there is a difference."""
    path = Path(what)
    if path.is_file():
        text, document = _read(path)
        before = _there(session, document["name"])
        lines = _diff(before, {"document": document, "text": text}, f"{document['name']} in force", str(path))
    else:
        now = session.client.ask("GET", f"/policies/{quoted(what)}")
        earlier = version if version is not None else now["version"] - 1
        before = (
            session.client.ask("GET", f"/policies/{quoted(what)}", params={"version": earlier}) if earlier else None
        )
        lines = _diff(before, now, f"{what}@{earlier}", f"{what}@{now['version']}")
    if session.output is Output.JSON:
        session.show_one({"diff": lines})
    else:
        print("".join(lines), end="")
    if lines:
        raise typer.Exit(1)


def apply(
    session: Session,
    files: Files,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check them, with the gateway.")] = False,
) -> None:
    """Put documents in force, on every worker; those that are in force already stay as they are."""
    rows = []
    for path in _each(files):
        text, document = _read(path)
        row = {"file": str(path), "policy": document["name"]}
        if dry_run:
            _validate(session, path, text)
            rows.append({**row, "version": None, "done": "checked"})
            continue
        rows.append({**row, **_put(session, document, text)})
    session.show(rows, ("file", "policy", "version", "done"))


def rollback(
    session: Session, name: Name, version: Annotated[int, typer.Argument(min=1, help="The version to go back to.")]
) -> None:
    """Put an earlier version in force again, as a new one."""
    now = _there(session, name)
    headers = {"if-match": now["etag"]} if now is not None else None
    found = session.client.ask("POST", f"/policies/{quoted(name)}/rollback", body={"version": version}, headers=headers)
    session.done(f"{found['name']} is as in version {version} again; that is version {found['version']}")


def delete(session: Session, name: Name) -> None:
    """Take a document out of force that was made over the API; its versions stay."""
    now = _there(session, name)
    if now is not None:
        session.client.ask("DELETE", f"/policies/{quoted(name)}", headers={"if-match": now["etag"]})
    session.deleted(name, "policy", there=now is not None)


def explain(
    session: Session,
    tool: Annotated[str | None, typer.Argument(help="A tool; without one, give --action.")] = None,
    arguments: Annotated[str, typer.Option("--arguments", help="The call's arguments, as JSON.")] = "{}",
    agent: Annotated[str | None, typer.Option("--agent", help="Who calls; else nobody in particular.")] = None,
    action: Annotated[str | None, typer.Option("--action", help="An action, such as read:file.")] = None,
    resource: Annotated[str | None, typer.Option("--resource", help="What the action is about.")] = None,
    server: Annotated[str | None, typer.Option("--server", help="The MCP server that the tool is on.")] = None,
    mode: Annotated[str | None, typer.Option("--mode", help="As if documents that have it were in this mode.")] = None,
) -> None:
    """What would be decided about a call, and every rule that was looked at; exit code 3 if it is denied."""
    try:
        sent = json.loads(arguments)
    except json.JSONDecodeError as error:
        raise typer.BadParameter(f"--arguments: is not JSON: {error}") from None
    asked = given(tool=tool, action=action, agent_id=agent, resource=resource, server=server, mode=mode)
    found = session.client.ask("POST", "/policies/explain", body={**asked, "arguments": sent})
    if session.output is Output.JSON:
        session.show_one(found)
    else:
        looked = found.pop("looked_at")
        session.show_one(found)
        print()
        session.show(looked, _LOOKED)
    if not found["allowed"]:
        raise typer.Exit(DENIED)


def replay(
    session: Session,
    file: File,
    since: Annotated[
        str | None, typer.Option(help="7d, 12h, 30m ago, or a time (RFC 3339).", show_default="all that is kept")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="So many of the newest records.")] = 10_000,
) -> None:
    """What recorded requests and calls would have met if this document were in force."""
    _, document = _read(file)
    body = {"document": document, "limit": limit, **given(since=time_of(since))}
    found = session.client.ask("POST", "/policies/replay", body=body)
    if session.output is Output.JSON:
        session.show_one(found)
        return
    print(f"{found['judged']} judged, {found['changed']} would change, {found['undecided']} undecided")
    if found["items"]:
        rows = [_row(item) for item in found["items"]]
        session.show(rows, ("time", "agent_id", "what", "before", "after", "rule"))


VERBS = (
    ("list", list_policies),
    ("show", show),
    ("versions", versions),
    ("diff", diff),
    ("apply", apply),
    ("rollback", rollback),
    ("delete", delete),
    ("explain", explain),
    ("replay", replay),
)


def _there(session: Session, name: str) -> dict[str, Any] | None:
    """The document of this name, None if there is none."""
    from gateway.commands.client import Failure

    try:
        found: dict[str, Any] = session.client.ask("GET", f"/policies/{quoted(name)}")
    except Failure as failure:
        if failure.status == 404:
            return None
        raise
    return found


def _put(session: Session, document: dict[str, Any], text: str) -> dict[str, Any]:
    name = document["name"]
    before = _there(session, name)
    if before is not None and before["source"] == "api" and _written(before) == text:
        return {"version": before["version"], "done": "unchanged"}
    headers = {"if-none-match": "*"} if before is None else {"if-match": before["etag"]}
    found = session.client.ask("PUT", f"/policies/{quoted(name)}", yaml=text, headers=headers)
    return {"version": found["version"], "done": "created" if before is None else "changed"}


def _validate(session: Session, path: Path, text: str) -> None:
    """Raises Failure for a document that could not be put in force."""
    from gateway.commands.client import Failure

    found = session.client.ask("POST", "/policies/validate", yaml=text)
    if not found["valid"]:
        one = found["problems"][0]
        raise Failure(": ".join(filter(None, (str(path), one["path"], one["message"], one["hint"]))))


def _each(paths: list[Path]) -> Iterator[Path]:
    from gateway.settings.policies import policy_files

    for path in paths:
        yield from policy_files(path) if path.is_dir() else [path]


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    """A file's text and document, which has a name. Raises Failure."""
    from gateway.commands.client import Failure
    from gateway.policy.document import parse
    from gateway.policy.errors import PolicyError
    from gateway.settings.policies import read_policy

    try:
        raw = read_policy(path, str(path))
        parse(raw, str(path))
        # What YAML has and JSON has not, such as dates, the gateway takes for text.
        return path.read_text("utf-8"), json.loads(json.dumps(raw, default=str))
    except (PolicyError, OSError, UnicodeDecodeError) as error:
        raise Failure(str(error)) from None


def _written(found: dict[str, Any]) -> str:
    """A document as its author wrote it; where nobody knows that, as JSON, which is YAML."""
    return found["text"] if found.get("text") else json.dumps(found["document"], indent=2) + "\n"


def _diff(before: dict[str, Any] | None, after: dict[str, Any], one: str, other: str) -> list[str]:
    by_form = _sorted if before is not None and not (before.get("text") and after.get("text")) else _written
    old, new = (by_form(found).splitlines(keepends=True) if found is not None else [] for found in (before, after))
    return list(difflib.unified_diff(old, new, one, other))


def _sorted(found: dict[str, Any]) -> str:
    """In a form that is the same for documents that say the same."""
    return json.dumps(found["document"], indent=2, sort_keys=True) + "\n"


def _row(item: dict[str, Any]) -> dict[str, Any]:
    before, after = item["before"], item["after"]
    return {
        "time": item["time"],
        "agent_id": item["agent_id"],
        "what": item["tool"] or f"model {item['model']}",
        "before": _outcome(before),
        "after": "undecided" if item["undecided"] else _outcome(after),
        "rule": item["undecided"] or after["rule"] or before["rule"] or ",".join(after["shadow"] or before["shadow"]),
    }


def _outcome(outcome: dict[str, Any]) -> str:
    more = [f"without {','.join(outcome['strip'])}"] if outcome["strip"] else []
    more += ["plan only"] if outcome["execution"] == "plan_only" else []
    more += ["shadow would deny"] if outcome["shadow"] else []
    return ", ".join([_TO_PERSONS[outcome["said"]], *more])


def time_of(since: str | None) -> str | None:
    """A span of time before now, as a time; any other text as it is, for the gateway to read."""
    found = _SPAN.fullmatch(since or "")
    if found is None:
        return since
    span = timedelta(**{_UNITS[found[2]]: int(found[1])})
    return (datetime.now(UTC) - span).isoformat()
