"""new_clients: from where the keys of verified agents are used. An observer."""

from typing import Protocol

from gateway.identity.address import network_of
from gateway.identity.client_family import client_family
from gateway.model.bounded import make_room
from gateway.model.exchange import Exchange
from gateway.model.vitals import Vitals
from gateway.store.known_clients import Place


class Clients(Protocol):
    """See `store.known_clients`."""

    def note(self, place: Place, request_id: str) -> None: ...


_REMEMBERED = 10_000
_UNKNOWN = Place("", "", "")


class NewClients:
    """Also what was refused counts: a key that was stolen is one, whatever its thief may do with it."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._known: dict[tuple[str, str, bytes | None, bytes | None], Place | None] = {}

    def observe(self, exchange: Exchange, vitals: Vitals) -> None:
        agent = exchange.agent
        if agent is None or not agent.verified:
            return
        request = exchange.request
        fields = request.fields
        shown = agent.agent_id, request.client, fields.get(b"user-agent"), fields.get(b"x-stainless-lang")
        place = self._known.get(shown, _UNKNOWN)
        if place is _UNKNOWN:
            make_room(self._known, _REMEMBERED)  # callers choose their clients
            place = self._known[shown] = _place(*shown)
        if place is not None:
            self._clients.note(place, exchange.id)


def _place(agent_id: str, address: str, user_agent: bytes | None, language: bytes | None) -> Place | None:
    network = network_of(address)
    return None if network is None else Place(agent_id, client_family(user_agent, language), network)
