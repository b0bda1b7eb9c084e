"""What is kept of requests."""

from types import SimpleNamespace

from gateway.model.agent import Agent
from gateway.model.ask import Ask, OfferedTool
from gateway.phases.note_requests import NoteRequests
from gateway.policy.recorded import RecordedRequest

AGENT, TOOL = Agent("agt_1"), OfferedTool("send", "function", {})


def test_a_request_is_kept_by_names_and_numbers() -> None:
    kept: list[RecordedRequest] = []
    gate = NoteRequests(kept.append, lambda agent: {"ops": "NORMAL"}, lambda: 5.0)
    ask = Ask({"messages": ["hello"]}, "gpt-4o", True, (TOOL,))
    for agent, asked in ((AGENT, ask), (None, ask), (AGENT, None)):
        route = SimpleNamespace(deployment=None)
        gate(SimpleNamespace(agent=agent, ask=asked, route=route, plain_size=70, id="req_1"))  # type: ignore[arg-type]
    assert kept == [RecordedRequest(AGENT, 5.0, "gpt-4o", (TOOL,), 70, True, {"ops": "NORMAL"}, "req_1")]
