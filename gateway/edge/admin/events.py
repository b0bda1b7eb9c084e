"""`/events`: what happens, as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse

from gateway.edge.admin.access import AdminAccess, needs, principal
from gateway.edge.admin.problems import Problem, invalid
from gateway.edge.admin.shapes import rfc3339
from gateway.store.errors import StoreUnavailable
from gateway.store.events import Event, Events, is_event_id

_POLL_SECONDS = 0.5
_SILENT_POLLS = 30  # polls without an event after which a comment keeps proxies from closing the stream
_WATCHERS = 100
_WATCHERS_OF_A_KEY = 40  # so that one key leaves room for others

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "Events without end", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}


def router(events: Events, access: AdminAccess, *, stopping: Callable[[], bool]) -> APIRouter:
    """A stream ends when the gateway stops or its key opens nothing any more.

    Args:
        stopping: whether the gateway is about to stop.
    """
    routes = APIRouter(tags=["events"], dependencies=[needs("viewer")])
    watching: list[str] = []

    @routes.get("/events", response_class=StreamingResponse, responses=_STREAM)
    async def watch_events(
        request: Request, last_event_id: Annotated[str | None, Header(max_length=50)] = None
    ) -> StreamingResponse:
        """Events from now on, or behind `Last-Event-ID` as far as they are kept (the last 1,000)."""
        if last_event_id is not None and not is_event_id(last_event_id):
            raise invalid("header.last-event-id", "is not the id of an event")
        who = principal(request)
        if not is_room(watching, who.key_id):
            raise Problem(503, "As many as may watch already, on this worker.", retry_after=30)
        start = last_event_id or await events.last()

        async def goes_on() -> bool:
            if stopping():
                return False
            try:
                return await access.still(who)
            except StoreUnavailable:
                return True  # there is nothing to see while it lasts

        stream = Watch(events, start, goes_on, watching, who.key_id)
        return StreamingResponse(stream, media_type="text/event-stream", headers={"cache-control": "no-store"})

    return routes


def is_room(watching: Sequence[str], key_id: str) -> bool:
    """Whether one more may watch with a key; `watching` are the keys of those who do."""
    return len(watching) < _WATCHERS and watching.count(key_id) < _WATCHERS_OF_A_KEY


class Watch:
    """One who watches, for as long as `goes_on` says so."""

    def __init__(
        self, events: Events, last: str, goes_on: Callable[[], Awaitable[bool]], watching: list[str], key_id: str
    ) -> None:
        self._events = events
        self._last = last
        self._goes_on = goes_on
        self._watching = watching
        self._key_id = key_id

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if not is_room(self._watching, self._key_id):  # many asked at the same moment
            return
        self._watching.append(self._key_id)
        try:
            yield b": events follow\n\n"
            silent = 0
            while await self._goes_on():
                found = await self._more()
                for event in found:
                    yield _frame(event)
                silent = 0 if found else silent + 1
                if silent % _SILENT_POLLS == _SILENT_POLLS - 1:
                    yield b": nothing new\n\n"
                if not found:
                    await asyncio.sleep(_POLL_SECONDS)
        finally:
            self._watching.remove(self._key_id)

    async def _more(self) -> list[Event]:
        try:
            found = await self._events.after(self._last)
        except StoreUnavailable:
            return []  # goes on where it stopped, once Redis is back
        if found:
            self._last = found[-1].id
        return found


def _frame(event: Event) -> bytes:
    data = orjson.dumps({"kind": event.kind, "time": rfc3339(event.time), "data": event.data})
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (event.id.encode(), event.kind.encode(), data)
