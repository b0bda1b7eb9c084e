import pickle

import pytest

from gateway.store.errors import AlreadyRunning, CommandRefused, StoreError, StoreUnavailable


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
