"""`/agents/register`: whoever deploys an agent makes it known, and gets the key that it shows from then on."""

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from gateway.edge.admin.problems import Problem
from gateway.edge.admin.shapes import Body, Text
from gateway.edge.agents_api.access import ingest_key_only
from gateway.store.identities import Identities
from gateway.store.registry import Attributes, NameTaken


class Registration(Body):
    name: Text
    owner_team: Text | None = None
    environment: Text | None = None


class Registered(BaseModel):
    agent_id: str
    api_key: str


def router(identities: Identities) -> APIRouter:
    """An agent registers once: its key is what it is known by, so a name that is taken gets no second one."""
    routes = APIRouter(tags=["agents"])

    @routes.post(
        "/agents/register",
        status_code=201,
        response_model=Registered,
        dependencies=[Depends(ingest_key_only)],
        responses={409: {}},
    )
    async def register_agent(body: Registration) -> Registered:
        """A new agent and its first key; this answer is the only one that shows it."""
        try:
            agent_id, shown = await identities.register(Attributes(body.name, body.owner_team, body.environment))
        except NameTaken as taken:
            message = f"Agent {taken.owner} has this name; a further key of it is made at the admin API."
            raise Problem(409, message) from None
        return Registered(agent_id=agent_id, api_key=shown)

    return routes
