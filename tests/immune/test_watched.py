from gateway.immune.watched import DETECTORS, watch
from tests.immune.exchanges import exchange, watched


def test_an_agent_that_stays_as_it_is_raises_nothing() -> None:
    watched(1_000)


def test_findings_say_of_which_exchange_they_are() -> None:
    state = watched(100)
    one = exchange(100, cost_usd=9.0)
    [finding] = watch(state, one)
    assert (finding.agent_id, finding.request_id, finding.at) == (one.agent_id, one.request_id, one.time)
    assert (finding.model, finding.conversation, finding.hard) == (one.model, one.conversation, False)
    assert finding.deviation is not None and finding.deviation > 5.0
    assert finding.detail["ratio"] > 1_000


def test_what_is_sure_is_told_before_what_is_likely() -> None:
    assert [detector.__name__ for detector in DETECTORS] == ["rates", "changes", "scores"]
    state = watched(100)
    for place in range(100, 103):
        watch(state, exchange(place, retries=1))
    told = watch(state, exchange(103, retries=1, cost_usd=9.0))
    assert [one.type for one in told] == ["high_retry_rate", "cost_spike"]
