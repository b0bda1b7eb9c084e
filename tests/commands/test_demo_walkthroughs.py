"""`leuko demo sysadmin`, `modes`, `ops`, `guard`, as a person starts them: the whole story through a real gateway."""

import os
import re
import signal
from pathlib import Path

import psutil
import pytest

from gateway.commands.demo_walkthroughs import WALKTHROUGHS, show
from gateway.demo.walkthrough import Step
from tests.commands.conftest import demo, run
from tests.support.gateway import eventually
from tests.support.prepared import ROOT

TELLS = {
    "sysadmin": ("403 intent_required", "refused: uses_exhausted", "healthy, restarts: 1"),
    "modes": ("refused: sre/modes/NORMAL", "refused: sre/always_blocked/0", "users, orders"),
    "ops": ("planned", "cat $(echo /etc/shadow)", "untouched"),
    "guard": (
        "4 allowed, 4 denied, 1 reported",
        "1 request, 9 tokens in, 2 out",
        "200 text/html",
        "403 agent_quarantined",
    ),
}
"""What stands in the table at the end of each."""


def test_each_of_them_is_told_here() -> None:
    assert [walkthrough.__name__ for walkthrough in WALKTHROUGHS] == list(TELLS)


@pytest.mark.parametrize("name", TELLS)
def test_the_story_goes_as_it_should_and_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    taken = {"GATEWAY_REDIS_URL": "redis://127.0.0.1:1", "GATEWAY_PORT": "1"}  # of another gateway, and not for this
    with demo(name, TMPDIR=str(tmp_path), **taken) as process:
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    table = output[output.index("what came of it") :]
    for told in TELLS[name]:
        assert told in table
    assert re.fullmatch(r"All \d+ steps went as expected\.", output.splitlines()[-1])
    assert not list(tmp_path.iterdir())


def test_immune_is_another_name_of_the_fleets_story() -> None:
    assert "--agents" in run("demo", "immune", "--agents", "3", code=2).output
    assert "A fleet of simulated agents" in run("demo", "immune", "--help").output


def test_a_step_that_went_otherwise_fails_the_story(tmp_path: Path) -> None:
    """The same story, with a shell that nobody may use."""
    changed = tmp_path / "sitecustomize.py"
    changed.write_text("import gateway.demo.story_ops as story\nstory.JAIL = (('date', False), ('date', True))\n")
    directory = tmp_path / "temporary"
    directory.mkdir()
    with demo("ops", TMPDIR=str(directory), PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}") as process:
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 1, output
    assert "NOT  date: executed (expected: refused: on-call/tools/run_command/command)" in output
    assert output.splitlines()[-1] == "1 of 16 steps did not go as expected."


SHADOW = """
import gateway.commands.demo_gateway as demo, gateway.demo.walkthrough as walkthrough
walkthrough._TRIES = 4  # what is expected never comes
made = demo.OwnGateway.__init__
demo.OwnGateway.__init__ = lambda self, at, env, more: made(self, at, env, {**more, "GATEWAY_ENFORCEMENT": "shadow"})
"""


@pytest.mark.parametrize("name", TELLS)
def test_a_gateway_that_refuses_nothing_fails_the_story(name: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(SHADOW)
    directory = tmp_path / "temporary"
    directory.mkdir()
    with demo(name, TMPDIR=str(directory), PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}") as process:
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 1, output
    assert "Traceback" not in output
    assert re.fullmatch(r"\d+ of \d+ steps did not go as expected\.", output.splitlines()[-1])


def test_what_is_set_for_a_real_gateway_is_not_for_this(tmp_path: Path) -> None:
    """Nor is a proxy of the network; and there is no home, no colour and no character but those of ASCII."""
    nonsense = ("GATEWAY_TIMEOUTS", "GATEWAY_TLS_CERT_FILE", "GATEWAY_NO_SUCH_SETTING", "ADMIN_API_KEY", "LOG_LEVEL")
    proxies = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
    env = dict.fromkeys(nonsense, "nonsense") | dict.fromkeys(proxies, "http://127.0.0.1:9")
    env |= {"HOME": "", "NO_COLOR": "1", "COLUMNS": "80", "PYTHONIOENCODING": "ascii", "GATEWAY_ENFORCEMENT": "shadow"}
    with demo("ops", TMPDIR=str(tmp_path), **env) as process:
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert "\x1b" not in output


@pytest.mark.parametrize(
    ("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=lambda one: str(one)
)
def test_it_leaves_nothing_behind_when_it_is_told_to_end(sign: signal.Signals, code: int, tmp_path: Path) -> None:
    """By Ctrl-C or by closing the terminal: all that it started is told, too."""
    with demo("modes", start_new_session=True, TMPDIR=str(tmp_path)) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("A gateway of its own")
            below = psutil.Process(process.pid).children(recursive=True)
            assert below
            os.killpg(process.pid, sign)
            process.communicate(timeout=40)
        finally:
            process.kill()
    assert process.returncode == code
    assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in below)
    eventually(lambda: not list(tmp_path.iterdir()))


def test_even_killed_it_leaves_no_gateway_behind(tmp_path: Path) -> None:
    with demo("modes", TMPDIR=str(tmp_path)) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("A gateway of its own")
        below = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.communicate(timeout=40)
    assert len(below) >= 2
    eventually(lambda: not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in below))


@pytest.mark.parametrize("columns", ["60", "200"])
def test_the_table_says_what_was_expected_where_it_did_not_come(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    show([Step("[one]", "a", "a"), Step("two", "b", "c")])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "1 [one] a ok" in lines and "2 two c NOT OK: expected was b" in lines
    assert lines[-1] == "1 of 2 steps did not go as expected."


def test_a_narrow_terminal_shows_all_of_what_came(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"COLUMNS": "80", "FORCE_COLOR": "1", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    rule = f"refused: on-call/tools/run_command/{'command' * 6}"
    show([Step("cat /etc/shadow", rule, rule)])
    shown = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert "…" not in shown and max(map(len, shown.splitlines())) <= 80
    assert shown.replace("\n", "").replace(" ", "").count("command") == 1 + 6


def test_a_story_without_a_step_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    show([])
    assert "0 of 0 steps" in capsys.readouterr().out
