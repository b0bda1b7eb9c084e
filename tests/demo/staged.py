"""A stage whose gateway answers what a test says."""

from typing import Any

import httpx

from gateway.demo.cloud_state import Cloud
from gateway.demo.walkthrough import Stage


class Gateway:
    """Answers what a test says, the last again and again."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        status, document = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return httpx.Response(status, json=document)


class Told:
    """A stage, and what was said on it."""

    def __init__(self, gateway: Gateway) -> None:
        self.lines: list[str] = []
        self.operator: list[tuple[str, str, Any]] = []
        http = httpx.Client(base_url="http://gateway.test", transport=httpx.MockTransport(gateway))
        self.stage = Stage(http, self.ask, Cloud(), "http://cloud.test/mcp", self.lines.append)

    def ask(self, method: str, path: str, **more: Any) -> Any:
        self.operator.append((method, path, more))
        return {"agent_id": "agt_1", "api_key": "agk_1"}
