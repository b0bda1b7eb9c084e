"""Coverage of what counts: in tests and their fixtures; not in pytest, and not in what repeats a test by chance.

Python 3.11 traces every line of every module while it traces at all, which costs more than most tests do themselves.
Without `--cov` nothing of this happens.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def _tracing(tracer: Any) -> Iterator[None]:
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        yield
    finally:
        sys.settrace(before)


class Measuring:
    """Hooks of pytest that give coverage's tracer the tests and take it from all else."""

    def __init__(self) -> None:
        self._tracer: Any = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Iterator[Any]:
        self._tracer = sys.gettrace()
        with _tracing(None):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self) -> Iterator[Any]:
        with _tracing(self._tracer):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self) -> Iterator[Any]:
        with _tracing(self._tracer):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Iterator[Any]:
        """Examples made by chance must not decide whether a line counts, and thousands of like cases add none."""
        by_chance = getattr(pyfuncitem.obj, "is_hypothesis_test", False)
        left_out = by_chance or pyfuncitem.get_closest_marker("exhaustive")
        with _tracing(None if left_out else self._tracer):
            return (yield)
