"""Errors of the admin API and the agents' API as RFC 9457 problem details; a body that is too large among them."""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from gateway.edge.asgi import Message, Receive
from gateway.store.errors import StoreUnavailable

MOST_BYTES = 1024 * 1024
"""Of a request's body."""

log = logging.getLogger(__name__)


class Problem(Exception):
    """Raised by a route; `detail` is what the operator reads, `errors` name fields, `retry_after` is in seconds."""

    def __init__(
        self, status: int, detail: str, errors: list[dict[str, Any]] | None = None, *, retry_after: int | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.retry_after = retry_after


def invalid(field: str, message: str) -> Problem:
    """A 422 about one field, named by its path: `body.name`, `query.limit`."""
    return Problem(422, "Some fields are not valid.", [{"field": field, "message": message}])


def bounded(receive: Receive) -> Receive:
    """The same body; from `MOST_BYTES` on, reading it raises a 413."""
    left = MOST_BYTES

    async def receive_within() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise HTTPException(413, f"The body is larger than {MOST_BYTES} bytes.")
        return message

    return receive_within


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem document."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(StoreUnavailable, _state)
    app.add_exception_handler(Exception, _unforeseen)


def _answer(status: int, detail: str, errors: list[dict[str, Any]] | None = None) -> JSONResponse:
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors:
        document["errors"] = errors
    return JSONResponse(document, status, media_type="application/problem+json")


def answer_to(error: Problem | StoreUnavailable) -> JSONResponse:
    """The same answer for errors raised before the application is asked."""
    if isinstance(error, StoreUnavailable):
        error = Problem(503, "Redis does not answer; what is asked for is kept there.", retry_after=1)
    answer = _answer(error.status, error.detail, error.errors)
    if error.status == 401:
        answer.headers["www-authenticate"] = "Bearer"  # RFC 9110 section 15.5.2
    if error.retry_after is not None:
        answer.headers["retry-after"] = str(error.retry_after)
    return answer


async def _problem(request: Request, problem: Exception) -> JSONResponse:
    assert isinstance(problem, Problem)
    return answer_to(problem)


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    answer = _answer(error.status_code, str(error.detail))
    answer.headers.update(error.headers or {})
    if error.status_code == 405:
        answer.headers["allow"] = ", ".join(_methods(request))
    return answer


def _methods(request: Request) -> list[str]:
    """What a path takes: the framework names only the methods of the first route that has it. A path that stands for
    itself is not also an id among others: `/policies/explain`, `/policies/{name}`."""
    found: dict[str, set[str]] = {}
    for route in iter_route_contexts(request.app.routes):
        if route.methods and route.path_regex.match(request.scope["path"]):
            found.setdefault(str(route.path_format), set()).update(route.methods)
    plainest = min(found, key=lambda path: path.count("{"), default="")
    return sorted(found.get(plainest, ()))


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [{"field": ".".join(map(str, e["loc"])), "message": e["msg"]} for e in error.errors()]
    return _answer(422, "Some fields are not valid.", errors)


async def _state(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StoreUnavailable)
    return answer_to(error)


async def _unforeseen(request: Request, error: Exception) -> JSONResponse:
    log.error("admin request failed", exc_info=error)
    return _answer(500, "The gateway failed at this request.")
