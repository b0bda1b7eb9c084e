"""The chart, as Helm's engine renders it: what the API of Kubernetes takes, what a pod may do and reach, and that the
gateway starts with the settings that come out."""

import json
import shlex
import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

import gateway
from gateway.settings.model import Timeouts
from gateway.settings.names import env_name, in_file
from gateway.settings.sources import FIELDS
from tests.deploy.charts import ALL, CHART, LEAST, NEWEST, OLDEST, helm, one, problems, rendered
from tests.deploy.files import alerts, promtool
from tests.support.certificates import CertificateFiles
from tests.support.gateway import ADMIN_KEY, SECRET, eventually, spawn_gateway

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))


def pod(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    found = one(manifests, "StatefulSet")["spec"]["template"]["spec"]
    assert isinstance(found, dict)
    return found


def container(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = pod(manifests)["containers"]
    assert isinstance(found, dict)
    return found


def one_policy(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    """Who reaches the gateway, and whom it reaches."""
    found = one(manifests, "NetworkPolicy")["spec"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("values", [LEAST, ALL], ids=["least", "all"])
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_manifest_is_one_that_kubernetes_takes(values: dict[str, Any], version: str) -> None:
    assert [problem for manifest in rendered(values) for problem in problems(manifest, version)] == []


def test_the_schemas_refuse_what_is_wrong() -> None:
    manifest = one(rendered(LEAST), "StatefulSet")
    manifest["spec"]["replicas"] = "2"
    manifest["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    assert len(list(problems(manifest, OLDEST))) == 2


def test_helms_linter_finds_nothing() -> None:
    found = helm().lint(CHART, LEAST, strict=True)
    assert not found["errors"] and all(message["severity"] < 2 for message in found["messages"]), found


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert chart["appVersion"] == gateway.__version__
    assert container(rendered(LEAST))["image"] == f"leuko:{gateway.__version__}"


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"secret": {"values": {"redis-url": "redis://redis:6379/0"}}},
        LEAST | {"setings": {}},
        LEAST | {"settings": {"port": 4000}},
        LEAST | {"settings": {"admin_key": "in a ConfigMap"}},
        LEAST | {"drain": {"stream": 0}},
        LEAST | {"replicas": 0},
        LEAST | {"policies": {"Not a name": {}}},
        LEAST | {"networkPolicy": {"agents": [{}]}},
        LEAST | {"networkPolicy": {"moreEgress": [{"from": []}]}},
        LEAST | {"networkPolicy": {"agentNamespaces": [""]}},
        LEAST | {"enforcement": {"namespaces": ["a.b"]}},
        LEAST | {"allowedHosts": ["[fd00::1]"]},
        LEAST | {"allowedHosts": ["https://leuko.example.com"]},
        LEAST | {"replicas": "2"},
        LEAST | {"image": {"repository": ""}},
        LEAST | {"settings": {"timeouts": {"total": 60}, "GATEWAY_AUDIT": "strict"}},
        LEAST | {"persistence": {"size": "plenty"}},
        LEAST | {"service": {"type": "ExternalName"}},
        LEAST | {"podDisruptionBudget": {"maxUnavailable": -1}},
        LEAST | {"autoscaling": {"enabled": True, "min": 5, "max": 3}},
        LEAST | {"autoscaling": {"enabled": True}, "resources": {"requests": {"cpu": None}}},
    ],
    ids=json.dumps,
)
def test_wrong_values_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(helm().HelmError):
        rendered(values)


def test_the_schema_knows_every_value_and_every_value_has_one() -> None:
    def names(schema: dict[str, Any], values: dict[str, Any], at: str = "") -> None:
        if schema.get("additionalProperties") is False:
            known = schema["properties"].keys() - {"global", "matchExpressions"}
            free = at in (".resources", ".networkPolicy.agentPodSelector")
            assert values.keys() <= known if free else values.keys() == known, at
            for name, value in values.items():
                if isinstance(value, dict):
                    names(schema["properties"][name], value, f"{at}.{name}")

    names(json.loads((CHART / "values.schema.json").read_text("utf-8")), VALUES)


def test_settings_that_the_chart_makes_itself_are_real_ones() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    taken = set(schema["properties"]["settings"]["propertyNames"]["not"]["enum"])
    known = {in_file(env_name(field)) for field in FIELDS} | set(FIELDS)
    assert taken <= known
    secrets = {in_file(env_name(field)) for field, info in FIELDS.items() if not info.repr}
    assert secrets - taken <= {"upstream_proxy", "webhooks"}  # their secrets can be named instead of written


def test_a_pod_has_no_rights() -> None:
    for values in (LEAST, ALL):
        spec, gateway_container = pod(rendered(values)), container(rendered(values))
        assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] == 10001
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert gateway_container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert spec["automountServiceAccountToken"] is (values is ALL)
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert not any("hostPath" in volume for volume in spec["volumes"])
        written = {mount["mountPath"] for mount in gateway_container["volumeMounts"] if not mount.get("readOnly")}
        assert written == {"/data", "/tmp"}


@pytest.mark.parametrize(
    "values",
    [
        {"drain": {"stream": 3600, "whole": 3600, "preStop": 60}, "autoscaling": {"enabled": True}},
        {"replicas": 1, "podDisruptionBudget": {"maxUnavailable": "50%"}},
        {"persistence": {"enabled": False}, "networkPolicy": {"enabled": False}, "tls": {"secret": "tls"}},
        {"networkPolicy": {"moreEgress": [{"to": [{"podSelector": {}}], "ports": [{"port": 26379}]}], "agents": []}},
        {"networkPolicy": {"operators": [], "egress": [], "agentNamespaces": ["a"]}},
        {"service": {"type": "LoadBalancer", "port": 443, "adminPort": 443}, "topologySpread": []},
        {"settings": {}, "podDisruptionBudget": {"enabled": False}, "metrics": {"serviceMonitor": {"enabled": True}}},
        {"settings": {"timeouts": {"idle": 60}}, "allowedHosts": ["fd00::1"], "resources": {}},
    ],
    ids=json.dumps,
)
def test_odd_values_make_manifests_that_kubernetes_takes(values: dict[str, Any]) -> None:
    for name in ("leuko", "a" * 53):
        assert [problem for one in rendered(LEAST | values, name=name) for problem in problems(one, OLDEST)] == []


def test_the_autoscaler_waits_no_longer_than_it_may() -> None:
    manifests = rendered(LEAST | {"drain": {"stream": 3600}, "autoscaling": {"enabled": True}})
    (policy,) = one(manifests, "HorizontalPodAutoscaler")["spec"]["behavior"]["scaleDown"]["policies"]
    assert policy["periodSeconds"] == 1800  # the most that Kubernetes takes


def test_one_replica_can_be_moved_to_another_node() -> None:
    budget = one(rendered(LEAST | {"replicas": 1}), "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1 and "minAvailable" not in budget


def test_a_changed_secret_of_the_chart_rolls_the_pods_and_is_not_told() -> None:
    def annotations(key: str) -> dict[str, str]:
        given = {"redis-url": "redis://redis:6379/0", "admin-key": key, "gateway-secret": SECRET}
        template = one(rendered({"secret": {"values": given}}), "StatefulSet")["spec"]["template"]
        return dict(template["metadata"]["annotations"])

    first, second = annotations(ADMIN_KEY), annotations(ADMIN_KEY[::-1])
    assert {name for name in first if first[name] != second[name]} == {"leuko.io/secret"}
    assert ADMIN_KEY not in json.dumps(first)


def test_the_gateway_reaches_what_it_needs_and_not_what_clouds_tell_their_machines() -> None:
    more = {"to": [{"namespaceSelector": {"matchLabels": {"name": "tools"}}}], "ports": [{"port": 8080}]}
    policy = one_policy(rendered(LEAST | {"networkPolicy": {"moreEgress": [more]}}))
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    ports = {port["port"] for rule in policy["egress"] for port in rule["ports"]}
    assert ports == {53, 6379, 4318, 443, 8080} and policy["egress"][-1] == more
    (outside,) = [rule["to"] for rule in policy["egress"] if rule["ports"][0]["port"] == 443]
    blocks = [(ip_network(peer["ipBlock"]["cidr"]), peer["ipBlock"]["except"]) for peer in outside]
    for address in ("169.254.169.254", "fd00:ec2::254", "fe80::a9fe:a9fe"):
        inside = [without for block, without in blocks if ip_address(address) in block]
        assert inside and all(any(ip_address(address) in ip_network(one) for one in without) for without in inside)


def test_a_pod_has_the_time_its_streams_need() -> None:
    longest = rendered(LEAST | {"drain": {"whole": 900}})
    assert pod(longest)["terminationGracePeriodSeconds"] >= 5 + 2 + 900 + 5
    for seconds in (300, 1200):
        manifests = rendered(LEAST | {"drain": {"stream": seconds}})
        settings = yaml.safe_load(one(manifests, "ConfigMap")["data"]["gateway.yaml"])
        waits = container(manifests)["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert settings["timeouts"]["drain_stream"] == seconds
        assert pod(manifests)["terminationGracePeriodSeconds"] >= waits + 2 + seconds + 10
    assert VALUES["drain"]["stream"] == Timeouts().drain_stream and VALUES["drain"]["whole"] == Timeouts().drain_whole


def test_probes_ask_what_tells_dead_from_busy() -> None:
    for values, scheme in ((LEAST, "HTTP"), (ALL, "HTTPS")):
        found = container(rendered(values))
        asked = {name: found[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
        assert {name: (ask["path"], ask["port"], ask["scheme"]) for name, ask in asked.items()} == {
            "startup": ("/readyz", "data", scheme),
            "readiness": ("/readyz", "data", scheme),
            "liveness": ("/livez", "admin", scheme),
        }


def test_one_replica_at_a_time_may_be_missing() -> None:
    manifests = rendered(ALL)
    labels = one(manifests, "StatefulSet")["spec"]["template"]["metadata"]["labels"]
    budget = one(manifests, "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1 and budget["selector"]["matchLabels"].items() <= labels.items()
    scaler = one(manifests, "HorizontalPodAutoscaler")["spec"]
    assert scaler["scaleTargetRef"]["name"] == "leuko" and scaler["minReplicas"] >= 2
    assert scaler["behavior"]["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 320}]
    assert "replicas" not in one(manifests, "StatefulSet")["spec"]


def test_agents_reach_the_data_port_only_and_nothing_else() -> None:
    manifests = rendered(ALL)
    policy = one_policy(manifests)
    ports = [[port["port"] for port in rule["ports"]] for rule in policy["ingress"]]
    assert ports == [[4000], [4001]]
    data, admin = policy["ingress"]
    assert data["from"] == VALUES["networkPolicy"]["agents"] and admin["from"] == VALUES["networkPolicy"]["operators"]

    agents = [m for m in manifests if m["kind"] == "NetworkPolicy" and m["metadata"]["name"] == "leuko-agents"]
    assert [m["metadata"]["namespace"] for m in agents] == ["bots", "lab"]
    labels = one(manifests, "StatefulSet")["spec"]["template"]["metadata"]["labels"]
    for manifest in agents:
        assert manifest["spec"]["policyTypes"] == ["Egress"]
        dns, through = manifest["spec"]["egress"]
        assert {port["port"] for port in dns["ports"]} == {53}
        (peer,) = through["to"]
        assert [port["port"] for port in through["ports"]] == [4000]
        assert peer["podSelector"]["matchLabels"].items() <= labels.items()
        assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "prod"}


def test_only_the_data_port_can_leave_the_cluster() -> None:
    manifests = rendered(LEAST | {"service": {"type": "LoadBalancer"}})
    services = {m["metadata"]["name"]: m["spec"] for m in manifests if m["kind"] == "Service"}
    outside = [name for name, spec in services.items() if spec.get("type", "ClusterIP") != "ClusterIP"]
    assert outside == ["leuko"]
    assert [port["targetPort"] for port in services["leuko"]["ports"]] == ["data"]


def test_no_secret_is_in_anything_but_a_secret() -> None:
    given = {"redis-url": "redis://:hunter2hunter2@redis", "admin-key": ADMIN_KEY, "gateway-secret": SECRET}
    manifests = rendered({"secret": {"values": given}})
    assert one(manifests, "Secret")["stringData"] == given
    others = json.dumps([m for m in manifests if m["kind"] != "Secret"])
    assert not any(value in others for value in given.values())
    assert not [m for m in rendered(LEAST) if m["kind"] == "Secret"]


def test_the_gateway_may_change_workloads_only_where_it_was_told() -> None:
    assert not [m for m in rendered(LEAST) if m["kind"] in ("Role", "RoleBinding", "ClusterRole")]
    role = one(rendered(ALL), "Role", "leuko-enforcement")
    assert role["metadata"]["namespace"] == "bots"
    assert role["rules"] == [
        {"apiGroups": ["apps"], "resources": ["deployments", "statefulsets"], "verbs": ["get", "patch"]}
    ]
    assert {"port": 6443, "protocol": "TCP"} in one_policy(rendered(ALL))["egress"][-1]["ports"]
    assert one_policy(rendered(LEAST))["egress"][1:] == VALUES["networkPolicy"]["egress"]
    (subject,) = one(rendered(ALL), "RoleBinding", "leuko-enforcement")["subjects"]
    assert (subject["name"], subject["namespace"]) == ("leuko", "prod")


def test_prometheus_scrapes_the_admin_port_as_the_job_that_alerts_are_about() -> None:
    manifests = rendered(ALL)
    monitor = one(manifests, "ServiceMonitor")["spec"]
    (endpoint,) = monitor["endpoints"]
    matched = [
        m
        for m in manifests
        if m["kind"] == "Service" and monitor["selector"]["matchLabels"].items() <= m["metadata"]["labels"].items()
    ]
    (service,) = matched
    assert service["metadata"]["labels"][monitor["jobLabel"]] == "leuko"
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]} == {"admin"}
    assert endpoint["authorization"]["credentials"] == {"name": "keys", "key": "admin-key"}
    assert endpoint["scheme"] == "https"


def test_alerts_are_all_there_and_link_to_the_runbook(tmp_path: Path) -> None:
    spec = one(rendered(ALL), "PrometheusRule")["spec"]
    (group,) = spec["groups"]
    assert [rule["alert"] for rule in group["rules"]] == [rule["alert"] for rule in alerts()]
    for rule in group["rules"]:
        assert rule["annotations"]["runbook_url"] == f"https://example.com/RUNBOOK.md#{rule['alert'].lower()}"
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(spec))
    assert "SUCCESS" in promtool("check", "rules", str(path))


def test_dashboards_are_all_there_as_they_are() -> None:
    maps = [m for m in rendered(ALL) if m["metadata"].get("labels", {}).get("grafana_dashboard")]
    found = {name: json.loads(text) for m in maps for name, text in m["data"].items()}
    expected = {path.name: json.loads(path.read_text("utf-8")) for path in (CHART / "dashboards").glob("*.json")}
    assert found == expected and len(expected) >= 4


def test_a_packaged_chart_has_the_dashboards_and_alerts_in_it(tmp_path: Path) -> None:
    """In the repository they are links to where they are written."""
    packed = helm().package(CHART, destination=tmp_path)
    with helm().Chart.load(packed) as chart:
        texts = chart.render(ALL, name="leuko", namespace="prod")
    assert "LeukoDown" in texts["leuko/templates/prometheusrule.yaml"]
    assert "leuko-fleet.json" in texts["leuko/templates/dashboards.yaml"]


def test_two_installations_in_one_namespace_do_not_meet() -> None:
    first, second = (
        {(m["kind"], m["metadata"].get("namespace"), m["metadata"]["name"]) for m in rendered(LEAST, name=name)}
        for name in ("leuko", "canary")
    )
    assert not first & second


@pytest.mark.parametrize(("tls", "address", "shown"), [("", "10.1.2.3", "10.1.2.3"), ("tls", "fd00::5", "[fd00::5]")])
def test_the_gateway_starts_with_what_the_chart_makes(
    tmp_path: Path, redis_url: str, tls: str, address: str, shown: str
) -> None:
    """The pod's files and variables, at other places and on other ports; Prometheus asks by the pod's address."""
    manifests = rendered({**LEAST, "policies": {"ops": {"default": "allow"}}, "tls": {"secret": tls}})
    files = CertificateFiles(tmp_path)
    secrets = {"redis-url": redis_url, "admin-key": ADMIN_KEY, "gateway-secret": SECRET}
    secrets |= {"tls.crt": files.cert.read_text(), "tls.key": files.key.read_text()}
    env = pod_here(manifests, tmp_path, secrets, address)
    command = [sys.executable, "-m", "gateway", "check", "--config", str(tmp_path / "etc/leuko/gateway.yaml")]
    checked = subprocess.run(command, env=env, cwd=tmp_path / "etc/leuko", capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0 and "policies: ops" in checked.stdout, checked.stderr

    config = str(tmp_path / "etc/leuko/gateway.yaml")
    env |= {"GATEWAY_ADMIN_PORT": "0", "GATEWAY_HOST": "127.0.0.1"}
    ask = httpx.Client(verify=files.trust(), timeout=20)
    process = spawn_gateway(
        "--config", config, "--stub", env={k: v for k, v in env.items() if k != "PATH"}, secrets=False
    )
    try:
        process.wait_until_listening()
        eventually(lambda: "admin API" in process.output)
        admin = next(line.split()[-1] for line in process.output.splitlines() if "admin API" in line)
        admin = admin.removesuffix("/api/gateway")
        found = container(manifests)
        for probe in ("startup", "readiness", "liveness"):
            probed = found[f"{probe}Probe"]["httpGet"]
            base = {"data": process.url, "admin": admin}[probed["port"]]
            assert base.startswith(f"{probed['scheme'].lower()}://")
            assert ask.get(base + probed["path"], headers={"host": f"{shown}:4000"}).status_code == 200
        scrape = {"host": f"{shown}:4001", "authorization": f"Bearer {ADMIN_KEY}"}
        assert "leuko_redis_up" in ask.get(f"{admin}/metrics", headers=scrape).text
        assert ask.get(f"{admin}/metrics", headers=scrape | {"host": "elsewhere"}).status_code == 421
        stats = ask.get(f"{process.url}/api/gateway/stats", headers={"x-admin-key": ADMIN_KEY})
        assert stats.status_code == 404
    finally:
        process.stop()
        ask.close()


def pod_here(manifests: list[dict[str, Any]], root: Path, secrets: dict[str, str], address: str) -> dict[str, str]:
    """The environment of the gateway's container, with its volumes below `root`."""
    found = container(manifests)
    volumes = {volume["name"]: volume for volume in pod(manifests)["volumes"]}
    volumes["data"] = {}
    for mount in found["volumeMounts"]:
        place = root / mount["mountPath"].lstrip("/")
        place.mkdir(parents=True, exist_ok=True)
        volume = volumes[mount["name"]]
        source = volume.get("configMap") or volume.get("secret")
        if source is None:
            continue
        data = secrets if "secret" in volume else one(manifests, "ConfigMap")["data"]
        for item in source.get("items") or [{"key": name, "path": name} for name in ("tls.crt", "tls.key")]:
            (place / item["path"]).parent.mkdir(parents=True, exist_ok=True)
            (place / item["path"]).write_text(data[item["key"]])
    env = {"PATH": "/usr/bin:/bin", "POD_IP": address, "POD_NAME": "leuko-0"}
    for variable in found["env"]:
        if "value" in variable:
            value = variable["value"].replace("$(POD_IP)", address).replace("$(POD_NAME)", "leuko-0")
            env[variable["name"]] = str(root) + value if value.startswith("/") else value
    return env


def test_the_notes_name_commands_that_exist() -> None:
    with helm().Chart.load(CHART) as chart:
        notes = chart.render(LEAST, name="leuko", namespace="prod")["leuko/templates/NOTES.txt"]
    (command,) = [line.split(" -- ")[1] for line in notes.splitlines() if " -- leuko" in line]
    assert shlex.split(command) == ["leuko", "agents", "list"]
    assert "http://leuko.prod:4000/v1" in notes
