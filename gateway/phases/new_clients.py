"""new_clients: from where the keys of verified agents are used. An observer."""

from typing import Protocol

from gateway.identity.address import network_of
from gateway.identity.client_family import client_family
from gateway.model.exchange import Exchange
from gateway.model.vitals import Vitals
from gateway.store.known_clients import Place


class Clients(Protocol):
    """See `store.known_clients`."""

    def note(self, place: Place, request_id: str) -> None: ...


class NewClients:
    """Also what was refused counts: a key that was stolen is one, whatever its thief may do with it."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def observe(self, exchange: Exchange, vitals: Vitals) -> None:
        agent = exchange.agent
        if agent is None or not agent.verified:
            return
        request = exchange.request
        network = network_of(request.client)
        if network is not None:
            family = client_family(request.fields.get(b"user-agent"), request.fields.get(b"x-stainless-lang"))
            self._clients.note(Place(agent.agent_id, family, network), exchange.id)
