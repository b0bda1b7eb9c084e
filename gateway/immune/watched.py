"""What an agent's next exchange says about it. Reads no clock, keeps no text."""

from collections.abc import Callable

from gateway.immune.changes import changes
from gateway.immune.detection import USUAL, Detection
from gateway.immune.finding import Finding
from gateway.immune.rates import rates
from gateway.immune.scores import scores
from gateway.immune.state import Watched
from gateway.model.vitals import Vitals

__all__ = ["DETECTORS", "Detection", "Watched", "watch"]

DETECTORS: tuple[Callable[[Watched, Vitals, Detection], list[Finding]], ...] = (rates, changes, scores)
"""In the order in which findings of one exchange are told: what is sure before what is likely."""


def watch(state: Watched, vitals: Vitals, detection: Detection = USUAL) -> tuple[Finding, ...]:
    """Judge one exchange by what is known of its agent, and only then learn from it. Changes `state` in place."""
    told: list[Finding] = []
    for detector in DETECTORS:
        told += detector(state, vitals, detection)
    if told and detection.silent:
        told = [finding for finding in told if finding.metric not in detection.silent]
    return tuple(told)
