"""The fault runs, short in every test run and long under `make faults`, and the figures that the long ones leave."""

import asyncio
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import orjson
import psutil
import pytest
import uvloop

from tests.faults.census import frozen
from tests.faults.figures import Figures
from tests.faults.world import Relay
from tests.support.gateway import GatewayProcess, running_gateway
from tests.support.upstream import ThreadedUpstream, threaded

__all__ = ["frozen"]

SUMMARY = Path(__file__).with_name("summary.json")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that the gateway itself runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def _summary(request: pytest.FixtureRequest) -> Iterator[Figures]:
    """Written only by `make faults`; a run of some tests leaves the figures of the others."""
    figures = Figures()
    yield figures
    if request.config.option.markexpr != "faults":
        return
    before = orjson.loads(SUMMARY.read_bytes())["runs"] if SUMMARY.exists() else {}
    document = {"machine": _machine(), "runs": {**before, **figures.runs}}
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    SUMMARY.write_bytes(orjson.dumps(document, option=options))


@pytest.fixture
def figures(_summary: Figures) -> Figures:
    """Where a run notes what it counted and measured."""
    return _summary


@pytest.fixture(scope="module")
def stub_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway with the stub models that the tests of one file share: it must outlive them all."""
    with running_gateway("--stub", env={"GATEWAY_DATA_DIR": str(tmp_path_factory.mktemp("stub"))}) as gateway:
        yield gateway
        assert gateway.process.poll() is None
        assert gateway.stop() == 0
    assert "Traceback" not in gateway.output, gateway.output


@pytest.fixture(scope="module")
def _provider() -> Iterator[ThreadedUpstream]:
    with threaded(b"") as upstream:
        yield upstream


@pytest.fixture(scope="module")
def _relay(tmp_path_factory: pytest.TempPathFactory, _provider: ThreadedUpstream) -> Iterator[Relay]:
    env = {"GATEWAY_DATA_DIR": str(tmp_path_factory.mktemp("relay")), "LLM_UPSTREAM_URL": _provider.url}
    with running_gateway(env=env) as gateway:
        yield Relay(gateway, _provider)
        assert gateway.process.poll() is None
        assert gateway.stop() == 0
    assert "Traceback" not in gateway.output, gateway.output


@pytest.fixture
def relay(_relay: Relay) -> Iterator[Relay]:
    """A gateway before a scripted provider, shared by the tests of one file."""
    yield _relay
    errors, _relay.provider.inner.errors = _relay.provider.inner.errors, []
    assert not errors, errors


def _machine() -> dict[str, object]:
    """Enough to read the figures by; no names, no paths."""
    return {
        "system": platform.system(),
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
    }
