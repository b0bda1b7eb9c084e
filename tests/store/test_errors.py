import pickle

import pytest

from gateway.store.errors import AlreadyRunning, CommandRefused, StoreError, StoreUnavailable
from tests.support.circles import errors_in_circles


@pytest.mark.parametrize(
    "error",
    [
        StoreUnavailable("timeout"),
        StoreUnavailable("open", "later", sent=False),
        AlreadyRunning(12, "/data"),
        CommandRefused("WRONGTYPE"),
    ],
)
def test_an_error_crosses_processes_whole(error: StoreError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_an_unknown_outcome_is_the_default() -> None:
    assert StoreUnavailable("timeout").sent
    assert str(StoreUnavailable("open", "later")) == "Redis is unavailable (open): later"


@pytest.mark.parametrize("error", [StoreUnavailable("open", "later", sent=False), CommandRefused("WRONGTYPE")])
def test_an_error_that_came_as_a_reply_is_raised_without_holding_itself(error: StoreError) -> None:
    def fail(reply: StoreError) -> None:
        raise reply.again()

    with errors_in_circles() as held:
        with pytest.raises(type(error)) as told:
            fail(error)
        assert (str(told.value), vars(told.value)) == (str(error), vars(error))
        assert error.__traceback__ is None
        del told
    assert held == []
