"""`/session`: a browser that shows an admin key once gets a session for it, and can end it."""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel
from starlette.requests import Request

from gateway.edge.admin.access import AdminAccess, Role, needs, principal
from gateway.edge.admin.problems import Problem
from gateway.edge.admin.shapes import Timestamp, rfc3339
from gateway.edge.dashboard.sessions import COOKIE, Session, Sessions

PATH: Literal["/api/gateway"] = "/api/gateway"
"""Where browsers send the cookie to: no provider and no agent ever sees it."""


class ShownSession(BaseModel):
    """Who is signed in. `expires_at`: when it ends unless the page asks for it again; `page`: what requests by session
    carry as `x-leuko-page`."""

    key_id: str
    role: Role
    expires_at: Timestamp | None
    page: str | None


def router(access: AdminAccess, sessions: Sessions) -> APIRouter:
    """The key has been looked at already, as at every request; a session never is one for another key."""
    routes = APIRouter(tags=["session"], dependencies=[needs("viewer")])

    @routes.post("/session", response_model=ShownSession, responses={409: {}})
    async def sign_in(request: Request, response: Response) -> ShownSession:
        """A session for the key that is shown, in a cookie."""
        who = principal(request)
        if who.session is not None:
            raise Problem(409, "Show a key: a session cannot be begun with another one.")
        return _kept(request, response, sessions, await access.session_of(who), who.role)

    @routes.get("/session", response_model=ShownSession)
    async def get_session(request: Request, response: Response) -> ShownSession:
        """Who asks; a session goes on from here, twelve hours at most."""
        who = principal(request)
        if who.session is None:
            return ShownSession(key_id=who.key_id, role=who.role, expires_at=None, page=None)
        return _kept(request, response, sessions, sessions.renewed(who.session), who.role)

    @routes.delete("/session", status_code=204)
    async def sign_out(request: Request, response: Response) -> None:
        """The session is over, on every replica; whoever has a copy of its cookie has nothing."""
        who = principal(request)
        if who.session is not None:
            await sessions.end(who.session)
        _forget(request, response)

    @routes.delete("/sessions", status_code=204)
    async def sign_out_everywhere(request: Request, response: Response) -> None:
        """All sessions of the key are over, in whatever browser they are; that of who asks too."""
        await sessions.end_all(principal(request).key_id)
        _forget(request, response)

    return routes


def _kept(request: Request, response: Response, sessions: Sessions, session: Session, role: Role) -> ShownSession:
    """The session in a cookie, and what is told of it."""
    response.set_cookie(
        COOKIE,
        sessions.seal(session),
        max_age=max(1, int(session.ends - sessions.clock())),
        path=PATH,
        httponly=True,
        samesite="strict",
        secure=_secure(request),
    )
    return ShownSession(
        key_id=session.key_id, role=role, expires_at=rfc3339(session.ends), page=sessions.page_token(session)
    )


def _forget(request: Request, response: Response) -> None:
    response.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="strict", secure=_secure(request))


def _secure(request: Request) -> bool:
    """Whether the browser came by TLS. Who lies about it only keeps his own cookie from plain connections."""
    return request.scope["scheme"] == "https" or request.headers.get("x-forwarded-proto", "").lower() == "https"
