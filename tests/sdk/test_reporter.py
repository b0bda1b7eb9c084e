"""Vitals on their way to the gateway, whatever becomes of it meanwhile."""

import asyncio
import multiprocessing
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.sdk import ImmuneReporter
from tests.support.gateway import eventually, running_gateway
from tests.support.redis import RedisServer
from tests.support.upstream import ThreadedUpstream, json_answer, threaded

TAKEN = json_answer({"accepted": 1, "items": []}, 202)
AWAY = "http://127.0.0.1:1"  # nobody listens there

Make = Callable[..., ImmuneReporter]


@pytest.fixture
def make() -> Iterator[Make]:
    """Reporters that are closed at the end."""
    made: list[ImmuneReporter] = []

    def reporter(url: str, **settings: Any) -> ImmuneReporter:
        made.append(ImmuneReporter(url, "igk_1", **{"agent": "billing-bot", "interval": 0.01, **settings}))
        return made[-1]

    yield reporter
    for one in made:
        one.close(0.0)


def exchanges(upstream: ThreadedUpstream) -> list[dict[str, Any]]:
    return [one for request in upstream.requests for one in request.json()]


def test_vitals_come_in_batches_with_the_key_and_the_agents_name(make: Make) -> None:
    with threaded(TAKEN) as upstream:
        reporter = make(upstream.url, interval=60.0, clock=lambda: 1700000000.5)
        for turn in range(450):
            reporter.report(model="gpt-4o", turn=turn)
        assert reporter.flush()
        assert [len(request.json()) for request in upstream.requests] == [200, 200, 50]
        assert [one["turn"] for one in exchanges(upstream)] == list(range(450))
        first = upstream.requests[0]
        assert (first.method, first.target, first.header("authorization")) == (
            "POST",
            b"/api/v1/ingest",
            "Bearer igk_1",
        )
        assert first.json()[0] == {"time": 1700000000.5, "model": "gpt-4o", "turn": 0, "name": "billing-bot"}
        assert (reporter.sent, reporter.dropped) == (450, 0)


def test_an_agent_is_named_by_id_by_name_or_by_its_own_key(make: Make) -> None:
    with threaded(TAKEN) as upstream:
        for settings in ({"agent": "agt_1"}, {"agent": "bot"}, {"agent": None}):
            reporter = make(upstream.url, **settings)
            reporter.report(model="m")
            reporter.report(model="m", name="other")
            assert reporter.flush()
        whose = [{name: one[name] for name in ("agent_id", "name") if name in one} for one in exchanges(upstream)]
        other = {"name": "other"}
        assert whose == [{"agent_id": "agt_1"}, other, {"name": "bot"}, other, {}, other]


def test_with_an_agents_own_key_nobody_needs_to_say_whose_it_is() -> None:
    for key, agent, needed in (("igk_1", None, True), ("igk_1", "bot", False), ("agk_1", None, False)):
        with ImmuneReporter(AWAY, key, agent=agent) as reporter:
            assert reporter.names_needed is needed


def test_an_exchange_is_measured(make: Make) -> None:
    with threaded(TAKEN) as upstream:
        reporter = make(upstream.url)
        with reporter.exchange(model="gpt-4o") as exchange:
            exchange.tokens(12, 5)
        assert reporter.flush()
        (vitals,) = exchanges(upstream)
        assert (vitals["input_tokens"], vitals["output_tokens"]) == (12, 5)
        assert 0.0 <= vitals["latency_ms"] < 10_000.0


def test_many_threads_and_coroutines_share_one(make: Make) -> None:
    with threaded(TAKEN) as upstream:
        reporter = make(upstream.url)

        async def report_all() -> None:
            for _ in range(200):
                reporter.report(model="m")
                await asyncio.sleep(0)
            assert await asyncio.to_thread(reporter.flush)

        threads = [threading.Thread(target=asyncio.run, args=(report_all(),)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert reporter.flush()
        assert len(exchanges(upstream)) == reporter.sent == 1600


def test_while_the_gateway_is_away_the_newest_wait_and_the_agent_does_not(make: Make) -> None:
    reporter = make(AWAY, most_pending=10)
    for turn in range(30):
        reporter.report(turn=turn)
    assert not reporter.flush(0.2)
    eventually(lambda: reporter.dropped == 20)
    with threaded(TAKEN) as upstream:
        reporter.base_url = upstream.url
        eventually(lambda: reporter.sent == 10)
        assert [one["turn"] for one in exchanges(upstream)] == list(range(20, 30))


def test_it_waits_as_long_as_the_gateway_says(make: Make) -> None:
    busy = json_answer({"detail": "Later."}, 503, [("retry-after", "1")])
    with threaded([busy, TAKEN]) as upstream:
        reporter = make(upstream.url)
        reporter.report(turn=1)
        assert not reporter.flush(0.3)
        asked = time.monotonic()
        reporter.report(turn=2)
        assert reporter.flush(5.0)
        assert time.monotonic() - asked > 0.5
        assert [len(request.json()) for request in upstream.requests] == [1, 2]
        assert (reporter.sent, reporter.dropped) == (2, 0)


def test_a_pause_that_is_longer_than_one_would_wait_is_not_waited_for(make: Make) -> None:
    with threaded(json_answer({"detail": "Later."}, 429, [("retry-after", "600")])) as upstream:
        reporter = make(upstream.url)
        reporter.report(turn=1)
        assert not reporter.flush(5.0)
        started = time.monotonic()
        assert not reporter.flush(5.0)
        reporter.close()
        assert time.monotonic() - started < 4.0
        assert reporter.dropped == 1


def test_what_one_agent_may_not_report_costs_others_nothing(make: Make) -> None:
    refused = json_answer({"detail": "Agent agt_1 passes through the gateway."}, 409)
    with threaded([refused, refused, TAKEN]) as upstream:
        reporter = make(upstream.url, interval=60.0)
        reporter.report(name="seen", model="a")
        reporter.report(name="unseen", model="b")
        assert reporter.flush()
        assert [len(request.json()) for request in upstream.requests] == [2, 1, 1]
        assert (reporter.sent, reporter.dropped) == (1, 1)


def test_losses_are_said_once(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    with threaded(json_answer({"detail": "No."}, 400)) as upstream:
        reporter = make(upstream.url)
        for _ in range(3):
            reporter.report(latency=7)
            assert reporter.flush()
        assert reporter.dropped == 3
        assert [record.message for record in caplog.records if record.name == "gateway.sdk.reporter"] == [
            "members that no exchange has, or not so, were left out: latency",
            "vitals of 1 exchanges were lost: status 400: No.",
        ]


class Unreadable(dict[str, Any]):
    def __iter__(self) -> Any:
        raise RuntimeError("a text of the agent's")


def test_nothing_that_is_reported_raises(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    with threaded(TAKEN) as upstream:
        reporter = make(upstream.url)
        reporter.report(tool_names=Unreadable(), model="\ud800")
        reporter.report(model=object(), nonsense=1)
        reporter.report(model="m")
        assert reporter.flush()
        assert reporter.dropped == 1 and "a text of the agent's" not in caplog.text
        assert [one.get("model") for one in exchanges(upstream)] == [None, "m"]


def test_what_gathers_elsewhere_is_asked_before_each_sending_and_may_fail(make: Make) -> None:
    with threaded(TAKEN) as upstream:
        reporter = make(upstream.url, interval=60.0)
        left = [RuntimeError("no"), None]

        def source() -> None:
            if left and (problem := left.pop(0)) is not None:
                raise problem
            reporter.report(model="gathered")

        reporter.gather(source)
        reporter.flush()
        assert reporter.flush()
        assert [one["model"] for one in exchanges(upstream)] == ["gathered"]


def test_when_it_is_closed_what_waits_is_sent_and_what_comes_is_lost(make: Make) -> None:
    with threaded(TAKEN) as upstream:
        with make(upstream.url, interval=60.0) as reporter:
            reporter.report(turn=1)
        reporter.report(turn=2)
        assert len(exchanges(upstream)) == 1
        assert (reporter.sent, reporter.dropped) == (1, 1)
        reporter.close()
        assert reporter.flush()


def test_a_reporter_that_never_reported_starts_no_thread(make: Make) -> None:
    before = threading.active_count()
    with make(AWAY):
        assert threading.active_count() == before


def test_what_waits_is_sent_at_exit() -> None:
    with threaded(TAKEN) as upstream:
        code = f"""
from gateway.sdk import ImmuneReporter
reporter = ImmuneReporter({upstream.url!r}, "igk_1", agent="bot", interval=60.0)
reporter.report(model="last")
"""
        subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
        assert [one["model"] for one in exchanges(upstream)] == ["last"]


def report_in_child(reporter: ImmuneReporter) -> None:
    reporter.report(model="child")
    reporter.flush()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_reports_its_own_and_not_its_parents(make: Make) -> None:
    with threaded(TAKEN) as upstream:
        reporter = make(upstream.url, interval=60.0)
        reporter.report(model="parent")
        child = multiprocessing.get_context("fork").Process(target=report_in_child, args=(reporter,))
        child.start()
        child.join(20)
        assert child.exitcode == 0
        assert [one["model"] for one in exchanges(upstream)] == ["child"]
        assert reporter.flush()
        assert [one["model"] for one in exchanges(upstream)] == ["child", "parent"]


@pytest.mark.parametrize(("url", "key"), [("ftp://gateway", "igk_1"), ("gateway", "igk_1"), (AWAY, "")])
def test_a_reporter_that_could_never_report_cannot_be_made(url: str, key: str) -> None:
    with pytest.raises(ValueError, match="base_url|key"):
        ImmuneReporter(url, key)


def test_the_gateway_takes_what_is_reported(shared_redis: RedisServer, tmp_path: Any, make: Make) -> None:
    key = "igk-" + secrets.token_hex(12)
    env = {
        "GATEWAY_REDIS_URL": shared_redis.url,
        "GATEWAY_REDIS_PREFIX": f"rep{secrets.token_hex(4)}:",
        "GATEWAY_DATA_DIR": str(tmp_path),
        "INGEST_API_KEY": key,
    }
    with running_gateway(env=env) as gateway, ImmuneReporter(gateway.url, key, clock=lambda: 4e9) as reporter:
        for turn in range(3):
            reporter.report(name="far-bot", model="gpt-4o", input_tokens=100 + turn, output_tokens=10, turn=turn)
        reporter.report(agent_id="-", model="gpt-4o")
        assert reporter.flush()
        assert (reporter.sent, reporter.dropped) == (3, 1)
        eventually(lambda: gateway.admin("/agents").json()["items"])
        (agent,) = gateway.admin("/agents").json()["items"]
        eventually(lambda: gateway.admin(f"/agents/{agent['agent_id']}").json()["input_tokens"] == 303)
        assert agent["name"] == "far-bot"
