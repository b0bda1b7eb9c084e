"""What holds for the history of a conversation in every dialect."""

from typing import Any

import pytest

from gateway.wire.history import Telling


class Counted(dict[str, Any]):
    """Arguments that count how often they are compared."""

    times = 0

    def __eq__(self, other: object) -> bool:
        Counted.times += 1
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("calls", [3, 60, 400])
def test_repeated_calls_are_found_and_many_are_not_compared_each_with_each(calls: int) -> None:
    telling = Telling()
    telling.user("hello")
    telling.model()
    for number in range(calls):
        telling.call("t", Counted(a=number, b=["\ud800", 10**30]))
    telling.result("ok")
    telling.model()
    Counted.times = 0
    for number in range(calls):
        telling.call("t", Counted(b=["\ud800", 10**30], a=number + calls // 2))
    history = telling.told()
    assert history.calls == 2 * calls and history.repeated_calls == calls - calls // 2
    assert Counted.times <= 2_000
