"""Every query of every dashboard and every selector of every alert, asked of a real Prometheus that scrapes a real
gateway with real traffic: none fails, none is empty."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.deploy.files import BOARDS, RULES, alerts, board, panels, selectors, substituted, variables
from tests.support.gateway import ADMIN_KEY, GatewayProcess, eventually, running_gateway
from tests.support.prometheus import Prometheus, running_prometheus

TOOL = {"type": "function", "function": {"name": "get_status", "parameters": {"type": "object", "properties": {}}}}
RECORDED = 40


@dataclass
class World:
    gateway: GatewayProcess
    prometheus: Prometheus
    told: dict[str, float]

    def holds(self, query: str, values: dict[str, str] | None = None) -> list[dict[str, object]]:
        """What the query gives, as soon as that is anything; rates take two scrapes."""
        found: list[dict[str, object]] = []

        def some() -> bool:
            found[:] = self.prometheus.query(substituted(query, values))
            return bool(found)

        try:
            eventually(some, within=15)
        except AssertionError:
            pytest.fail(f"gives nothing: {query}")
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("dashboards")
    env = {"GATEWAY_DATA_DIR": str(directory / "data")}
    with (
        running_gateway("--stub", env=env) as gateway,
        running_prometheus(directory, gateway.url.removeprefix("http://"), ADMIN_KEY, RULES) as prometheus,
    ):
        eventually(lambda: prometheus.query('up{job="leuko"} == 1'))
        with httpx.Client(base_url=gateway.url, headers={"authorization": "Bearer sk-of-somebody"}) as client:
            usage = [ask(client, "stub-echo").json()["usage"]["total_tokens"] for _ in range(RECORDED)]
        told = {"sum(leuko_agent_requests_total)": RECORDED, "sum(leuko_agent_tokens_total)": sum(usage)}
        eventually(lambda: all(_value(prometheus, query) == total for query, total in told.items()))
        stop = threading.Event()
        traffic = threading.Thread(target=keep_asking, args=(gateway.url, stop))
        traffic.start()
        try:
            yield World(gateway, prometheus, told)
        finally:
            stop.set()
            traffic.join()


def ask(client: httpx.Client, model: str, **members: object) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], **members}
    return client.post("/v1/chat/completions", json=body)


def keep_asking(url: str, stop: threading.Event) -> None:
    """Some of everything, for as long as the tests run: answers, streams, tool calls, failures, refusals."""
    with httpx.Client(base_url=url, headers={"authorization": "Bearer sk-of-somebody"}) as client:
        while not stop.wait(0.1):
            ask(client, "stub-echo")
            ask(client, "stub-echo", stream=True)
            ask(client, "stub-tool", tools=[TOOL])
            ask(client, "stub-error-500")
            client.post("/v1/chat/completions", content=b"{")


def test_totals_were_those_of_the_answers(world: World) -> None:
    """The fixture has waited until they were equal; since then they only grow."""
    assert all((_value(world.prometheus, query) or 0) >= total for query, total in world.told.items())


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_every_variable_and_panel_shows_something(world: World, path: Path) -> None:
    document = board(path)
    values = {}
    for name, metric, label in variables(document):
        eventually(lambda metric=metric, label=label: _choices(world, metric, label))
        values[name] = _choices(world, metric, label)[0] if name == "agent" else ".*"
    for panel in panels(document):
        for target in panel["targets"]:
            world.holds(target["expr"], values)


def test_every_selector_of_every_alert_finds_series(world: World) -> None:
    for rule in alerts():
        assert selectors(rule["expr"]), rule["alert"]
        for selector in selectors(rule["expr"]):
            world.holds(selector)


def test_prometheus_has_loaded_every_alert(world: World) -> None:
    answer = httpx.get(f"{world.prometheus.url}/api/v1/rules").json()
    (group,) = answer["data"]["groups"]
    eventually(lambda: _evaluated(world) == {"ok"})
    assert [rule["name"] for rule in group["rules"]] == [rule["alert"] for rule in alerts()]


def test_a_gateway_in_order_rings_no_alarm_about_itself(world: World) -> None:
    own = "LeukoDown|LeukoRedisLost|LeukoAudit.*|LeukoStateRefusals|LeukoInternalErrors|Leuko(Vitals|Uses)Dropped"
    own += "|LeukoMemoryHigh|LeukoPolicies.*|LeukoWebhooksDropped|LeukoApprovalsWait|LeukoAgentExhausted"
    assert not world.prometheus.query(f'ALERTS{{alertname=~"{own}"}}')


def _choices(world: World, metric: str, label: str) -> list[str]:
    return [value for value in world.prometheus.label_values(metric, label) if value != "other"]


def _value(prometheus: Prometheus, query: str) -> float | None:
    found = prometheus.query(query)
    return float(found[0]["value"][1]) if found else None


def _evaluated(world: World) -> set[str]:
    (group,) = httpx.get(f"{world.prometheus.url}/api/v1/rules").json()["data"]["groups"]
    return {rule["health"] for rule in group["rules"]}
