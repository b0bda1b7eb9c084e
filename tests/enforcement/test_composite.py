"""Several strategies: all are tried, those that fail again."""

from gateway.enforcement.composite import Composite
from gateway.enforcement.strategy import EnforcementFailed


class Step:
    """Fails so many times."""

    def __init__(self, name: str, failures: int, error: type[Exception] | None = None) -> None:
        self.name, self.failures, self.error = name, failures, error

    async def act(self, log: list[str]) -> None:
        log.append(self.name)
        if self.failures:
            self.failures -= 1
            raise self.error("oh") if self.error else EnforcementFailed(self.name, f"not yet, {self.failures}")


async def run(*steps: Step) -> tuple[list[str], list[str], list[str]]:
    log: list[str] = []
    counted: list[str] = []
    composite = Composite(counted.append, pause=0.001)
    failures = await composite.each(steps, lambda step: step.act(log), lambda step: step.name)
    return log, counted, [str(failure) for failure in failures]


async def test_all_are_tried_in_order_and_only_what_failed_is_tried_again() -> None:
    log, counted, failures = await run(Step("a", 0), Step("b", 2), Step("c", 0))
    assert log == ["a", "b", "c", "b", "b"] and counted == ["b", "b"] and failures == []


async def test_what_fails_in_the_end_is_said_and_keeps_nobody_else() -> None:
    log, counted, failures = await run(Step("a", 9), Step("b", 1), Step("c", 9))
    assert log == ["a", "b", "c", "a", "b", "c", "a", "c"]
    assert failures == ["a: not yet, 6", "c: not yet, 6"] and len(counted) == 7


async def test_a_defect_of_one_keeps_nobody_else() -> None:
    log, counted, failures = await run(Step("a", 9, ZeroDivisionError), Step("b", 0))
    assert log == ["a", "b", "a", "a"] and counted == ["a"] * 3
    assert failures == ["a: failed in a way nobody foresaw; the log says how"]


async def test_without_strategies_nothing_is_done() -> None:
    assert await run() == ([], [], [])
