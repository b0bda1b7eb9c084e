import pytest

from gateway.policy.commands.kinds import argument_problem
from gateway.policy.commands.shell import Word


@pytest.mark.parametrize(
    ("kind", "text", "fits"),
    [
        ("COUNT", "+10M", True),
        ("COUNT", "1;id", False),
        ("WORD", "a,b=%c", True),
        ("WORD", "-a", False),
        ("WORD", "..", False),
        ("PLAIN", "a[$(id)]", False),
        ("MODE", "0755", True),
        ("MODE", "u=rwX,g-w", True),
        ("MODE", "4755", False),
        ("MODE", "+s", False),
        ("SORT", "-%cpu,pid", True),
        ("SORT", "pid,ENVIRON", False),
        ("URL", "HTTPS://example.com", False),
        ("HEADER", "Accept: */*", True),
        ("HEADER", "@/etc/shadow", False),
        ("DATA", "", True),
        ("DATA", "@x", False),
        ("REVISION", "main..dev", True),
        ("REVISION", "HEAD:../x", False),
        ("REVISION", "../x", False),
        ("REVISION", "/etc", False),
        ("RESOURCE", "deploy/web", True),
        ("RESOURCE", "externalsecrets", False),
        ("ARCHIVE", "/sim/a.tar", True),
        ("ARCHIVE", "host:/sim/a.tar", False),
        ("ZIP", "/sim/a.zip", True),
        ("ZIP", "/sim", False),
        ("INSIDE", "/sim/a", True),
        ("INSIDE", "/sim/", False),
        ("INPUT", "-", True),
        ("PATH", "-", False),
        ("PATH", "/etc", False),
        ("SED", "p", True),
        ("AWK", "{print}", True),
        ("JQ", ".", True),
    ],
)
def test_a_kind_takes_what_it_says(kind: str, text: str, fits: bool) -> None:
    assert (argument_problem(kind, Word(text), ["/sim/**"]) is None) is fits


def test_without_a_jail_a_path_may_be_any_that_is_no_option() -> None:
    assert argument_problem("PATH", Word("../x"), None) is None
    assert argument_problem("INSIDE", Word("/sim"), None) is None
    for text in ("", "-x", "@x"):
        assert argument_problem("PATH", Word(text), None) is not None


def test_only_paths_may_be_patterns_of_files() -> None:
    assert argument_problem("PATH", Word("/sim/*", glob=True), ["/sim/**"]) is None
    assert argument_problem("TEXT", Word("/sim/*", glob=True), ["/sim/**"]) is not None
