"""The committed files are those that are built, and keep the rules of Grafana's dashboard linter."""

import subprocess
import sys
from pathlib import Path

import promql_parser
import pytest
import yaml

from gateway.telemetry import names
from tests.deploy.files import BOARDS, DEPLOY, alerts, board, panels, selectors, substituted, variables

NO_METRICS = {
    names.CALL_ID, names.DECISION, names.DECISION_EVENT, names.INTENT_ID, names.MCP_SERVER, names.REQUEST_ID,
    names.RULE, names.SCOPE, names.TEAM, names.TOOL_CALL_EVENT, names.TURN, names.USAGE_ESTIMATED, names.VERIFIED,
}  # fmt: skip


def test_the_committed_files_are_those_that_are_built() -> None:
    ran = subprocess.run([sys.executable, DEPLOY / "build.py", "--check"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_a_dashboard_keeps_the_linters_rules(path: Path) -> None:
    document = board(path)
    chosen = {name: ".*" for name, _, _ in variables(document)}
    assert document["uid"] == path.stem and not document["editable"]
    assert document["templating"]["list"][0]["type"] == "datasource"
    ids = [panel["id"] for panel in document["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in panels(document):
        assert panel["title"] and panel["description"] and panel["targets"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == "${datasource}"
        for target in panel["targets"]:
            promql_parser.parse(substituted(target["expr"], chosen))
            assert target["legendFormat"] and target["datasource"]["uid"] == "${datasource}"


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_panels_do_not_lie_on_each_other(path: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board(path)["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells


def test_counters_are_never_shown_as_they_are() -> None:
    for path in BOARDS:
        document = board(path)
        chosen = {name: ".*" for name, _, _ in variables(document)}
        for panel in panels(document):
            for target in panel["targets"]:
                query = substituted(target["expr"], chosen)
                for selector in selectors(query):
                    if selector.split("{")[0].endswith(("_total", "_bucket", "_seconds_count", "_sum")):
                        assert "rate(" in query or "increase(" in query, query


def test_le_is_never_matched_by_its_value() -> None:
    """Prometheus 3 writes `1.0` where the gateway writes `1`."""
    for path in [*BOARDS, DEPLOY / "prometheus/rules/leuko.yaml"]:
        text = path.read_text("utf-8")
        assert "le=" not in text and "le=~" not in text


def test_both_kinds_of_alerts_are_the_same() -> None:
    provisioned = yaml.safe_load((DEPLOY / "grafana/provisioning/alerting/leuko.yaml").read_text("utf-8"))
    (group,) = provisioned["groups"]
    assert [rule["title"] for rule in group["rules"]] == [rule["alert"] for rule in alerts()]
    assert len({rule["uid"] for rule in group["rules"]}) == len(group["rules"])
    assert all(len(rule["uid"]) <= 40 for rule in group["rules"])


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    for rule in alerts():
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"]["summary"] and rule["annotations"]["description"]
        assert "$value" not in str(rule["annotations"])  # a number in Prometheus, a text in Grafana


def test_metrics_of_ours_are_all_on_a_dashboard() -> None:
    shown = "".join(path.read_text("utf-8") for path in BOARDS)
    ours = [value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)]
    foreign = (names.TOKEN_USAGE, names.OPERATION_DURATION, names.SERVER_DURATION, names.TIME_TO_FIRST)
    metrics = [*foreign, *(value for value in ours if value.startswith("leuko.") and value not in NO_METRICS)]
    assert not [metric for metric in metrics if metric.replace(".", "_") not in shown]
