"""What operators ask of policies and change about them: documents, questions, what one agent may do."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter

from gateway.assembly.path import Path
from gateway.assembly.state import State
from gateway.edge.admin import agent_policy, policies, policy_questions
from gateway.edge.admin.agent_policy import Effective
from gateway.edge.admin.agents import as_agent, known
from gateway.edge.admin.policy_body import SOURCE
from gateway.model.agent import Agent
from gateway.policy.cases import check_cases
from gateway.policy.document import Document, parse
from gateway.policy.engine import Engine, Rules
from gateway.policy.plan import Plans
from gateway.policy.question import Memory
from gateway.policy.replay import Replay
from gateway.settings import Settings


class PolicyOperations:
    """The routers of `/policies`, and of `/agents/{id}/policy`."""

    def __init__(self, settings: Settings, state: State, path: Path) -> None:
        self._state, self._path = state, path
        self._shadow = settings.enforcement == "shadow"
        self._clock = time.time  # noqa: TID251 - rules and what is shown carry dates

    def routers(self) -> list[APIRouter]:
        """The questions stand before the documents, whose paths would take them for names."""
        state = self._state
        questions = policy_questions.router(
            self._engine,
            check_document,
            self._agent,
            about=self._engine_about,
            modes=state.modes.of,
            recall=self._recall,
            calls=state.calls.read,
            replay=self._replay,
            clock=self._clock,
        )
        return [questions, policies.router(state.policies, self._documents, check_document)]

    def of_agents(self) -> APIRouter:
        effective = Effective(
            self._engine_about, self._plans_about, self._state.modes.of, shadow=self._shadow, clock=self._clock
        )
        return agent_policy.router(self._state.agents, self._state.policies, self._documents, check_document, effective)

    def _engine(self) -> Engine:
        return self._path.policies.current.engine

    def _documents(self) -> tuple[Document, ...]:
        return self._engine().documents

    def _engine_about(self, agent: Agent) -> Engine:
        return self._path.policies.about(agent).engine

    def _plans_about(self, agent: Agent) -> Plans:
        return self._path.policies.about(agent).plans

    async def _agent(self, agent_id: str) -> Agent:
        return as_agent(await known(self._state.agents, agent_id))

    async def _recall(self, agent_id: str, rules: Rules) -> Memory:
        return await self._state.memory.load(agent_id, None, rules.memory_keys)

    def _replay(self, before: Sequence[Document], after: Sequence[Document]) -> Replay:
        return Replay(before, after, shadow=self._shadow)


async def check_document(raw: Mapping[str, Any]) -> Document:
    """Read a document and hold it against its cases. Raises PolicyError."""

    def checked() -> Document:
        found = parse(raw, SOURCE)
        check_cases(found)
        return found

    return await asyncio.to_thread(checked)  # cases may take longer than open streams may wait
