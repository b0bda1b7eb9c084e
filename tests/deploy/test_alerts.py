"""Every alert fires when it should, and not before, as Prometheus' own tool evaluates it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.files import RULES, alerts, promtool

SERVER = "http_server_request_duration_seconds_count"
ASKED = "gen_ai_client_operation_duration_seconds_count"
REFUSED = 'leuko_decisions_total{{decision="deny",reason="{}"}}'
LIMIT = 'leuko_limit_rejections_total{{limit="{}"}}'

# What makes each fire: series with a value a minute, and when they are looked at.
BAD: dict[str, tuple[dict[str, str], str]] = {
    "LeukoDown": ({'up{job="leuko",instance="a"}': "0x10"}, "5m"),
    "LeukoServerErrors": (
        {
            SERVER + '{http_response_status_code="200"}': "0+90x30",
            SERVER + '{http_response_status_code="502"}': "0+10x30",
        },
        "20m",
    ),
    "LeukoProviderFailing": (
        {
            ASKED + '{gen_ai_provider_name="openai"}': "0+70x30",
            ASKED + '{gen_ai_provider_name="openai",error_type="upstream_timeout"}': "0+30x30",
        },
        "20m",
    ),
    "LeukoSlow": (
        {
            'leuko_overhead_duration_seconds_bucket{le="0.25"}': "0+10x40",
            'leuko_overhead_duration_seconds_bucket{le="1"}': "0+99x40",
            'leuko_overhead_duration_seconds_bucket{le="+Inf"}': "0+100x40",
        },
        "30m",
    ),
    "LeukoEventLoopBlocked": (
        {
            'leuko_event_loop_lag_seconds_bucket{le="0.25",worker="0",instance="a"}': "0+10x40",
            'leuko_event_loop_lag_seconds_bucket{le="0.5",worker="0",instance="a"}': "0+100x40",
            'leuko_event_loop_lag_seconds_bucket{le="+Inf",worker="0",instance="a"}': "0+100x40",
        },
        "30m",
    ),
    "LeukoMemoryHigh": ({'process_memory_usage_bytes{instance="a",worker="0"}': "1e9x2 2e9x20"}, "15m"),
    "LeukoCertificateEnds": ({'leuko_tls_not_after_seconds{instance="a"}': "200000x20"}, "15m"),
    "LeukoRedisLost": ({'leuko_redis_up{instance="a"}': "1x2 0x10"}, "10m"),
    "LeukoAuditLost": ({'leuko_audit_up{instance="a"}': "1x2 0x10"}, "10m"),
    "LeukoAuditRefusals": ({REFUSED.format("audit_unavailable"): "0+1x10"}, "6m"),
    "LeukoAuditBehind": ({'leuko_audit_unshipped{instance="a"}': "0x2 20000x20"}, "20m"),
    "LeukoStateRefusals": ({REFUSED.format("state_unavailable"): "0+1x10"}, "8m"),
    "LeukoInternalErrors": ({REFUSED.format("internal_error"): "0x3 1x10"}, "5m"),
    "LeukoOverloaded": ({REFUSED.format("overloaded"): "0+1x20"}, "10m"),
    "LeukoAgentBlocked": ({'leuko_agents_blocked{state="QUARANTINED",instance="a"}': "0x2 1x10"}, "5m"),
    "LeukoAgentExhausted": ({'leuko_agents_blocked{state="EXHAUSTED",instance="a"}': "0x2 1x10"}, "5m"),
    "LeukoApprovalsWait": ({'leuko_answers_held{instance="a"}': "0x2 1x10"}, "6m"),
    "LeukoBudgetExhausted": ({LIMIT.format("budget_exceeded"): "0x3 1x10"}, "5m"),
    "LeukoRateLimited": ({LIMIT.format("rate_limit_exceeded"): "0+120x30"}, "20m"),
    "LeukoCostHigh": ({'leuko_cost_usd_total{model="gpt-4o",provider="default"}': "0+1x90"}, "70m"),
    "LeukoKeyGuessing": ({REFUSED.format("invalid_api_key"): "0+120x30"}, "20m"),
    "LeukoVitalsDropped": ({"leuko_vitals_dropped_total": "0+5x30"}, "20m"),
    "LeukoUsesDropped": ({"leuko_limits_dropped_total": "0+5x30"}, "20m"),
    "LeukoLabelsFolded": ({"leuko_metrics_folded_total": "0x3 9x20"}, "10m"),
    "LeukoPoliciesRefused": ({"leuko_policies_refused_total": "0x3 1x20"}, "10m"),
    "LeukoPoliciesUnreadable": ({"leuko_policies_unreadable": "0x3 1x20"}, "20m"),
    "LeukoWebhooksDropped": ({"leuko_webhooks_dropped_total": "0x3 1x20"}, "10m"),
    "LeukoAgentsUnwatched": (
        {f'leuko_watch_partitions{{instance="{replica}"}}': "0x20" for replica in range(8)},
        "10m",
    ),
    "LeukoWatchBehind": (
        {
            'leuko_watch_lag_seconds_bucket{le="5"}': "0+10x40",
            'leuko_watch_lag_seconds_bucket{le="10"}': "0+99x40",
            'leuko_watch_lag_seconds_bucket{le="+Inf"}': "0+100x40",
        },
        "30m",
    ),
    "LeukoEnforcementFailed": ({'leuko_enforcement_failures_total{strategy="container"}': "0x3 1x10"}, "6m"),
}


BEST = {"LeukoCertificateEnds": "0x99"}
"""What is best where that is not 0 for what should be little, and 1 for what should be much."""


def test_every_alert_has_a_case() -> None:
    assert [rule["alert"] for rule in alerts()] == list(BAD)


def test_the_rules_are_well_formed() -> None:
    assert "SUCCESS" in promtool("check", "rules", str(RULES))


@pytest.mark.parametrize("healthy", [False, True], ids=["fires", "is quiet"])
def test_each_alert_fires_when_it_should(healthy: bool, tmp_path: Path) -> None:
    cases = [_case(rule, *BAD[rule["alert"]], healthy=healthy) for rule in alerts()]
    path = tmp_path / "alerts_test.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": cases}))
    promtool("test", "rules", str(path))


def _case(rule: dict[str, Any], series: dict[str, str], at: str, *, healthy: bool) -> dict[str, Any]:
    """The alert is looked for by name and severity; with `healthy`, the same series stand still at their best value."""
    best = BEST.get(rule["alert"], "1x99" if rule["expr"].split(" ")[-2] == "<" else "0x99")
    labels = f'alertname="{rule["alert"]}",severity="{rule["labels"]["severity"]}"'
    samples = {
        "expr": f'count(ALERTS{{alertstate="firing",{labels}}})',
        "eval_time": at,
        "exp_samples": [] if healthy else [{"labels": "{}", "value": 1}],
    }
    return {
        "name": rule["alert"],
        "interval": "1m",
        "input_series": [{"series": name, "values": best if healthy else values} for name, values in series.items()],
        "promql_expr_test": [samples],
    }
