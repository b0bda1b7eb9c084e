"""note_requests: keeps what is asked, by names and numbers, so that policies can be tried on it."""

from collections.abc import Callable, Mapping

from gateway.model.agent import Agent
from gateway.model.exchange import Exchange
from gateway.policy.recorded import RecordedRequest


class NoteRequests:
    """A gate before those that may refuse.

    Args:
        note: keeps a request, in memory.
        modes: of documents for an agent, where they are not in their start mode.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        note: Callable[[RecordedRequest], None],
        modes: Callable[[Agent], Mapping[str, str]],
        clock: Callable[[], float],
    ) -> None:
        self._note = note
        self._modes = modes
        self._clock = clock

    def __call__(self, exchange: Exchange) -> None:
        ask, agent = exchange.ask, exchange.agent
        if ask is None or agent is None:
            return
        self._note(
            RecordedRequest(
                agent,
                self._clock(),
                exchange.route.deployment or ask.model,
                ask.tools,
                exchange.plain_size,
                ask.stream,
                self._modes(agent),
                exchange.id,
            )
        )
