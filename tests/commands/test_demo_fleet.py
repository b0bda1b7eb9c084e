"""`leuko demo`, as a person starts it."""

import re
import signal
from pathlib import Path

import pytest

from gateway.commands.demo_fleet import show
from gateway.demo.fleet_cases import Row
from tests.commands.conftest import demo, run
from tests.support.gateway import eventually

ILL = Row(
    "fleet-a-0", "tool", "tool_loop", "HEALTHY → DRAINING", "infinite_loop 85%", "reset_memory healed", "[healed]"
)
WELL = Row("fleet-b-1", "-", "-", "-", "-", "-", "worked on, undisturbed")


@pytest.mark.parametrize("columns", ["80", "200"])
def test_the_table_has_a_row_for_each_that_was_ill(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    show([ILL, WELL, WELL])
    text = capsys.readouterr().out
    assert "fleet-a-0" in text and "[healed]" in text and "infinite_loop 85%" in text
    assert text.splitlines()[-1] == "worked on, undisturbed: fleet-b-1, fleet-b-1"


def test_fewer_agents_than_the_story_has_roles_are_refused() -> None:
    assert "--agents" in run("demo", "--agents", "3", code=2).output


def test_it_leaves_nothing_behind_when_it_is_told_to_end(tmp_path: Path) -> None:
    taken = {"GATEWAY_REDIS_URL": "redis://127.0.0.1:1", "GATEWAY_PORT": "1", "TMPDIR": str(tmp_path)}
    with demo(**taken) as process:
        try:
            assert process.stdout is not None
            first, second = process.stdout.readline(), process.stdout.readline()
            found = re.search(r"GATEWAY_DATA_DIR=(\S+) GATEWAY_PORT=0", first)
            assert found is not None and Path(found[1]).is_dir()
            assert "GATEWAY_URL=http://127.0.0.1:" in second
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=40)
        finally:
            process.kill()
    assert process.returncode == 143
    eventually(lambda: not list(tmp_path.iterdir()))


def test_a_gateway_that_does_not_start_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")  # no Python starts with it
    output = run("demo", code=1).output
    assert output.startswith("leuko: the gateway did not start: ") and output.count("\n") == 1


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_the_whole_story_goes_as_it_should() -> None:
    with demo() as process:
        output, _ = process.communicate(timeout=280)
    assert process.returncode == 0, output
    assert output.splitlines()[-1] == "The story went as it should."
