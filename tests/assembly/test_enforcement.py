"""From what operators say to what stops agents."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

from gateway.assembly.enforcement import targets_of
from gateway.enforcement.docker import Docker
from gateway.enforcement.enforcement import CONTROL, RESTART, Enforcement
from gateway.enforcement.kubernetes import IN_CLUSTER, SERVICE_ACCOUNT, Kubernetes
from gateway.enforcement.strategy import Case
from gateway.enforcement.targets import Means
from gateway.settings import load
from tests.enforcement.engines import Cluster, Engine, served
from tests.support.receiver import running_receiver

AGENT = "agt_ABCDEFGHIJKLMNOPQRSTUVWX"
WHSEC = "whsec_" + base64.b64encode(b"x" * 24).decode()
CASE = Case(AGENT, "inc_1")


def means(given: dict[str, Any]) -> Means:
    settings = load(None, {"GATEWAY_ENFORCEMENT_TARGETS": json.dumps({AGENT: given})})
    found = targets_of(settings).of(AGENT, None)
    assert found is not None
    return found


def place(one: object) -> Any:
    return one._place  # type: ignore[attr-defined]


async def test_everything_that_is_set_is_used_in_one_order(tmp_path: Path) -> None:
    engine = Engine()
    engine.run("agent-1")
    (tmp_path / "agent.pid").write_text("4194305")
    async with served(engine, tmp_path / "engine.sock"), running_receiver() as receiver:
        hook = {"url": receiver.url, "secret": WHSEC}
        given = means(
            {
                "webhook": hook,
                "container": {"docker": "agent-1", "host": f"unix://{tmp_path}/engine.sock"},
                "process": {"pid_file": str(tmp_path / "agent.pid")},
                "control": hook,
            }
        )
        assert [one.name for one in given.contain] == ["process", "container", "webhook"]
        for one in given.contain[1:]:
            await one.contain(CASE)
        assert engine.containers["agent-1"]["Paused"]
        assert given.restart is not None and given.control is not None
        await asyncio.gather(given.restart.restart(CASE), given.control.reset(CASE))
        assert engine.containers["agent-1"]["Starts"] == 2
    assert [received.document["type"] for received in receiver.all] == ["agent.contain", "agent.reset"]


async def test_a_workload_is_asked_for_where_it_is_said_to_be(tmp_path: Path) -> None:
    cluster = Cluster("tkn")
    (tmp_path / "token").write_text("tkn")
    async with served(cluster):
        found = cluster.deploy("agents/statefulsets/billing", 2)
        container = {
            "kubernetes": "statefulset/billing",
            "namespace": "agents",
            "api": cluster.url,
            "token_file": str(tmp_path / "token"),
        }
        (one,) = means({"container": container}).contain
        await one.contain(CASE)
        assert found["spec"]["replicas"] == 0
        await one.release(CASE)
        assert found["spec"]["replicas"] == 2
        restart = means({"container": container}).restart
        assert restart is not None
        await restart.restart(CASE)
    (annotation,) = found["spec"]["template"]["metadata"]["annotations"].values()
    assert annotation.endswith("Z")


def test_in_a_cluster_nothing_but_the_name_needs_to_be_said() -> None:
    (one,) = means({"container": {"kubernetes": "deployment/billing"}}).contain
    assert isinstance(one, Kubernetes)
    assert (place(one).url, place(one).ca_file) == (IN_CLUSTER, SERVICE_ACCOUNT / "ca.crt")
    assert one._token_file == SERVICE_ACCOUNT / "token"


def test_an_engine_is_reached_by_its_socket_or_over_tcp_with_certificates(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("x")
    for given, url, socket in (
        ({}, "http://engine", "/var/run/docker.sock"),
        ({"host": "tcp://10.0.0.1:2375"}, "http://10.0.0.1:2375", None),
        ({"host": "tcp://h:2376", "ca_file": str(tmp_path / "ca.pem")}, "https://h:2376", None),
        ({"host": "https://h:2376/"}, "https://h:2376", None),
    ):
        (one,) = means({"container": {"docker": "agent-1", **given}}).contain
        assert isinstance(one, Docker)
        assert (place(one).url, place(one).socket) == (url, socket)


def test_what_restarts_is_the_container_unless_something_else_is_said() -> None:
    hook = {"url": "http://127.0.0.1:1", "secret": WHSEC}
    container = {"docker": "agent-1"}
    for given, targets in (
        ({"webhook": hook}, frozenset[str]()),
        ({"webhook": hook, "restart": "webhook"}, {RESTART}),
        ({"container": container}, {RESTART}),
        ({"container": container, "control": hook}, {RESTART, CONTROL}),
        ({"control": hook}, {CONTROL}),
    ):
        enforcement = Enforcement()
        settings = load(None, {"GATEWAY_ENFORCEMENT_TARGETS": json.dumps({AGENT: given})})
        enforcement.use(targets_of(settings))
        assert enforcement.targets(AGENT) == targets
    both = means({"webhook": hook, "container": container, "restart": "webhook"})
    assert both.restart is both.contain[1] and both.restart.name == "webhook"
