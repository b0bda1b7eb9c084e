"""What exchanges show of agents by themselves, told to whoever watches them."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.assembly.keys import root_of
from gateway.immune.settings import Immune
from gateway.model.agent import Agent
from gateway.model.exchange import Exchange
from gateway.model.vitals import Vitals
from gateway.phases.admit import Gate
from gateway.phases.capping import Capping
from gateway.phases.evidence import Evidence
from gateway.phases.likeness import Likeness
from gateway.phases.looping import Looping
from gateway.phases.new_clients import NewClients
from gateway.phases.note_prompts import NotePrompts
from gateway.phases.settle import Observer
from gateway.settings import Secrets
from gateway.store.vitals import VitalsLog

if TYPE_CHECKING:
    from gateway.assembly.state import State


class Noticing:
    """Gates and observers of the path of model requests, and what cuts answers.

    Args:
        settings: what holds for an agent; not asked before there are exchanges.

    Attributes:
        every: observers of all that agents do, here and with MCP servers.
        known: gates once the agent is known, before anything changes the request.
        changed: gates once nothing changes the request any more but policies.
    """

    def __init__(self, kept: Secrets, state: "State", settings: Callable[[Agent], Immune]) -> None:
        clock = time.time  # noqa: TID251 - findings are dated by the wall clock
        feed = state.watch_feed
        self._vitals = feed.vitals
        self.looping = Looping(
            feed.finding,
            settings,
            secret=root_of(kept),
            kept=state.trails,
            clock=time.monotonic,
            wall_clock=clock,
        )
        self.capping = Capping(state.agent_caps.of, feed.finding, settings, clock=time.monotonic, wall_clock=clock)
        self.evidence = evidence = Evidence(feed.finding, clock=time.monotonic, wall_clock=clock)
        self.likeness = Likeness(state.quarantine, state.agents, VitalsLog(state.store), evidence.like)
        state.known_clients.on_new = evidence.new_client
        prompts = NotePrompts(state.prompts)
        self.known: tuple[Gate, ...] = (prompts.gate, self.likeness.gate)
        self.changed: tuple[Gate, ...] = (self.looping.gate, self.capping.gate)
        self.every: tuple[Observer, ...] = (self._observe, NewClients(state.known_clients).observe)
        # What is found of an agent comes after what it did: only then it is watched.
        self.observers = (prompts.observe, self.looping.observe, *self.every, self.likeness.observe)

    def _observe(self, exchange: Exchange, vitals: Vitals) -> None:
        """Who only looks something up has done nothing: else a list of models, asked for often enough, would make an
        agent well known, or well again."""
        if exchange.request.method == "POST" and not (exchange.mcp is not None and exchange.standing):
            self._vitals(vitals)
