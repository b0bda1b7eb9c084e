"""`/intents`: what agents have declared."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel

from gateway.edge.admin.access import needs
from gateway.edge.admin.problems import invalid
from gateway.edge.agents_api.intents import Pending, ShownIntent, revoked, shown, unknown_intent
from gateway.store.intents import Intents


class IntentList(BaseModel):
    items: list[ShownIntent]
    next_cursor: str | None = None


def router(intents: Intents) -> APIRouter:
    """Tokens are shown to the agents that asked for them, and to nobody else."""
    routes = APIRouter(tags=["intents"])

    @routes.get("/intents", response_model=IntentList, dependencies=[needs("viewer")])
    async def list_intents(
        agent_id: Annotated[str | None, Query(max_length=200)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        cursor: Annotated[str | None, Query(max_length=200)] = None,
    ) -> dict[str, Any]:
        """The newest first, until an hour after their end. A page may hold fewer than `limit` and have a next one."""
        try:
            found, following = await intents.page(agent_id, limit=limit, cursor=cursor or "")
        except ValueError:
            raise invalid("query.cursor", "no such cursor") from None
        return {"items": await asyncio.gather(*(shown(intents, one) for one in found)), "next_cursor": following}

    @routes.get("/intents/{intent_id}", response_model=ShownIntent, dependencies=[needs("viewer")], responses={404: {}})
    async def show_intent(intent_id: Annotated[str, Path(max_length=200)]) -> dict[str, Any]:
        """What is known of one."""
        found = await intents.get(intent_id)
        if found is None:
            raise unknown_intent(intent_id)
        return await shown(intents, found)

    @routes.delete(
        "/intents/{intent_id}",
        status_code=204,
        response_model=None,
        dependencies=[needs("operator")],
        responses={202: {"model": Pending}, 404: {}},
    )
    async def revoke_intent(intent_id: Annotated[str, Path(max_length=200)]) -> Response:
        """From now on no replica takes it, nor anything that was narrowed from it. 202: those in `pending` have not
        said so."""
        found = await intents.get(intent_id)
        if found is None:
            raise unknown_intent(intent_id)
        return revoked(await intents.revoke(found))

    return routes
