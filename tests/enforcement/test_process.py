"""Real processes, stopped and let go on."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.enforcement.process import Process
from gateway.enforcement.seen_process import look
from gateway.enforcement.strategy import Case, EnforcementFailed

CASE = Case("agt_1", "inc_1")


@pytest.fixture
def agent() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


@pytest.fixture
def pid_file(tmp_path: Path, agent: subprocess.Popen[bytes]) -> Path:
    path = tmp_path / "agent.pid"
    path.write_text(f"{agent.pid}\n")
    return path


def stopped(process: subprocess.Popen[bytes]) -> bool:
    seen = look(process.pid)
    assert seen is not None
    return seen.stopped


async def test_a_process_stands_still_until_it_is_let_go(pid_file: Path, agent: subprocess.Popen[bytes]) -> None:
    strategy = Process(pid_file=pid_file)
    for _ in range(2):  # a second time changes nothing
        await strategy.contain(CASE)
        assert stopped(agent)
    for _ in range(2):
        await strategy.release(CASE)
        assert not stopped(agent)


async def test_a_number_means_what_has_it_when_it_is_said(agent: subprocess.Popen[bytes]) -> None:
    strategy = Process(pid=agent.pid)
    await strategy.contain(CASE)
    assert stopped(agent)
    await strategy.release(CASE)
    assert not stopped(agent)
    agent.kill()
    agent.wait()
    with pytest.raises(EnforcementFailed, match="no process has the number"):
        await strategy.contain(CASE)
    await strategy.release(CASE)  # nothing is left to be let go
    with pytest.raises(EnforcementFailed, match="or had it when the settings were read"):
        await Process(pid=agent.pid).contain(CASE)


async def test_a_file_that_is_older_than_the_process_names_another_one(
    pid_file: Path, agent: subprocess.Popen[bytes]
) -> None:
    os.utime(pid_file, (time.time() - 3600, time.time() - 3600))
    with pytest.raises(EnforcementFailed, match="began after that was written, so it is another one"):
        await Process(pid_file=pid_file).contain(CASE)
    assert not stopped(agent)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1", "1 is no process that may be stopped"),
        ("0", "0 is no process"),
        ("99999999999", "is no process that may be stopped"),
        ("-1", "holds no number"),
        ("", "holds no number"),
        ("12 13", "holds no number"),
        ("4194305", "no process has the number"),
    ],
)
async def test_what_is_no_process_of_an_agent_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "agent.pid"
    path.write_text(text)
    with pytest.raises(EnforcementFailed, match=said):
        await Process(pid_file=path).contain(CASE)


async def test_the_gateway_stops_neither_itself_nor_what_it_runs_under(tmp_path: Path) -> None:
    path = tmp_path / "agent.pid"
    for pid in {os.getpid(), os.getppid()} - {1}:
        path.write_text(str(pid))
        with pytest.raises(EnforcementFailed, match="the gateway's own process, or one it runs under"):
            await Process(pid_file=path).contain(CASE)
        with pytest.raises(EnforcementFailed, match="the gateway's own process"):
            await Process(pid=pid).contain(CASE)


async def test_an_agent_without_its_file_does_not_run(tmp_path: Path) -> None:
    strategy = Process(pid_file=tmp_path / "agent.pid")
    with pytest.raises(EnforcementFailed, match="is not there"):
        await strategy.contain(CASE)
    await strategy.release(CASE)


async def test_a_file_that_cannot_be_read_lets_nobody_believe_that_the_agent_goes_on(tmp_path: Path) -> None:
    strategy = Process(pid_file=tmp_path)  # a directory
    for act in (strategy.contain, strategy.release):
        with pytest.raises(EnforcementFailed, match="cannot be read"):
            await act(CASE)


async def test_the_process_that_was_stopped_goes_on_though_its_file_names_its_successor(
    pid_file: Path, agent: subprocess.Popen[bytes]
) -> None:
    strategy = Process(pid_file=pid_file)
    await strategy.contain(CASE)
    with subprocess.Popen(["sleep", "60"]) as successor:
        pid_file.write_text(str(successor.pid))
        await strategy.release(CASE)
        assert not stopped(agent) and not stopped(successor)
        successor.kill()
