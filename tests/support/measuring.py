"""Coverage of what counts: in tests and their fixtures; not in pytest, and not in tests marked `exhaustive`.

Python 3.11 traces every line of every module while it traces at all, which costs more than most tests do themselves.
Without `--cov` nothing of this happens.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

UNMEASURED = "TESTS_UNMEASURED"
"""Set while a test runs whose gateways are not to be measured."""
_MEASURES = ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")


def measures_itself(environment: Mapping[str, str]) -> bool:
    """Whether a Python that starts in this environment measures its coverage."""
    return any(name in environment for name in _MEASURES)


def as_measured(environment: Mapping[str, str]) -> dict[str, str]:
    """What a gateway of the present test gets of an environment."""
    left_out = (UNMEASURED, *_MEASURES) if UNMEASURED in environment else ()
    return {name: value for name, value in environment.items() if name not in left_out}


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
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[Any]:
        """Gateways that an exhaustive test starts are not measured either."""
        exhaustive = item.get_closest_marker("exhaustive") is not None
        self._tracer = None if exhaustive else sys.gettrace()
        if exhaustive:
            os.environ[UNMEASURED] = "1"
        with _tracing(None):
            try:
                return (yield)
            finally:
                os.environ.pop(UNMEASURED, None)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self) -> Iterator[Any]:
        with _tracing(self._tracer):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self) -> Iterator[Any]:
        with _tracing(self._tracer):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self) -> Iterator[Any]:
        with _tracing(self._tracer):
            return (yield)
