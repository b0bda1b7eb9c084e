import pytest

from gateway.policy.commands.judge import TABLES
from gateway.policy.commands.kinds import argument_problem
from gateway.policy.commands.shell import Refused, Word, read
from gateway.policy.commands.usage import Usage, hold, usage

JAIL = ("/sim/**",)


def _held(line: str, arguments: str) -> str | None:
    try:
        hold("x", {"x": line, "x sub": "-q PATH"}, read(f"x {arguments}")[1:], JAIL)
    except Refused as refused:
        return str(refused)
    return None


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("-ab", "-ab -b"),
        ("-n=COUNT", "-n 5 -n5"),
        ("-a -n=COUNT TEXT", "-an 5 x"),
        ("--lines=COUNT", "--lines 5 --lines=5"),
        ("--color[=WORD]", "--color --color=never"),
        ("-NUM PATH*", "-5 /sim/a"),
        ("--include=TEXT", "--include=*.py"),
        ("-e=TEXT TEXT/-e PATH*", "-e a /sim/x"),
        ("-e=TEXT TEXT/-e PATH*", "a /sim/x"),
        ("-a PATH*", "-- /sim/a"),
        ("-n=COUNT PATH+", "/sim/a -n 5"),
        ("-r=PATH PATH+", "/sim/a -r /sim/b"),
        ("!-c !--create -c --create", "--create"),
        ("PATH* .", "/sim/a"),
        ("-r PATH* .-r", ""),
        ("PATH PATH+", "/sim/*.a /sim/b"),
        ("RAW TEXT*", "-x --y --"),
        ("FIRST -a TEXT INPUT*", "-a x -"),
        ("SUBCOMMAND -v", ""),
        ("SUBCOMMAND -v", "-v sub -q /sim/a"),
    ],
)
def test_what_a_line_names_is_let_through(line: str, arguments: str) -> None:
    assert _held(line, arguments) is None


@pytest.mark.parametrize(
    ("line", "arguments", "why"),
    [
        ("-ab", "-abc", "has an option"),
        ("-ab", "--all", "has an option"),
        ("--all", "--al", "has an option"),
        ("--all", "--all=x", "has an option"),
        ("--lines=COUNT", "--line=5", "has an option"),
        ("--lines=COUNT", "--lines", "misses the value"),
        ("-n=COUNT", "-n", "misses the value"),
        ("-n=COUNT", "-n /etc", "not what is allowed"),
        ("-r=PATH", "-r /etc", "outside"),
        ("-r=PATH", "-r/etc", "outside"),
        ("-r=PATH", "-r *", "pattern of files"),
        ("--ref=PATH", "--ref=/etc", "outside"),
        ("--ref=PATH", "--ref=/sim/*", "pattern of files"),
        ("--include=TEXT", "--include=/etc/*", "pattern of files"),
        ("--include=TEXT", "--inc*", "pattern of files"),
        ("-ab", "-a*", "pattern of files"),
        ("-e=TEXT PATH*", "/sim/a -e x", "have to stand before"),
        ("-e=TEXT TEXT/-e", "-e a b", "more operands"),
        ("-NUM", "-5a", "has an option"),
        ("TEXT", "", "misses an operand"),
        ("PATH+", "", "misses an operand"),
        ("TEXT?", "a b", "more operands"),
        ("TEXT", "a*", "one operand"),
        ("TEXT*", "a*", "quote it"),
        ("PATH?", "/sim/*", "one operand"),
        ("TEXT PATH*", "/sim/* /sim/a", "one operand"),
        ("!-c -ac", "-a", "needs one of -c"),
        ("PATH* .", "", "working directory"),
        ("-r PATH* .-r", "-r", "working directory"),
        ("HERE PATH*", "/sim/a", "working directory"),
        ("FIRST -a TEXT PATH*", "x -a", "starts like an option"),
        ("SUBCOMMAND -v", "other", "subcommand"),
        ("SUBCOMMAND -v", "-q sub", "has an option"),
        ("SUBCOMMAND -v", "sub -v /sim/a", "has an option"),
    ],
)
def test_what_a_line_does_not_name_is_refused(line: str, arguments: str, why: str) -> None:
    assert why in (_held(line, arguments) or "")


def test_every_line_is_well_formed() -> None:
    for text in TABLES.values():
        _well_formed(usage(text))


def _well_formed(line: Usage) -> None:
    for kind in {*line.values.values(), *line.attached.values(), *(operand.kind for operand in line.operands)}:
        assert isinstance(argument_problem(kind, Word("x"), None), str | None)
    for option in {*line.flags, *line.values, *line.attached, *(line.needs), *(line.here - {""})}:
        assert option.startswith("--") or (len(option) == 2 and option[1].isalnum())
    assert line.needs | (line.here - {""}) <= {*line.flags, *line.values}
    assert not line.flags & {*line.values}
