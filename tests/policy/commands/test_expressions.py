import pytest

from gateway.policy.commands import problem


@pytest.mark.parametrize(
    ("command", "allowed"),
    [
        ("find /sim -type f -o -name '*.c' -a -print", True),
        ("find -P /sim", True),
        ("find /sim /sim/b -empty", True),
        ("find /sim/*", True),
        ("find /sim -newer /sim/a", True),
        ("find /sim -newer /etc/a", False),
        ("find /sim -mtime x", False),
        ("find /sim -mtime", False),
        ("find /sim -x", False),
        ("find", False),
        ("find /sim ! -delete", False),
        ("find /sim -name *.c", False),
        ("find /sim -tru?", False),
        ("test -e /sim/a", True),
        ("test -e /etc", False),
        ("test -z ''", True),
        ("test a != b", True),
        ("test ! a = b", True),
        ("test -f /sim/*", False),
        ("test a", False),
        ("test", False),
        ("test 'a[$(id)]' -eq 1", False),
        ("test 1 -eq 'a[$(id)]'", False),
    ],
)
def test_only_known_expressions_are_allowed(command: str, allowed: bool) -> None:
    assert (problem(command, ["find", "test"], ["/sim/**"]) is None) is allowed
