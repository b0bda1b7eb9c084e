import pytest

from gateway.policy.commands import problem
from gateway.policy.commands.judge import TABLES
from tests.policy.commands.attacks import ATTACKS
from tests.policy.commands.honest import HONEST, WORKING_DIRECTORY

JAIL = ("/sim/**",)
# What a rule that also lets the working directory through means to allow.
_LOCAL = {"relative path", "working directory", "file URL"}


def _binary(command: str) -> str:
    return command.split()[0].rsplit("/", 1)[-1]


def test_the_tables_of_examples_are_as_large_as_they_claim() -> None:
    assert len({(binary, technique) for binary, technique, _ in ATTACKS}) == len(ATTACKS) >= 400
    assert len(set(HONEST)) == len(HONEST) >= 200


@pytest.mark.parametrize(("binary", "technique", "command"), ATTACKS, ids=[f"{b}: {t}" for b, t, _ in ATTACKS])
def test_an_attack_is_denied(binary: str, technique: str, command: str) -> None:
    assert problem(command, [binary], JAIL) is not None
    if technique not in _LOCAL:
        assert problem(command, [binary], (*JAIL, "./**")) is not None


@pytest.mark.parametrize("command", HONEST)
def test_an_honest_command_is_allowed(command: str) -> None:
    assert problem(command, [_binary(command)], JAIL) is None


@pytest.mark.parametrize("command", WORKING_DIRECTORY)
def test_the_working_directory_is_used_only_where_relative_paths_are_allowed(command: str) -> None:
    assert problem(command, [_binary(command)], ("./**",)) is None
    assert problem(command, [_binary(command)], JAIL) is not None or command == "git --version"


def test_a_binary_that_is_not_listed_is_denied() -> None:
    assert {problem(command, ["other"], JAIL) for command in HONEST} == {"the binary is not one of other"}


def test_without_patterns_every_path_is_let_through_but_options_stay_closed() -> None:
    assert problem("cat ../x /etc/hosts", ["cat"]) is None
    assert problem("ls /etc/*.d", ["ls"]) is None
    assert problem("find -name x", ["find"]) is None
    assert problem("cat /etc/.*", ["cat"]) is not None
    assert problem("cat -- -x", ["cat"]) is not None
    assert problem("grep -f x y", ["grep"]) is not None


@pytest.mark.parametrize(
    ("command", "allow", "allowed"),
    [
        ("/usr/bin/cat /sim/a", ["/usr/bin/cat"], True),
        ("cat /sim/a", ["/usr/bin/cat"], False),
        ("/usr/bin/find /sim -delete", ["/usr/bin/find"], False),
        ("/opt/bin/cat /sim/a", ["cat"], False),
        ("/opt/check", ["/opt/check"], True),
        ("/opt/check x", ["/opt/check"], False),
        ("own-tool", ["own-tool"], True),
        ("/bin//bin/cat /sim/a", ["cat"], False),
        ("sudo", ["sudo"], False),
        ("c?t /sim/a", ["cat"], False),
        ("date", [], False),
    ],
)
def test_a_binary_is_named_bare_or_by_its_place(command: str, allow: list[str], allowed: bool) -> None:
    assert (problem(command, allow, JAIL) is None) is allowed


def test_what_is_said_of_a_denial_never_repeats_the_command() -> None:
    known = {word for name in (*TABLES, "never arguments options pattern operands secrets") for word in name.split()}
    for binary, _, command in ATTACKS:
        said = (problem(command, [binary], JAIL) or "").replace("/sim/**", "").replace("/sim/?*/**", "")
        for word in {*command.replace("=", " ").split()} - known - {binary}:
            assert len(word) < 5 or word not in said


def test_denials_say_what_would_help() -> None:
    assert problem("ls", ["ls"], JAIL) == "ls would work on its working directory, which is not under /sim/**"
    assert problem("cat /etc/shadow", ["cat"], JAIL) == "cat: a path is outside /sim/**"
    assert problem("env id", ["env"], JAIL) == "env is never allowed: it runs other programs"
