"""Writes what Grafana reads, from `dashboards.yaml` and Prometheus' own `prometheus/rules/leuko.yaml`.

python deploy/build.py            write it
python deploy/build.py --check    fail if the files are not what would be written
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_COMPARISONS = {">": "gt", "<": "lt"}
_HEIGHTS = {"stat": 4}


def files() -> dict[Path, str]:
    """Every generated file, by its path below `deploy/`."""
    boards = yaml.safe_load((HERE / "dashboards.yaml").read_text("utf-8"))["dashboards"]
    (group,) = yaml.safe_load((HERE / "prometheus/rules/leuko.yaml").read_text("utf-8"))["groups"]
    rules = [alert(rule) for rule in group["rules"]]
    alerts = {
        "apiVersion": 1,
        "groups": [{"orgId": 1, "name": "leuko", "folder": "Leuko", "interval": "1m", "rules": rules}],
    }
    note = "# Written by deploy/build.py; change deploy/prometheus/rules/leuko.yaml instead.\n"
    found = {Path("grafana/dashboards", f"{b['uid']}.json"): json.dumps(board(b), indent=2) + "\n" for b in boards}
    return found | {Path("grafana/provisioning/alerting/leuko.yaml"): note + yaml.safe_dump(alerts, sort_keys=False)}


def board(given: dict[str, Any]) -> dict[str, Any]:
    """Grafana's classic JSON, schema version 39."""
    return {
        "annotations": {"list": []},
        "description": given["about"],
        "editable": False,
        "graphTooltip": 1,
        "links": [],
        "panels": panels(given["rows"]),
        "refresh": "30s",
        "schemaVersion": 39,
        "tags": ["leuko"],
        "templating": {"list": [_datasource(), *(variable(n, v) for n, v in given.get("variables", {}).items())]},
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "",
        "title": given["title"],
        "uid": given["uid"],
        "version": 1,
    }


def panels(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows under each other, their panels from left to right and down."""
    found: list[dict[str, Any]] = []
    y = 0
    for row in rows:
        found.append(
            {
                "collapsed": False,
                "gridPos": {"h": 1, "w": 24, "x": 0, "y": y},
                "id": len(found) + 1,
                "panels": [],
                "title": row["title"],
                "type": "row",
            }
        )
        y += 1
        x = height = 0
        for given in row["panels"]:
            width, tall = given.get("width", 8), _HEIGHTS.get(given.get("kind", ""), 8)
            if x + width > 24:
                x, y, height = 0, y + height, 0
            found.append(panel(given, len(found) + 1, {"h": tall, "w": width, "x": x, "y": y}))
            x, height = x + width, max(height, tall)
        y += height
    return found


def panel(given: dict[str, Any], number: int, at: dict[str, int]) -> dict[str, Any]:
    kind, stacked = given.get("kind", "timeseries"), given.get("stacked", False)
    over_time = kind == "timeseries"
    defaults: dict[str, Any] = {"unit": given.get("unit", "short"), "min": 0}
    options: dict[str, Any] = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
    if over_time:
        stacking = {"mode": "normal" if stacked else "none", "group": "A"}
        defaults["custom"] = {"fillOpacity": 20 if stacked else 8, "showPoints": "never", "stacking": stacking}
        options = {
            "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["mean", "max"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    targets = [
        {
            "datasource": SOURCE,
            "expr": query,
            "instant": not over_time,
            "legendFormat": legend,
            "range": over_time,
            "refId": chr(ord("A") + place),
        }
        for place, (legend, query) in enumerate(given["queries"].items())
    ]
    return {
        "datasource": SOURCE,
        "description": given["about"],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "gridPos": at,
        "id": number,
        "options": options,
        "targets": targets,
        "title": given["title"],
        "type": kind,
    }


def variable(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """The values of a label, to choose from."""
    query = f"label_values({given['metric']}, {given['label']})"
    found: dict[str, Any] = {
        "datasource": SOURCE,
        "definition": query,
        "includeAll": given["all"],
        "label": name.capitalize(),
        "multi": given["all"],
        "name": name,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "type": "query",
    }
    return found | ({"allValue": ".*", "current": {"text": "All", "value": "$__all"}} if given["all"] else {})


def _datasource() -> dict[str, Any]:
    return {
        "current": {"text": "Prometheus", "value": "prometheus"},
        "label": "Data source",
        "name": "datasource",
        "query": "prometheus",
        "type": "datasource",
    }


def alert(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule of Prometheus as one of Grafana, which wants the threshold apart from the query."""
    query, sign, threshold = rule["expr"].rsplit(" ", 2)
    return {
        "uid": rule["alert"].lower(),
        "title": rule["alert"],
        "condition": "B",
        "for": rule["for"],
        # A gateway that is gone has no series any more; of all else, no data means that nothing happened.
        "noDataState": "Alerting" if rule["alert"] == "LeukoDown" else "OK",
        "execErrState": "Error",
        "labels": rule["labels"],
        "annotations": rule["annotations"],
        "data": [
            {
                "refId": "A",
                "relativeTimeRange": {"from": 3600, "to": 0},
                "datasourceUid": "prometheus",
                "model": {"refId": "A", "expr": query, "instant": True},
            },
            {
                "refId": "B",
                "relativeTimeRange": {"from": 0, "to": 0},
                "datasourceUid": "__expr__",
                "model": {
                    "refId": "B",
                    "type": "threshold",
                    "expression": "A",
                    "conditions": [{"evaluator": {"type": _COMPARISONS[sign], "params": [float(threshold)]}}],
                },
            },
        ],
    }


def write(found: dict[Path, str], below: Path, script: str) -> int:
    """Write generated files, or with `--check` say which are not as they would be written; the exit code."""
    wrong = []
    for path, text in found.items():
        target = below / path
        if "--check" not in sys.argv:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8")
        elif not target.exists() or target.read_text("utf-8") != text:
            wrong.append(str(path))
    if wrong:
        print(f"not as deploy/{script} writes them:", *wrong, sep="\n  ", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(write(files(), HERE, "build.py"))
