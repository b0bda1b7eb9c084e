"""What lies under `deploy/`, and every query in it."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULES = DEPLOY / "prometheus/rules/leuko.yaml"
BOARDS = sorted((DEPLOY / "grafana/dashboards").glob("*.json"))

_LABEL_VALUES = re.compile(r"label_values\((?P<metric>\w+), (?P<label>\w+)\)")


def board(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def panels(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in document["panels"] if panel["type"] != "row"]


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    found = group["rules"]
    assert isinstance(found, list)
    return found


def variables(document: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Name, metric and label of each variable that is asked for."""
    for variable in document["templating"]["list"]:
        if variable["type"] == "query":
            found = _LABEL_VALUES.fullmatch(variable["definition"])
            assert found is not None, variable["definition"]
            yield variable["name"], found["metric"], found["label"]


def substituted(query: str, values: dict[str, str] | None = None) -> str:
    """A panel's query as Grafana would send it."""
    for name, value in ({"__rate_interval": "10s", "__range": "1m"} | (values or {})).items():
        query = query.replace(f"${name}", value)
    assert "$" not in query, f"unknown variable in {query}"
    return query


def selectors(query: str) -> set[str]:
    """Every vector selector of an expression, without its range."""
    found: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.add(node.prettify())
        for name in ("expr", "lhs", "rhs", "param", "vector_selector"):
            child = getattr(node, name, None)
            if child is not None and not isinstance(child, str):
                walk(child)
        for argument in getattr(node, "args", None) or ():
            walk(argument)

    walk(promql_parser.parse(query))
    return found


def tool(name: str) -> str:
    """A program of Debian's package `prometheus`; skips the test, loudly, where there is none."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"NOT TESTED: no {name} here; install the package prometheus")
    return path


def promtool(*args: str) -> str:
    ran = subprocess.run([tool("promtool"), *args], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr
