import posixpath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy.commands import path_problem
from gateway.policy.commands.jail import covers, pattern_problem
from tests.policy.constraints.vocabulary import path_patterns


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/sim/**", "/sim"),
        ("/sim/**", "/sim/"),
        ("/sim/**", "//sim/./a//b"),
        ("/sim/**", "/sim/.hidden"),
        ("/sim/**", "/sim/a..b"),
        ("/sim/*.log", "/sim/a.log"),
        ("/sim/?", "/sim/a"),
        ("/sim/a+b(c)", "/sim/a+b(c)"),
        ("/sim/", "/sim"),
        ("/a/**/b", "/a/b"),
        ("/a/**/b", "/a/x/y/b"),
        ("/a**z", "/a/x/z"),
        ("/**", "/"),
        ("/**", "/etc/x"),
        ("**", "a/b"),
        ("./**", "."),
        ("./**", "./a"),
        (".", "."),
        ("src/**", "src"),
        ("**/*.py", "a/b.py"),
        ("/sim/**", "/sim/日本語.txt"),
    ],
)
def test_a_path_fits(pattern: str, path: str) -> None:
    assert path_problem(path, [pattern]) is None


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/sim/**", "/simulation"),
        ("/sim/**", "/sim.bak/a"),
        ("/sim/**", "sim/a"),
        ("/sim/**", "/SIM/a"),
        ("/sim/**", "/sim/../a"),
        ("/sim/**", "/sim/... /a"),
        ("/sim/**", "/sim/.. /a"),
        ("/sim/**", "/sim/~root"),
        ("/sim/**", "/sim/%2E/a"),
        ("/sim/**", "/sim/a\\b"),
        ("/sim/**", "/sim/\u212a"),
        ("/sim/**", "/sim/\ufb01"),
        ("/sim/**", "/sim/e\u0301"),
        ("/sim/**", "/sim/a\u2215b"),
        ("/sim/**", "/sim/a\u00a0b"),
        ("/sim/**", "/sim/a\0"),
        ("/sim/**", "/sim/$x"),
        ("/sim/**", ""),
        ("/sim/**", "@/sim/a"),
        ("/sim/**", "-/sim/a"),
        ("/sim/*.log", "/sim/a/b.log"),
        ("/sim/?", "/sim/ab"),
        ("**", "/etc"),
        ("./**", "/etc"),
        ("/**", "a"),
        ("/a.b", "/axb"),
    ],
)
def test_a_path_does_not_fit(pattern: str, path: str) -> None:
    assert path_problem(path, [pattern]) is not None


def test_without_patterns_no_path_fits() -> None:
    assert path_problem("/sim/a", []) == "a path is outside every allowed directory"


@given(st.text("/.simab~%2e", max_size=24))
def test_what_fits_stays_inside_after_normalisation(path: str) -> None:
    if path_problem(path, ["/sim/**"]) is None:
        assert (posixpath.normpath(path).lstrip("/") + "/").startswith("sim/")


@given(st.text(max_size=80), st.lists(st.text(max_size=20), max_size=3))
def test_it_never_raises(path: str, patterns: list[str]) -> None:
    patterns = [pattern for pattern in patterns if pattern.isprintable()]
    assert isinstance(path_problem(path, patterns), str | None)
    if path:
        assert isinstance(pattern_problem(path, patterns), str | None)


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("/sim/**", "/sim/*", True),
        ("/sim/**", "/sim/*/a?[a-z0].log", True),
        ("/sim/*.log", "/sim/a*.log", True),
        ("/sim/?", "/sim/?", True),
        ("/sim/?", "/sim/[ab]", True),
        ("/sim/?", "/sim/*", False),
        ("/sim/????", "/sim/*", False),
        ("/sim/x*", "/sim/*", False),
        ("/sim/*", "/sim/**", False),
        ("/sim/**", "/sim/.*", False),
        ("/sim/**", "/sim/.?", False),
        ("/sim/**", "/sim/*/..", False),
        ("/sim/**", "/sim/[!a]", False),
        ("/sim/**", "/sim/a]", False),
        ("/sim/**", "/s*m/a", False),
        ("./**", "*.log", False),
        ("./**", "./*.log", True),
    ],
)
def test_a_shell_pattern_fits_where_all_it_may_stand_for_does(pattern: str, path: str, fits: bool) -> None:
    assert (pattern_problem(path, [pattern]) is None) is fits


@settings(max_examples=300, deadline=None)
@given(
    path_patterns, path_patterns, st.lists(st.sampled_from(["sim", "a", "ab", "b", ".x"]), max_size=4), st.booleans()
)
def test_what_a_covered_pattern_lets_through_the_wider_one_does(
    wide: str, narrow: str, segments: list[str], absolute: bool
) -> None:
    fitting = iter(segments)
    filled = "".join(next(fitting, "a") if c in "*?" else c for c in narrow)
    if covers(wide, narrow):
        for path in (
            filled,
            "/".join(segments) or ".",
            "/" * absolute + "/".join(segments),
            narrow.removesuffix("/**"),
        ):
            if path_problem(path, [narrow]) is None:
                assert path_problem(path, [wide]) is None, (wide, narrow, path)


@pytest.mark.parametrize(
    ("wide", "narrow", "wanted"),
    [
        ("/**", "/", True),
        ("**", "a/**/b", True),
        ("**", "/a", False),
        ("/a/**", "/a", True),
        ("/a/**", "/a/", True),
        ("/a/**", "/a/**", True),
        ("/a/**", "/a/*/b/**", True),
        ("/a/**", "/a/../b", True),  # lets nothing through
        ("/a/**", "/ab", False),
        ("/a/**", "/**", False),
        ("/a/**/", "/a/**", False),
        ("/a/*", "/a/b*", True),
        ("/a/*", "/a/**", False),
        ("/a/*", "/a", False),
        ("/a/b*", "/a/bc", True),
        ("/a/b*", "/a/b?", False),
        ("/*/**", "/a/**", True),
        ("./a/**", "a/b", True),
        ("a*/**", "a**/b", False),
    ],
)
def test_one_pattern_covers_another(wide: str, narrow: str, wanted: bool) -> None:
    assert covers(wide, narrow) is wanted
