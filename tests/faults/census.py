"""What a process holds, counted container by container: whatever grows with its callers shows."""

import gc
import itertools
import sys
import weakref
from collections import Counter, deque
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def frozen() -> Iterator[None]:
    """What other tests and their libraries have left is no part of a census, and costs it no time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def containers() -> Iterator[Any]:
    """Everything in this process that may grow, each once: the gateway's modules' own, and what is not frozen.

    The collector does not track a dict of strings and numbers alone, but the object that holds it.
    """
    seen = set[int]()
    tracked = gc.get_objects()
    names = [vars(module) for name, module in sys.modules.copy().items() if name.startswith("gateway.")]
    for thing in itertools.chain(tracked, gc.get_referents(*tracked), *(own.values() for own in names)):
        if isinstance(thing, dict | set | list | deque) and not isinstance(thing, Counter) and id(thing) not in seen:
            seen.add(id(thing))
            yield thing


def census() -> tuple[dict[int, int], Counter[str]]:
    """The sizes of all containers by their identity, and how many objects of each type there are."""
    gc.collect()
    types = Counter(type(thing).__qualname__ for thing in gc.get_objects())
    return {id(thing): len(thing) for thing in containers()}, types


def culprits(before: dict[int, int], after: dict[int, int], bound: int) -> list[tuple[str, int, str]]:
    """Containers that hold many more than twice `bound` things, and many more than before: type, size, contents."""
    grown = {one for one, size in after.items() if size > max(2 * bound, before.get(one, 0) + bound)} - {id(before)}
    found = [thing for thing in containers() if id(thing) in grown and not grows_with_imports(thing)]
    return [(type(thing).__name__, len(thing), repr(thing)[:200]) for thing in found]


def grows_with_imports(container: Any) -> bool:
    """Whether it is the interpreter's: modules, a module's names, classes kept weakly.

    Other tests' libraries import more of themselves when they are looked at.
    """
    if not isinstance(container, dict):
        return False
    some = next(iter(container.values()), None)
    weak = isinstance(some, weakref.ref) and isinstance(some(), type)
    return weak or container is sys.modules or "__spec__" in container
