import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.commands.programs import awk_problem, jq_problem, sed_problem


@pytest.mark.parametrize(
    "script",
    [
        "p",
        "$!d",
        "1,5p",
        "/a/,/b/p",
        "/a\\/b/d",
        "s/a/b/",
        "s|a|b|gI",
        "s/a\\/b/c\\/d/2p",
        "y/abc/xyz/",
        "1!G;h;$!d",
        "5q3",
    ],
)
def test_sed_may_edit_what_it_prints(script: str) -> None:
    assert sed_problem(script) is None


@pytest.mark.parametrize(
    "script",
    [
        "",
        "e",
        "1e id",
        "w x",
        "r x",
        "s/a/b/e",
        "s/a/b/w x",
        "s/a/b/;e",
        "p;w x",
        "a text",
        "b",
        "{p}",
        "s/a/b",
        "s.a.b.e",
        "s/a/b/\nw x",
        "s/[/]/p;s/a/w f/",
        "s/\\[/]/w f/",
        "/a/w f",
        "s/a/b/pw f",
        "F",
        "Q;e",
        "s\\a\\b\\e",
    ],
)
def test_sed_may_do_nothing_else(script: str) -> None:
    assert sed_problem(script) is not None


@pytest.mark.parametrize(
    "program",
    ["{print $1}", "NR > 3", "$3>=2 && $1!=4 || /x/", '{printf "%s\\n", $1}', 'BEGIN{FS=","}{s+=$2}END{print s/NR}'],
)
def test_awk_may_compute_and_print(program: str) -> None:
    assert awk_problem(program) is None


@pytest.mark.parametrize(
    "program",
    [
        '{print > "x"}',
        '{print>>"x"}',
        '{print|"sh"}',
        '"id"|getline',
        "{system($0)}",
        '/a/>"x"',
        '$1>"x"{print}',
        "@load",
        "{ARGV[1]=1}",
        "{print ENVIRON[1]}",
        "BEGIN{while(1)a}",
        '{print |& "sh"}',
        '{print |||"sh"}',
        "do{}",
        "{if($1>2)print}",
    ],
)
def test_awk_may_not_run_read_or_write(program: str) -> None:
    assert awk_problem(program) is not None


def test_jq_may_not_read_modules_or_the_environment() -> None:
    assert jq_problem(".a | map(.envelope)") is None
    for program in ("env", "$ENV.KEY", 'import "a" as a; .', 'include "a"; .', '"\\(env)"'):
        assert jq_problem(program) is not None


@given(st.text(max_size=200))
def test_no_program_raises(program: str) -> None:
    text = program.encode("utf-8", "replace").decode()
    for problem in (sed_problem, awk_problem, jq_problem):
        assert isinstance(problem(text), str | None)
