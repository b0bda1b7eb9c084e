"""`leuko policy`: what policy documents say, before and while they are in force."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands import policies
from gateway.commands.session import Output, Session, group

if TYPE_CHECKING:
    from gateway.policy.document import Document
    from gateway.policy.errors import PolicyError

Paths = Annotated[
    list[Path] | None,
    typer.Argument(exists=True, help="Files, or directories of them.", show_default="the policies of the settings"),
]


def lint(
    session: Session,
    paths: Paths = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on advice, too.")] = False,
) -> None:
    """Check documents and their cases without a gateway; advice is about what is no error and seldom meant."""
    from gateway.policy.advice import advice
    from gateway.policy.cases import outcomes

    found: list[dict[str, Any]] = []
    for source, read in _documents(session, paths):
        if isinstance(read, Exception):
            found.append(_finding(source, "error", read.path, read.problem))
        else:
            tried = enumerate(outcomes(read))
            found += [_finding(source, "error", f"cases[{at}]", one.shown) for at, one in tried if not one.holds]
            found += [_finding(source, "advice", *one) for one in advice(read.clauses, read.match)]
    if session.output is Output.JSON:
        session.show(found, ())
    for one in found if session.output is Output.TABLE else ():
        print(": ".join(filter(None, (one["file"], one["level"], one["path"], one["problem"]))))
    if not found and session.output is Output.TABLE:
        print("OK")
    if any(strict or one["level"] == "error" for one in found):
        raise typer.Exit(1)


def test(session: Session, paths: Paths = None) -> None:
    """Try the documents' own cases, each document alone, without a gateway."""
    from gateway.policy.cases import outcomes

    rows: list[dict[str, Any]] = []
    for source, read in _documents(session, paths):
        if isinstance(read, Exception):
            rows.append({"file": source, "policy": None, "cases": 0, "held": 0, "failed": [_told(read)]})
            continue
        tried = list(outcomes(read))
        failed = [f"cases[{position}]: {one.shown}" for position, one in enumerate(tried) if not one.holds]
        held = len(tried) - len(failed)
        rows.append({"file": source, "policy": read.name, "cases": len(tried), "held": held, "failed": failed})
    session.show(rows, ("file", "policy", "cases", "held"))
    for row in rows if session.output is Output.TABLE else ():
        for one in row["failed"]:
            print(f"{row['file']}: {one}")
    if any(row["failed"] for row in rows):
        raise typer.Exit(1)


def commands() -> typer.Typer:
    verbs = (("lint", lint), ("test", test), *policies.VERBS)
    return group("policy", "What policy documents say, and which are in force.", verbs)


def _documents(session: Session, paths: list[Path] | None) -> Iterator[tuple[str, "Document | PolicyError"]]:
    """Every document with its source, or what is wrong with it: one bad one hides no other."""
    from gateway.policy.document import parse
    from gateway.policy.errors import PolicyError
    from gateway.settings.policies import read_policy

    names: dict[str, str] = {}
    for source, raw in _sources(session, paths):
        try:
            document = parse(read_policy(raw, source) if isinstance(raw, Path) else raw, source)
            if (other := names.setdefault(document.name, source)) != source:
                raise PolicyError(source, "name", f"{document.name!r} is also the name of {other}")
            yield source, document
        except PolicyError as error:
            yield source, error


def _sources(session: Session, paths: list[Path] | None) -> Iterator[tuple[str, Any]]:
    """Files, by the path as typed; documents of the settings, as they are."""
    from gateway.commands.client import Failure
    from gateway.settings import SettingsError
    from gateway.settings.policies import given_policies, policy_dir, policy_files

    settings = None if paths else session.settings
    try:
        for path in [policy_dir(settings)] if settings is not None else paths or ():
            yield from ((str(file), file) for file in (policy_files(path) if path.is_dir() else [path]))
    except SettingsError as error:
        raise Failure("; ".join(error.problems)) from None
    if settings is not None:
        yield from ((source, raw) for raw, source in given_policies(settings))


def _told(error: "PolicyError") -> str:
    return ": ".join(filter(None, (error.path, error.problem)))


def _finding(file: str, level: str, path: str, problem: str) -> dict[str, Any]:
    return {"file": file, "level": level, "path": path, "problem": problem}
