from typing import Any

import pytest

from gateway.policy.constraints.commands import command, path_in
from gateway.policy.constraints.scope import Scope, Where
from gateway.policy.names import Names
from tests.support.policies import facts

WHERE = Where("ops", "run", "command", Names())
CHECK = command({"allow": ["cat", "ls"], "paths": ["/sim/**"]}, WHERE)
SHELL, PROGRAM = Scope(facts(), Names()), Scope(facts(), Names(), program=True)


@pytest.mark.parametrize(
    "value", ["cat /sim/log", ["cat", "/sim/log"], ["bash", "-lc", "cat /sim/log"], ["/bin/sh", "-c", "ls /sim"]]
)
def test_commands_that_are_allowed(value: Any) -> None:
    assert CHECK(value, SHELL) is None


@pytest.mark.parametrize(
    "value",
    [
        "cat /etc/shadow", "rm -rf /sim", ["cat", "/etc/shadow"], ["cat", "/sim/a; rm -rf /"], ["bash", "-c", "rm x"],
        ["bash", "-x", "cat /sim/log"], ["bash", "-c", "cat /sim/log", "x"], ["cat", 5], [], "", None, 5, {"cmd": "ls"},
    ],
)  # fmt: skip
def test_commands_that_are_not(value: Any) -> None:
    assert CHECK(value, SHELL) is not None


def test_a_list_holds_also_where_a_shell_gets_its_words() -> None:
    assert CHECK(["cat", "/sim/a", "/sim/b"], SHELL) is None
    assert CHECK("cat '/sim/a b'", SHELL) is None and CHECK(["cat", "/sim/a b"], SHELL) is not None


def test_a_program_is_no_command() -> None:
    assert CHECK("cat /sim/log", PROGRAM) is not None


def test_without_paths_a_rule_says_which_programs_alone() -> None:
    assert command({"allow": ["date"]}, WHERE)("date", SHELL) is None


def test_paths() -> None:
    check = path_in(["/sim/**"], WHERE)
    for good in ("/sim/a", ["/sim/a", "/sim/b/c"], []):
        assert check(good, SHELL) is None
    for bad in ("/simulation/a", "/sim/../etc", "~", ["/sim/a", "/etc"], 5, None, [5]):
        assert check(bad, SHELL) is not None
