"""`/routes`: which provider an agent's requests go to, where an operator chose one."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel

from gateway.edge.admin.access import needs
from gateway.edge.admin.agents import unknown_agent
from gateway.edge.admin.problems import Problem, invalid
from gateway.edge.admin.shapes import Body, Text
from gateway.store.routes import MOST, Routes
from gateway.upstream.providers import Providers


class NewRoute(Body):
    agent_id: Text
    provider: Text


class ShownRoute(BaseModel):
    agent_id: str
    provider: str


class RouteList(BaseModel):
    items: list[ShownRoute]
    next_cursor: str | None = None


def router(known: Routes, in_force: Callable[[], Providers], is_agent: Callable[[str], Awaitable[bool]]) -> APIRouter:
    """`in_force` are all providers; `is_agent` raises StoreUnavailable."""
    routes = APIRouter(tags=["routes"])

    @routes.get("/routes", response_model=RouteList)
    async def list_routes(
        limit: Annotated[int, Query(ge=1, le=1000)] = 100, cursor: Annotated[str, Query(max_length=200)] = ""
    ) -> dict[str, Any]:
        """One page, in the order of agents."""
        page = known.page(limit, cursor)
        items = [{"agent_id": agent_id, "provider": provider} for agent_id, provider in page]
        return {"items": items, "next_cursor": page[-1][0] if len(page) == limit else None}

    @routes.post(
        "/routes",
        status_code=201,
        response_model=ShownRoute,
        responses={200: {"model": ShownRoute, "description": "It had a route before"}, 404: {}, 409: {}},
        dependencies=[needs("admin")],
    )
    async def make_route(body: NewRoute, response: Response) -> dict[str, str]:
        """From now on the agent's requests go there, whatever the model; on every worker."""
        if body.provider not in in_force().by_name:
            raise invalid("body.provider", f"is none of: {', '.join(in_force().by_name)}")
        if not await is_agent(body.agent_id):
            raise unknown_agent(body.agent_id)
        if known.full(body.agent_id):
            raise Problem(409, f"There are {MOST} routes already.")
        if known.provider_of(body.agent_id) is not None:
            response.status_code = 200
        await known.put(body.agent_id, body.provider)
        return {"agent_id": body.agent_id, "provider": body.provider}

    @routes.delete("/routes/{agent_id}", status_code=204, dependencies=[needs("admin")])
    async def delete_route(agent_id: Annotated[str, Path(max_length=200)]) -> None:
        """The agent's requests go where any other's do."""
        await known.drop(agent_id)

    return routes
