"""The plain manifests: what the chart says, taken by Kubernetes, and put together by kustomize."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.charts import LEAST, NEWEST, OLDEST, documents, helm, one, problems, rendered
from tests.deploy.files import BOARDS, DEPLOY

PLAIN = DEPLOY / "kubernetes"
KUSTOMIZATIONS = sorted([*PLAIN.rglob("kustomization.yaml"), DEPLOY / "grafana/kustomization.yaml"])


def written() -> list[dict[str, Any]]:
    paths = [path for path in sorted(PLAIN.rglob("*.yaml")) if path.name not in ("kustomization.yaml", "gateway.yaml")]
    return [found for path in paths for found in documents(path.read_text("utf-8"))]


def built(directory: Path) -> list[dict[str, Any]]:
    """What kustomize makes of a directory."""
    if shutil.which("kubectl") is None:
        pytest.skip("NOT TESTED: no kubectl here, which has kustomize in it")
    ran = subprocess.run(["kubectl", "kustomize", str(directory)], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return documents(ran.stdout)


def test_the_committed_manifests_are_those_that_the_chart_gives() -> None:
    helm()
    ran = subprocess.run([sys.executable, DEPLOY / "render.py", "--check"], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_manifest_is_one_that_kubernetes_takes(version: str) -> None:
    assert [problem for manifest in written() for problem in problems(manifest, version)] == []


def test_nothing_of_helm_is_left_in_them() -> None:
    for path in PLAIN.rglob("*.yaml"):
        text = path.read_text("utf-8")
        assert "helm.sh" not in text and "managed-by" not in text and "{{- " not in text, path.name


def test_what_kustomizations_name_is_there_and_nothing_is_left_out() -> None:
    named: set[Path] = set()
    for path in KUSTOMIZATIONS:
        document = yaml.safe_load(path.read_text("utf-8"))
        maps = [file for made in document.get("configMapGenerator", []) for file in made["files"]]
        for name in [*document.get("resources", []), *maps]:
            found = (path.parent / name).resolve()
            assert found.exists(), f"{path}: {name}"
            named.add(found)
    assert set(BOARDS) <= named
    manifests = {path.resolve() for path in PLAIN.rglob("*.yaml") if path.name != "kustomization.yaml"}
    assert manifests <= named


def test_the_gateway_is_put_together_as_the_chart_does_it() -> None:
    found, expected = built(PLAIN), rendered({"secret": {"existing": "leuko"}}, namespace="leuko")
    assert {(m["kind"], m["metadata"]["name"]) for m in expected if m["kind"] != "ConfigMap"} == {
        (m["kind"], m["metadata"]["name"]) for m in found if m["kind"] != "ConfigMap"
    }
    assert {m["metadata"]["namespace"] for m in found} == {"leuko"}
    (settings,) = [m for m in found if m["kind"] == "ConfigMap"]
    spec = one(found, "StatefulSet")["spec"]["template"]["spec"]
    (volume,) = [volume for volume in spec["volumes"] if volume["name"] == "settings"]
    assert volume["configMap"]["name"] == settings["metadata"]["name"]
    assert settings["metadata"]["name"].startswith("leuko-")  # another name for other settings, which rolls the pods
    (given,) = [m for m in expected if m["kind"] == "ConfigMap"]
    assert yaml.safe_load(settings["data"]["gateway.yaml"]) == yaml.safe_load(given["data"]["gateway.yaml"])
    assert [problem for manifest in found for problem in problems(manifest, NEWEST)] == []


def test_monitoring_autoscaling_and_agents_can_be_added(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY, tmp_path / "deploy", symlinks=True)
    overlay = {
        "resources": ["../deploy/kubernetes", "../deploy/kubernetes/monitoring", "agents"],
        "components": ["../deploy/kubernetes/autoscaling"],
    }
    agents = {"namespace": "bots", "resources": ["../../deploy/kubernetes/agents"]}
    for path, document in ((tmp_path / "mine", overlay), (tmp_path / "mine/agents", agents)):
        path.mkdir()
        (path / "kustomization.yaml").write_text(yaml.safe_dump(document))
    found = built(tmp_path / "mine")
    assert one(found, "NetworkPolicy", "leuko-agents")["metadata"]["namespace"] == "bots"
    assert "replicas" not in one(found, "StatefulSet")["spec"]
    assert one(found, "HorizontalPodAutoscaler")["spec"]["minReplicas"] == 2
    assert one(found, "PrometheusRule") and one(found, "ServiceMonitor")
    boards = [m for m in found if m["metadata"].get("labels", {}).get("grafana_dashboard") == "1"]
    assert {name for m in boards for name in m["data"]} == {path.name for path in BOARDS}


def test_the_image_is_that_of_this_version() -> None:
    (image,) = yaml.safe_load((PLAIN / "kustomization.yaml").read_text("utf-8"))["images"]
    (container,) = one(rendered(LEAST), "StatefulSet")["spec"]["template"]["spec"]["containers"]
    assert f"{image['name']}:{image['newTag']}" == container["image"]
