"""Exchanges that are over, for tests of what is told about them."""

from typing import Any

from gateway.model.agent import Agent
from gateway.model.answer import Answer
from gateway.model.exchange import Exchange, Request
from gateway.model.route import Route
from gateway.model.vitals import Vitals

ROUTE = Route("chat_completions", "/chat/completions")


class _NoTask:
    def cancel(self) -> bool:
        return False

    def uncancel(self) -> int:
        return 0


def exchange(headers: dict[bytes, bytes] | None = None, route: Route = ROUTE, **values: Any) -> Exchange:
    """One that a provider has answered, from 10.0 to 13.0 s; `values` are set on it."""
    path = "/v1" + route.path
    found = Exchange("req_1", Request("POST", path, b"", [], headers or {}, "10.0.0.9"), route, _NoTask(), 10.0)
    given = {
        "agent": Agent("agt_1"),
        "answer": Answer(id="cmpl_1", model="gpt-4o-2024"),
        "provider": "default",
        "model": "gpt-4o",
        "status": 200,
        "first_byte_at": 11.5,
        "dispatched": True,
    }
    for name, value in (given | values).items():
        setattr(found, name, value)
    return found


def vitals(**values: Any) -> Vitals:
    given: dict[str, Any] = {
        "agent_id": "agt_1",
        "request_id": "req_1",
        "time": 1.8e9,
        "dialect": "chat_completions",
        "provider": "default",
        "model": "gpt-4o",
        "stream": False,
        "status": 200,
        "latency_ms": 3000.0,
        "input_tokens": 40,
        "output_tokens": 7,
    }
    return Vitals(**given | values)
