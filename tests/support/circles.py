"""Errors that hold themselves: only the collector, which looks seldom, frees them and all that their frames know."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def errors_in_circles() -> Iterator[list[BaseException]]:
    """After the block, the errors that it left behind so."""
    found: list[BaseException] = []
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found += [one for one in gc.garbage if isinstance(one, BaseException)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
