"""The chart rendered by Helm's own engine, and manifests held against the schemas of Kubernetes.

Both come with `requirements.txt` beside this file; where they are missing, tests are skipped loudly.
"""

import json
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from tests.deploy.files import DEPLOY

CHART = DEPLOY / "helm/leuko"
OLDEST, NEWEST = "v1.30.0", "v1.37.0"
LEAST: dict[str, Any] = {"secret": {"existing": "keys"}}
"""What an installation has to say."""

ALL: dict[str, Any] = {
    "secret": {
        "existing": "keys",
        "keys": {"ingestKey": "ingest", "upstreamKey": "upstream", "signingKey": "signing.pem"},
    },
    "providerKeysSecret": "provider-keys",
    "image": {"repository": "registry.example.com/leuko", "tag": "1.2.3", "pullSecrets": ["pull"]},
    "policies": {"ops": {"match": {"agents": ["sre-*"]}, "default": "allow"}},
    "allowedHosts": ["leuko.example.com"],
    "tls": {"secret": "certificate"},
    "service": {"annotations": {"example.com/internal": "true"}},
    "persistence": {"storageClass": "fast"},
    "autoscaling": {"enabled": True},
    "networkPolicy": {"agentNamespaces": ["bots", "lab"], "agentPodSelector": {"matchLabels": {"kind": "agent"}}},
    "enforcement": {"namespaces": ["bots"]},
    "metrics": {
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "prometheusRule": {"enabled": True, "runbook": "https://example.com/RUNBOOK.md"},
        "dashboards": {"enabled": True},
    },
    "otlp": {"endpoint": "http://collector.observability:4318"},
    "extraEnv": [{"name": "GATEWAY_UPSTREAM_PROXY", "value": "http://proxy:3128"}],
    "podAnnotations": {"example.com/team": "platform"},
    "podLabels": {"team": "platform"},
    "nodeSelector": {"pool": "general"},
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "priorityClassName": "important",
}
"""Every part that may be left out."""


def helm() -> Any:
    return pytest.importorskip("helm_python", reason="NOT TESTED: no Helm here; see tests/deploy/requirements.txt")


def rendered(values: dict[str, Any], name: str = "leuko", namespace: str = "prod") -> list[dict[str, Any]]:
    """Every manifest of the chart with these values."""
    with helm().Chart.load(CHART) as chart:
        texts = chart.render(values, name=name, namespace=namespace)
    return [found for path, text in texts.items() if not path.endswith("NOTES.txt") for found in documents(text)]


def documents(text: str) -> list[dict[str, Any]]:
    return [found for found in yaml.safe_load_all(text) if found is not None]


def one(manifests: list[dict[str, Any]], kind: str, name: str = "leuko") -> dict[str, Any]:
    (found,) = [m for m in manifests if m["kind"] == kind and m["metadata"]["name"] == name]
    return found


def problems(manifest: dict[str, Any], version: str) -> Iterator[str]:
    """What the API of that version would refuse, unknown fields included; nothing of kinds that others define."""
    group, _, api = manifest["apiVersion"].rpartition("/")
    if group != "monitoring.coreos.com":
        name = "-".join(part for part in (manifest["kind"].lower(), group.partition(".")[0], api) if part)
        for error in _validator(name, version).iter_errors(manifest):
            yield f"{manifest['kind']} {manifest['metadata']['name']}: {list(error.instance_path)}: {error.message}"


@cache
def _validator(name: str, version: str) -> Any:
    found = find_spec("kubernetes_validate")
    if found is None or found.origin is None:
        pytest.skip("NOT TESTED: no schemas of Kubernetes here; see tests/deploy/requirements.txt")
    directory = Path(found.origin).parent / "kubernetes-json-schema" / f"{version}-local-strict"

    def read(uri: str) -> Any:
        return json.loads((directory / uri.rpartition("/")[2]).read_text("utf-8"))

    schema = read(f"{name}.json")
    return jsonschema_rs.validator_for(schema, base_uri="schema:///", retriever=read)
