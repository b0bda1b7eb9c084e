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
from gateway.phases.looping import Looping
from gateway.phases.note_prompts import NotePrompts
from gateway.phases.settle import Observer
from gateway.settings import Secrets

if TYPE_CHECKING:
    from gateway.assembly.state import State


class Noticing:
    """Gates and observers of the path of model requests, and what cuts answers.

    Attributes:
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
        prompts = NotePrompts(state.prompts)
        self.known: tuple[Gate, ...] = (prompts.gate,)
        self.changed: tuple[Gate, ...] = (self.looping.gate, self.capping.gate)
        self.observers: tuple[Observer, ...] = (prompts.observe, self.looping.observe, self._observe)

    def _observe(self, exchange: Exchange, vitals: Vitals) -> None:
        self._vitals(vitals)
