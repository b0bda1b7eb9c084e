"""Which intent MCP calls are made under; the loop itself is in `tests/phases/test_releasing.py`."""

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.intents.claims import TokenProblem
from gateway.phases.mcp.presenting import PresentingCalls
from gateway.phases.presenting import IntentRefused
from gateway.wire.mcp import MCPRefusal, error_of


class OnlyGood:
    """Takes one token."""

    def read(self, token: bytes, agent: Any) -> str:
        if token != b"good":
            raise IntentRefused(TokenProblem("expired", "it has expired"))
        return "the claims"


def exchange(token: str | None) -> Any:
    return SimpleNamespace(mcp=SimpleNamespace(intent=token), agent=None, intent=None)


def test_the_token_of_head_or_body_is_read() -> None:
    gate = PresentingCalls(OnlyGood()).gate  # type: ignore[arg-type]
    without, with_one = exchange(None), exchange("good")
    gate(without)
    gate(with_one)
    assert (without.intent, with_one.intent) == (None, "the claims")


def test_a_bad_one_is_refused_before_dispatch_with_the_reason() -> None:
    with pytest.raises(MCPRefusal) as refused:
        PresentingCalls(OnlyGood()).gate(exchange("bad"))  # type: ignore[arg-type]
    assert refused.value.status == 403
    assert error_of(refused.value, 7)["error"]["data"]["reason"] == "expired"
