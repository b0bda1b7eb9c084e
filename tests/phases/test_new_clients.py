"""Whose places are noted."""

from dataclasses import replace
from typing import Any

from gateway.phases.new_clients import NewClients
from gateway.store.known_clients import Place
from tests.support.path import running_path


class Noted:
    def __init__(self) -> None:
        self.all: list[tuple[Place, str]] = []

    def note(self, place: Place, request_id: str) -> None:
        self.all.append((place, request_id))


async def test_a_verified_agents_client_and_network_are_noted_also_of_what_was_refused() -> None:
    noted = Noted()
    clients = NewClients(noted)

    def prove(exchange: Any) -> None:
        exchange.agent = replace(exchange.agent, agent_id="agt_1", verified=exchange.request.header(b"x-proof") == "1")

    async with running_path(gates=(prove,), observers=(clients.observe,)) as path:
        for proof in "01":
            await path.client.get("/v1/files", headers={"x-proof": proof, "user-agent": "OpenAI/Python 3.1"})
        await path.client.post("/v1/chat/completions", content=b"{", headers={"x-proof": "1"})
        await path.sightings.settled(3)
    assert noted.all == [(Place("agt_1", "openai/python", "127.0.0.0/24"), "req_2")]
