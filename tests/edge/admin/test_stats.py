"""`/stats`, over a real gateway and Redis."""

from tests.support.gateway import GatewayProcess


def test_totals_count_every_exchange(gateway: GatewayProcess) -> None:
    stats = gateway.admin("/stats").json()
    assert (stats["agents"], stats["executions"], stats["errors"]) == (5, 5, 0)
    assert stats["tokens"] == stats["input_tokens"] + stats["output_tokens"] > 0
    assert stats["runtime_seconds"] >= 0
