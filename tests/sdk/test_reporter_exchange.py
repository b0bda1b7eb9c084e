"""An exchange that its agent measures itself."""

import asyncio
from typing import Any

import pytest

from gateway.sdk.reporter_exchange import Exchange


class Measured:
    """Takes what is reported, and moves the clock."""

    def __init__(self) -> None:
        self.reported: list[dict[str, Any]] = []
        self.now = 100.0

    def report(self, **vitals: Any) -> None:
        self.reported.append(vitals)

    def exchange(self, **vitals: Any) -> Exchange:
        return Exchange(self.report, lambda: self.now, vitals)


@pytest.fixture
def measured() -> Measured:
    return Measured()


def test_a_block_is_timed_and_reported_with_what_was_told(measured: Measured) -> None:
    with measured.exchange(model="gpt-4o", stream=True) as exchange:
        measured.now += 0.25
        exchange.first_token()
        measured.now += 1.0
        exchange.first_token()
        exchange.tokens(1200, 80, cached=1000, reasoning=20)
        exchange.tool("search")
        exchange.tool("fetch", error=True)
        exchange.tell(finish_reason="tool_calls", conversation="talk-7")
    (vitals,) = measured.reported
    assert vitals == {
        "model": "gpt-4o",
        "stream": True,
        "latency_ms": 1250.0,
        "ttft_ms": 250.0,
        "input_tokens": 1200,
        "output_tokens": 80,
        "cached_tokens": 1000,
        "reasoning_tokens": 20,
        "tool_names": ["search", "fetch"],
        "tool_calls": 2,
        "tool_errors": 1,
        "finish_reason": "tool_calls",
        "conversation": "talk-7",
    }


class StatusError(Exception):
    status_code = 429


class APIConnectionError(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (StatusError("a prompt"), 429, "StatusError"),
        (TimeoutError("a prompt"), 504, "TimeoutError"),
        (APIConnectionError("a prompt"), 502, "APIConnectionError"),
        (ValueError("a prompt"), 0, "ValueError"),
        (KeyboardInterrupt(), 0, "client_gone"),
        (asyncio.CancelledError(), 0, "client_gone"),
    ],
)
def test_an_error_is_reported_by_its_kind_and_goes_on(
    measured: Measured, error: BaseException, status: int, kind: str
) -> None:
    with pytest.raises(type(error)), measured.exchange(model="gpt-4o"):
        raise error
    (vitals,) = measured.reported
    assert (vitals["status"], vitals["error_type"]) == (status, kind)
    assert "a prompt" not in str(vitals)


async def test_coroutines_measure_in_the_same_way(measured: Measured) -> None:
    async with measured.exchange() as exchange:
        exchange.tokens(1, 2)
    assert measured.reported == [
        {"latency_ms": 0.0, "input_tokens": 1, "output_tokens": 2, "cached_tokens": None, "reasoning_tokens": None}
    ]


def test_what_is_told_by_hand_counts(measured: Measured) -> None:
    with measured.exchange() as exchange:
        exchange.tool("search", error=True)
        exchange.tell(latency_ms=7.0, tool_calls=5, tool_errors=0, status=204)
    assert measured.reported == [
        {"tool_names": ["search"], "tool_calls": 5, "tool_errors": 0, "latency_ms": 7.0, "status": 204}
    ]
