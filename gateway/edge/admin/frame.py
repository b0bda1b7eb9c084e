"""What every request to the admin API passes before its route is looked for: the key, the record, the limits."""

import asyncio

from starlette.requests import Request

from gateway.edge.admin.access import AdminAccess, principal
from gateway.edge.admin.changes import Changes
from gateway.edge.admin.problems import Problem, answer_to, bounded
from gateway.edge.asgi import App, Message, Receive, Scope, Send
from gateway.edge.browser import private
from gateway.store.errors import StoreUnavailable


class Frame:
    """An ASGI middleware. Without a key that is known there is nothing to learn here, not even which paths exist.

    Args:
        base: of the API's paths.
        seconds: how long an answer may take to begin.
    """

    def __init__(self, app: App, *, access: AdminAccess, changes: Changes, base: str, seconds: float = 5.0) -> None:
        self._app = app
        self._access = access
        self._changes = changes
        self._base = base
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request, send = Request(scope), private(send)
        try:
            await self._access(request)
            path = scope["path"].removeprefix(self._base)
            change = self._changes.begin(principal(request), scope["method"], path)
        except (Problem, StoreUnavailable) as error:
            return await answer_to(error)(scope, receive, send)
        began, status = False, 500  # what becomes of an exception that leaves the application

        async def sending(message: Message) -> None:
            nonlocal began, status
            if message["type"] == "http.response.start":
                began, status = True, message["status"]
                deadline.reschedule(None)  # events and exports go on as long as they like
            await send(message)

        try:
            async with asyncio.timeout(self._seconds) as deadline:
                await self._app(scope, bounded(receive), sending)
        except TimeoutError:
            if began:
                raise
            status = 504
            late = Problem(504, f"This took more than {self._seconds:g} s; it may have been done.")
            await answer_to(late)(scope, receive, send)
        finally:
            if change is not None:
                self._changes.end(change, status)
