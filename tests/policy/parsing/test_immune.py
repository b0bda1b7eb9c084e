import re
from dataclasses import fields
from typing import Any

import pytest

from gateway.immune.changes import _SHOWN
from gateway.immune.constants import METRICS
from gateway.immune.rates import TYPES
from gateway.immune.settings import FleetSettings, Immune, MetricSettings, settings_of
from gateway.policy.errors import PolicyError
from gateway.policy.parsing.immune import COUNTED, SCORED, read_immune
from gateway.policy.parsing.place import Place

HERE = Place("ops.yaml").at("immune")

EVERYTHING = {
    "mode": "warn",
    "sigma_action": "approve",
    "approve_above": 6.5,
    "drain_seconds": 0,
    "confirm": 2,
    "confirm_of": 4,
    "second_metric_from": 100,
    "sigma_share": 0.2,
    "quiet_calls": 20,
    "quiet_seconds": "30m",
    "probation_calls": 5,
    "latency_quarantines": "on",
    "fleet_caps_cut": True,
    "metrics": {"latency": {"enabled": False, "z": 5, "cusum": 7.5}, "retries": {"enabled": False}},
    "fleet": {"window_seconds": 30, "alarm_rate": 0.02},
}


def test_whatever_operators_may_set_arrives() -> None:
    read = read_immune(HERE, EVERYTHING)
    assert read == EVERYTHING | {"quiet_seconds": 1800.0, "latency_quarantines": True}
    settings = settings_of([read])
    assert settings.metric("latency") == MetricSettings(False, 5, 7.5)
    assert settings.fleet == FleetSettings(30, 0.02) and settings.quiet_seconds == 1800.0
    told = {member.name for member in fields(Immune)} - {"loops", "second_alarms"}
    assert EVERYTHING.keys() == told and all(getattr(settings, name) != getattr(Immune(), name) for name in told)


def test_what_is_not_written_has_no_say() -> None:
    assert read_immune(HERE, None) == read_immune(HERE, {}) == {}


def test_the_two_counts_of_a_confirmation_stay_together() -> None:
    assert read_immune(HERE, {"confirm_of": 10}) == {"confirm": 3, "confirm_of": 10}
    assert read_immune(HERE, {"confirm": 1}) == {"confirm": 1, "confirm_of": 5}


def test_every_metric_that_is_judged_can_be_named() -> None:
    assert tuple(metric.name for metric in METRICS) == SCORED
    forms = {name for name, _, _ in _SHOWN}
    assert set(COUNTED) == set(TYPES) | forms | {"tokens"}


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ([], "immune: is []; allowed: a mapping"),
        ({"moed": "warn"}, "immune.moed: is not known; did you mean mode?"),
        ({"mode": "on"}, "immune.mode: is 'on'; allowed: shadow, warn, enforce"),
        ({"sigma_action": "block"}, "immune.sigma_action: is 'block'; allowed: throttle, approve, quarantine"),
        ({"drain_seconds": -1}, "immune.drain_seconds: is -1; allowed: a number from 0 to 3600"),
        ({"confirm": 0}, "immune.confirm: is 0; allowed: a whole number from 1 to 31"),
        ({"confirm": 6}, "immune: has confirm, confirm_of 6, 5; allowed: confirm at most confirm_of"),
        ({"confirm_of": 2}, "immune: has confirm, confirm_of 3, 2; allowed"),
        ({"sigma_share": 10}, "immune.sigma_share: is 10; allowed: a number from 0 to 1"),
        ({"quiet_calls": 33}, "immune.quiet_calls: is 33; allowed: a whole number from 1 to 32"),
        ({"quiet_seconds": "soon"}, "immune.quiet_seconds: is 'soon'; allowed: a span of time"),
        ({"latency_quarantines": 1}, "immune.latency_quarantines: is 1; allowed: true or false"),
        ({"metrics": {"latncy": {"z": 5}}}, "immune.metrics.latncy: is not known; did you mean latency?"),
        ({"metrics": {"colour": {}}}, "immune.metrics.colour: is not known; allowed: latency, ttft, output"),
        ({"metrics": {"latency": {"sigma": 4}}}, "immune.metrics.latency.sigma: is not known; allowed: enabled, z"),
        ({"metrics": {"latency": {"z": 0}}}, "immune.metrics.latency.z: is 0; allowed: a number from 0.1 to 100"),
        ({"metrics": {"cost": {"enabled": 3}}}, "immune.metrics.cost.enabled: is 3; allowed: true or false"),
        ({"metrics": {"retries": {"z": 5}}}, "immune.metrics.retries.z: is not known: retries is counted, not scored"),
        ({"fleet": {"window": 5}}, "immune.fleet.window: is not known; did you mean window_seconds?"),
        ({"fleet": {"alarm_rate": 0}}, "immune.fleet.alarm_rate: is 0; allowed: a number from 0.0001 to 0.5"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(written: Any, says: str) -> None:
    with pytest.raises(PolicyError, match=re.escape(says)):
        read_immune(HERE, written)
