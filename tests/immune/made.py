"""Findings for tests."""

from typing import Any

from gateway.immune.finding import Finding, FindingType


def finding(
    type_: FindingType, metric: str = "", deviation: float | None = None, at: float = 0.0, **more: Any
) -> Finding:
    return Finding(type_, metric or type_, deviation, at, "agt_1", "req_1", **more)
