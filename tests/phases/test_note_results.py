"""Which sessions are about to read results of tools."""

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.model.agent import Agent
from gateway.model.ask import Ask, ToolResult
from gateway.model.errors import Refusal
from gateway.phases.note_results import NoteResults
from gateway.policy.document import parse
from gateway.policy.engine import Engine
from gateway.store.errors import StoreUnavailable

AGENT = Agent("agt_1", verified=True)
READS = Ask({}, None, False, results=(ToolResult("c1", "text"),))
EARLY = Engine([parse({"name": "a", "intents": {"mint": "early"}}, "a.yaml")])


class Noted:
    def __init__(self, *, gone: bool = False) -> None:
        self.all: list[tuple[str, str | None]] = []
        self.gone = gone

    async def note(self, agent_id: str, session: str | None) -> None:
        if self.gone:
            raise StoreUnavailable("timeout")
        self.all.append((agent_id, session))


def exchange(
    ask: Ask | None = READS, agent: Agent | None = AGENT, session: str | None = "monday", mcp: Any = None
) -> Any:
    return SimpleNamespace(ask=ask, agent=agent, mcp=mcp, request=SimpleNamespace(header=lambda name: session))


async def test_a_session_that_reads_a_result_is_noted_where_policy_asks_for_it() -> None:
    noted = Noted()
    gate = NoteResults(lambda exchange: EARLY, noted)
    for session in ("monday", None):
        waiting = gate(exchange(session=session))
        assert waiting is not None
        await waiting
    assert noted.all == [("agt_1", "monday"), ("agt_1", None)]


async def test_what_an_mcp_server_answers_is_read_too() -> None:
    noted = Noted()
    gate = NoteResults(lambda exchange: EARLY, noted)
    assert gate(exchange(None, mcp=SimpleNamespace(released=[]))) is None
    waiting = gate(exchange(None, mcp=SimpleNamespace(released=["a call"])))
    assert waiting is not None
    await waiting
    assert noted.all == [("agt_1", "monday")]


@pytest.mark.parametrize(
    "given", [{"ask": None}, {"ask": Ask({}, None, False)}, {"agent": None}, {"agent": Agent("x")}]
)
def test_what_can_bring_nothing_costs_nothing(given: dict[str, Any]) -> None:
    assert NoteResults(lambda exchange: EARLY, Noted())(exchange(**given)) is None


def test_without_such_a_policy_nothing_is_noted() -> None:
    assert NoteResults(lambda exchange: Engine(), Noted())(exchange()) is None


async def test_what_cannot_be_noted_is_not_read() -> None:
    waiting = NoteResults(lambda exchange: EARLY, Noted(gone=True))(exchange())
    assert waiting is not None
    with pytest.raises(Refusal) as refused:
        await waiting
    assert refused.value.code == "state_unavailable"
