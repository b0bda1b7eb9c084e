"""Writes the plain manifests below `kubernetes/` from the chart, so that both say the same.

python deploy/render.py            write them
python deploy/render.py --check    fail if the files are not what would be written

Needs the package helm-python-sdk, which brings Helm's own engine.
"""

import re
import sys
from pathlib import Path
from typing import Any

import helm_python
import yaml
from build import write

HERE = Path(__file__).resolve().parent
NOTE = "# Written by deploy/render.py from the chart; change deploy/helm/leuko instead.\n"

VALUES: dict[str, Any] = {
    "secret": {"existing": "leuko"},
    "networkPolicy": {"agentNamespaces": ["agents"]},
    "metrics": {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}},
}
"""Everything that has a template, but for the autoscaler, with which the gateway's own manifest is another; what of it
is used, the kustomizations say."""

PLACES = {
    "serviceaccount": "gateway",
    "services": "gateway",
    "statefulset": "gateway",
    "poddisruptionbudget": "gateway",
    "networkpolicies": "gateway",
    "horizontalpodautoscaler": "autoscaling",
    "servicemonitor": "monitoring",
    "prometheusrule": "monitoring",
}
_OF_HELM = re.compile(r"^ *(helm\.sh/chart|app\.kubernetes\.io/managed-by|leuko\.io/settings): .*\n", re.M)
_NO_ANNOTATIONS = re.compile(r"^( *)annotations:\n(?!\1 )", re.M)


def files() -> dict[Path, str]:
    """Every generated file, by its path below `deploy/kubernetes`."""
    rendered = _rendered(VALUES)
    scaler = _rendered(VALUES | {"autoscaling": {"enabled": True}})["horizontalpodautoscaler"]
    rendered["horizontalpodautoscaler"] = scaler
    found = {Path(place, f"{name}.yaml"): plain(rendered[name]) for name, place in PLACES.items()}
    policies = Path("gateway/networkpolicies.yaml")
    own, agents = found.pop(policies).split("---\n")
    found[policies] = own
    found[Path("agents/networkpolicy.yaml")] = NOTE + agents
    settings = yaml.safe_load(rendered["configmap"])["data"]["gateway.yaml"]
    return found | {Path("gateway/gateway.yaml"): NOTE + settings}


def _rendered(values: dict[str, Any]) -> dict[str, str]:
    """The chart's templates by their names."""
    with helm_python.Chart.load(HERE / "helm/leuko") as chart:
        return {Path(path).stem: text for path, text in chart.render(values, name="leuko", namespace="leuko").items()}


def plain(text: str) -> str:
    """A manifest without what only Helm reads."""
    text = _NO_ANNOTATIONS.sub("", _OF_HELM.sub("", text))
    lines = [line.rstrip() for line in text.strip().splitlines()]
    return NOTE + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(write(files(), HERE / "kubernetes", "render.py"))
