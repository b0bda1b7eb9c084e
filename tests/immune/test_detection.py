from gateway.immune.constants import METRICS
from gateway.immune.detection import USUAL, detection
from gateway.immune.settings import DEFAULT, Immune, MetricSettings
from gateway.immune.watched import watch
from tests.immune.exchanges import exchange, watched


def test_without_settings_the_table_holds() -> None:
    assert detection(DEFAULT) == USUAL
    assert tuple(USUAL.metrics.values()) == METRICS


def test_operators_set_limits_and_switch_metrics_off() -> None:
    own = Immune(
        metrics={
            "latency": MetricSettings(z=6.0),
            "output": MetricSettings(cusum=9.0),
            "cost": MetricSettings(enabled=False),
            "denials": MetricSettings(enabled=False),
        }
    )
    made = detection(own)
    assert made.metrics["latency"].z == 6.0 and made.metrics["latency"].cusum == USUAL.metrics["latency"].cusum
    assert made.metrics["output"].cusum == 9.0
    assert made.silent == {"cost", "denials"}


def test_a_metric_switched_off_is_learned_and_raises_nothing() -> None:
    made = detection(Immune(metrics={name: MetricSettings(enabled=False) for name in ("cost", "denials")}))
    state = watched(100)
    for place in range(100, 110):
        assert not watch(state, exchange(place, cost_usd=9.0, denied_calls=1), made)
    assert state.models["m-1"].baselines["cost"].count == 110
