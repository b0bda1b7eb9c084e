"""Workloads of a cluster behind a real socket: scaled to nothing, and back to what they were."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.enforcement import kubernetes
from gateway.enforcement.asking import Place
from gateway.enforcement.kubernetes import BEFORE, RESTARTED, Kubernetes
from gateway.enforcement.strategy import Case, EnforcementFailed
from tests.enforcement.engines import Cluster, served

CASE = Case("agt_1", "inc_1")


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    found = Cluster("tkn-1")
    async with served(found):
        yield found


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("tkn-1\n")
    return path


def workload(cluster: Cluster, token_file: Path, kind: str = "deployments", name: str = "agent") -> Kubernetes:
    return Kubernetes(kind, name, "agents", Place(cluster.url), token_file, lambda: "2026-11-21T22:00:00Z")


@pytest.mark.parametrize("kind", ["deployments", "statefulsets"])
async def test_a_workload_is_scaled_to_nothing_and_back(cluster: Cluster, token_file: Path, kind: str) -> None:
    found = cluster.deploy(f"agents/{kind}/agent", 3)
    one = workload(cluster, token_file, kind)
    for _ in range(2):  # a second time changes nothing, and forgets nothing
        await one.contain(CASE)
        assert found["spec"]["replicas"] == 0 and found["metadata"]["annotations"] == {BEFORE: "3"}
    # By another replica of the gateway, or after a restart.
    for _ in range(2):
        await workload(cluster, token_file, kind).release(CASE)
        assert found["spec"]["replicas"] == 3 and found["metadata"]["annotations"] == {}
    assert len(cluster.patches) == 2


async def test_a_workload_that_says_no_number_has_one(cluster: Cluster, token_file: Path) -> None:
    found = cluster.deploy("agents/deployments/agent", None)
    await workload(cluster, token_file).contain(CASE)
    await workload(cluster, token_file).release(CASE)
    assert found["spec"]["replicas"] == 1


async def test_what_somebody_else_scaled_is_left_as_it_is(cluster: Cluster, token_file: Path) -> None:
    found = cluster.deploy("agents/deployments/agent", 0)
    one = workload(cluster, token_file)
    await one.contain(CASE)
    await one.release(CASE)
    assert found["spec"]["replicas"] == 0 and cluster.patches == []
    found["spec"]["replicas"] = 2
    await one.contain(CASE)
    found["spec"]["replicas"] = 5
    await one.release(CASE)
    assert found["spec"]["replicas"] == 5 and found["metadata"]["annotations"] == {}


async def test_one_that_is_changed_meanwhile_is_looked_at_again(cluster: Cluster, token_file: Path) -> None:
    found = cluster.deploy("agents/deployments/agent", 3)

    def scaled() -> None:
        found["spec"]["replicas"] = 4
        cluster.change(found)

    cluster.between = scaled
    await workload(cluster, token_file).contain(CASE)
    assert found["spec"]["replicas"] == 0 and found["metadata"]["annotations"] == {BEFORE: "4"}


async def test_a_restart_is_a_rollout(cluster: Cluster, token_file: Path) -> None:
    found = cluster.deploy("agents/deployments/agent", 3)
    await workload(cluster, token_file).restart(CASE)
    assert found["spec"]["template"]["metadata"]["annotations"] == {RESTARTED: "2026-11-21T22:00:00Z"}
    assert found["spec"]["replicas"] == 3


async def test_a_workload_that_is_not_there_is_not_said_to_be_stopped(cluster: Cluster, token_file: Path) -> None:
    one = workload(cluster, token_file)
    with pytest.raises(EnforcementFailed, match="there is no deployment of that name"):
        await one.contain(CASE)
    with pytest.raises(EnforcementFailed, match="there is no deployment of that name"):
        await one.restart(CASE)
    await one.release(CASE)


async def test_the_token_is_the_one_of_now_and_a_wrong_one_is_refused(cluster: Cluster, token_file: Path) -> None:
    found = cluster.deploy("agents/deployments/agent", 3)
    one = workload(cluster, token_file)
    cluster.token = "tkn-2"
    with pytest.raises(EnforcementFailed, match="answered 401: Unauthorized"):
        await one.contain(CASE)
    token_file.write_text("tkn-2")
    await one.contain(CASE)
    assert found["spec"]["replicas"] == 0
    token_file.unlink()
    with pytest.raises(EnforcementFailed, match="token: cannot be read"):
        await one.release(CASE)


async def test_the_gateway_does_not_scale_itself_away(
    cluster: Cluster, token_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "namespace").write_text("agents")
    monkeypatch.setattr(kubernetes, "SERVICE_ACCOUNT", tmp_path)
    for kind, name, pod in (
        ("deployments", "leuko", "leuko-6d4cf56db6-x7k2p"),
        ("statefulsets", "leuko", "leuko-0"),
    ):
        cluster.deploy(f"agents/{kind}/{name}", 3)
        monkeypatch.setattr(kubernetes.socket, "gethostname", lambda pod=pod: pod)
        with pytest.raises(EnforcementFailed, match="the gateway's own workload"):
            await workload(cluster, token_file, kind, name).contain(CASE)
    monkeypatch.setattr(kubernetes.socket, "gethostname", lambda: "leuko-agent-0")
    await workload(cluster, token_file, "statefulsets", "leuko").contain(CASE)


async def test_the_namespace_is_the_gateways_own_if_none_is_said(
    cluster: Cluster, token_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = cluster.deploy("here/deployments/agent", 2)
    one = Kubernetes("deployments", "agent", None, Place(cluster.url), token_file, lambda: "")
    with pytest.raises(EnforcementFailed, match="namespace: cannot be read"):
        monkeypatch.setattr(kubernetes, "SERVICE_ACCOUNT", tmp_path)
        await one.contain(CASE)
    (tmp_path / "namespace").write_text("here\n")
    await one.contain(CASE)
    assert found["spec"]["replicas"] == 0
