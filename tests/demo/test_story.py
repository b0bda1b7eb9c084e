"""What the walkthroughs promise of themselves: ten scenarios, six prompts, and each refusal by a rule that is there.

The stories themselves are told in tests/commands/test_demo_walkthroughs.py, through a real gateway.
"""

import pytest
import yaml

from gateway.demo import story_guard, story_modes, story_ops, story_sysadmin
from gateway.demo.cloud_tools import TOOLS
from gateway.policy.cases import check_cases
from gateway.policy.document import parse


@pytest.mark.parametrize("story", [story_modes, story_ops, story_sysadmin], ids=lambda story: story.__name__)
def test_each_policy_is_one(story: object) -> None:
    text = story._POLICY  # type: ignore[attr-defined]
    assert text.startswith("\nname: ")
    check_cases(parse(yaml.safe_load(text), "story"))


def test_there_are_ten_scenarios_in_two_modes() -> None:
    assert len(story_modes.SCENARIOS) == 10
    assert [scenario.mode for scenario in story_modes.SCENARIOS] == ["NORMAL"] * 3 + ["EMERGENCY"] * 7
    assert {scenario.tool for scenario in story_modes.SCENARIOS} - TOOLS.keys() == {"reboot_everything"}


def test_there_are_six_prompts_half_of_them_refused() -> None:
    assert sorted(bool(prompt.rule) for prompt in story_ops.PROMPTS) == [False] * 3 + [True] * 3


def test_questions_are_answered_either_way() -> None:
    assert {allowed for _, _, allowed in story_guard.QUESTIONS} == {True, False}
