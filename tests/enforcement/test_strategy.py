"""How a strategy says what it could not do."""

import pickle

from gateway.enforcement.strategy import EnforcementFailed


def test_a_failure_names_the_strategy_and_the_reason() -> None:
    failure = EnforcementFailed("container", "it does not run")
    again = pickle.loads(pickle.dumps(failure))
    assert str(failure) == str(again) == "container: it does not run"
    assert (again.strategy, again.reason) == ("container", "it does not run")
