"""The policies that come with the gateway."""

from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from gateway.model.agent import Agent
from gateway.policy.cases import outcomes
from gateway.policy.document import Document, parse_all
from gateway.policy.engine import Engine
from gateway.policy.reading import read

PACKAGED = Path(str(files("gateway").joinpath("policies")))
TEMPLATES = sorted((PACKAGED / "templates").glob("*.yaml"))


def document(path: Path) -> Document:
    (found,) = parse_all([(read(path.read_text("utf-8"), path.name), path.name)])
    return found


def test_there_is_a_template_for_each_common_wish() -> None:
    assert [path.stem for path in TEMPLATES] == ["ops", "read-only", "shell-sandbox", "strict"]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_says_what_it_allows_and_denies_and_it_is_so(path: Path) -> None:
    found = document(path)
    assert found.name == path.stem
    assert [outcome.shown for outcome in outcomes(found) if not outcome.holds] == []
    expected = Counter(case.expect for case in found.clauses.cases)
    assert expected["allow"] >= 3
    assert expected["deny"] >= 5


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_every_mode_and_every_tool_of_a_template_has_a_case(path: Path) -> None:
    clauses = document(path).clauses
    modes = {case.mode or clauses.modes[0].name for case in clauses.cases} if clauses.modes else set()
    assert {mode.name for mode in clauses.modes} <= modes
    called = {case.call.get("tool") for case in clauses.cases}
    assert {tool.name for tool in clauses.tools} <= called


def test_templates_may_be_in_force_together() -> None:
    assert len(parse_all([(read(path.read_text("utf-8"), path.name), path.name) for path in TEMPLATES])) == 4


def test_the_default_blocks_nothing() -> None:
    found = document(PACKAGED / "default.yaml")
    assert yaml.safe_load((PACKAGED / "default.yaml").read_text("utf-8")).keys() == {"name", "default", "immune"}
    rules = Engine([found]).of(Agent("agt_1"))
    assert (rules.idle, rules.idle_requests, found.bounds) == (True, True, ())
