"""A policy document as a request carries it: JSON, or YAML as in a file."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request

from gateway.edge.admin.problems import Problem, invalid
from gateway.model.errors import UnreadableRequest
from gateway.policy.errors import PolicyError
from gateway.policy.reading import read
from gateway.store.policies import LARGEST
from gateway.wire.strict_json import loads

SOURCE = "the request"


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}, "application/yaml": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


BODY = _body({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}})
"""For a route's `openapi_extra`."""
ANY_BODY = _body({"description": "A policy document, or what was meant to be one"})


@dataclass(frozen=True, slots=True)
class Sent:
    """A document as JSON has it; `text` is what was sent if that was YAML."""

    document: dict[str, Any]
    text: str | None = None


async def read_body(request: Request) -> Sent:
    """Raises PolicyError for what is no mapping, or means two things; Problem 422 for nothing, 413 for too much."""
    body = await request.body()
    if not body:
        raise invalid("body", "is missing")
    if len(body) > LARGEST:
        raise Problem(413, f"A policy document may have {LARGEST} bytes.")
    if "yaml" in request.headers.get("content-type", "").lower():
        return await _yaml(body)
    try:
        document = loads(body)
    except UnreadableRequest as error:
        raise PolicyError(SOURCE, error.param or "", str(error)) from None
    return Sent(_mapping(document))


def problem_of(error: PolicyError) -> dict[str, str | None]:
    """What is wrong: where, what, and what to write instead."""
    for mark in ("; did you mean ", "; allowed: "):
        message, found, hint = error.problem.partition(mark)
        if found:
            return {"path": error.path, "message": message, "hint": (mark + hint).removeprefix("; ")}
    return {"path": error.path, "message": error.problem, "hint": None}


@contextmanager
def refusing(member: str = "body") -> Iterator[None]:
    """Make of a PolicyError a Problem 422 that names what is at fault in this member of the request."""
    try:
        yield
    except PolicyError as error:
        field = f"{member}.{error.path}" if error.path else member
        raise Problem(422, "The document is refused.", [{"field": field, "message": error.problem}]) from None


async def _yaml(body: bytes) -> Sent:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise PolicyError(SOURCE, "", "is not text in UTF-8") from None
    # Large ones take a second, in which everybody else goes on.
    document = await asyncio.to_thread(read, text, SOURCE)
    try:
        return Sent(_mapping(orjson.loads(orjson.dumps(document))), text)
    except (TypeError, ValueError):
        raise PolicyError(SOURCE, "", "holds a value or a key that JSON does not have") from None


def _mapping(document: object) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise PolicyError(SOURCE, "", f"holds {type(document).__name__}; allowed: a mapping")
    return document
