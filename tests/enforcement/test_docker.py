"""Containers of an engine on a real Unix socket, and over TCP."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.enforcement.asking import Place
from gateway.enforcement.docker import Docker
from gateway.enforcement.strategy import Case, EnforcementFailed
from tests.enforcement.engines import Engine, served

CASE = Case("agt_1", "inc_1")


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    found = Engine()
    found.run("agent")
    async with served(found, tmp_path / "docker.sock"):
        yield found


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place("http://engine", socket=str(tmp_path / "docker.sock"))


async def test_a_container_is_paused_until_it_is_let_go(engine: Engine, place: Place) -> None:
    docker = Docker("agent", place)
    for _ in range(2):  # a second time changes nothing
        await docker.contain(CASE)
        assert engine.containers["agent"]["Paused"]
    for _ in range(2):
        await docker.release(CASE)
        assert not engine.containers["agent"]["Paused"]
    assert [one for one in engine.asked if one.startswith("POST")] == [
        "POST /containers/agent/pause",
        "POST /containers/agent/unpause",
    ]


async def test_a_paused_container_goes_on_before_it_is_restarted(engine: Engine, place: Place) -> None:
    docker = Docker("agent", place)
    await docker.contain(CASE)
    await docker.restart(CASE)
    assert engine.containers["agent"] == {"Running": True, "Paused": False, "Starts": 2}
    assert engine.asked[-2:] == ["POST /containers/agent/unpause", "POST /containers/agent/restart"]


async def test_one_that_is_gone_or_does_not_run_is_not_said_to_be_stopped(engine: Engine, place: Place) -> None:
    with pytest.raises(EnforcementFailed, match="container: there is no such container"):
        await Docker("other", place).contain(CASE)
    await Docker("other", place).release(CASE)
    engine.containers["agent"]["Running"] = False
    with pytest.raises(EnforcementFailed, match="does not run"):
        await Docker("agent", place).contain(CASE)
    await Docker("agent", place).release(CASE)
    with pytest.raises(EnforcementFailed, match="answered 404: No such container: other"):
        await Docker("other", place).restart(CASE)


async def test_what_the_engine_refuses_is_said_as_it_says_it(engine: Engine, place: Place) -> None:
    engine.failing = 500
    with pytest.raises(EnforcementFailed) as refused:
        await Docker("agent", place).contain(CASE)
    assert (refused.value.strategy, refused.value.reason) == ("container", "answered 500: the daemon is not well")


async def test_an_engine_that_is_not_there_does_not_answer(tmp_path: Path) -> None:
    place = Place("http://engine", socket=str(tmp_path / "nothing.sock"))
    for act in (Docker("agent", place).contain, Docker("agent", place).release):
        with pytest.raises(EnforcementFailed, match="does not answer") as refused:
            await act(CASE)
        assert str(tmp_path) not in str(refused.value)


async def test_what_answers_like_no_engine_stops_nothing() -> None:
    class Strange(Engine):
        def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, object]:
            return 200, ["hello"]

    strange = Strange()
    async with served(strange):
        with pytest.raises(EnforcementFailed, match="not the Docker Engine API's"):
            await Docker("agent", Place(strange.url)).contain(CASE)


async def test_the_gateway_does_not_pause_the_container_it_runs_in(
    engine: Engine, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: b"agent".hex().ljust(12, "0"))
    with pytest.raises(EnforcementFailed, match="the gateway's own container"):
        await Docker("agent", place).contain(CASE)
    assert not engine.containers["agent"]["Paused"]
