"""The API's description (OpenAPI 3.1): what FastAPI derives, and the keys, roles and errors that all routes share."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

_PROBLEM = {
    "title": "Problem",
    "description": "Problem details (RFC 9457); `errors` names fields by their path.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
_KEYS = {
    "adminKey": {"type": "apiKey", "in": "header", "name": "X-Admin-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
_ALWAYS = {
    "401": "No key, or one that is not known",
    "403": "The key's role is too low",
    "422": "Some fields are not valid",
    "429": "Too many wrong keys came from this address; see `retry-after`",
    "503": "What this needs does not answer now; see `retry-after`",
    "504": "It took too long, and may have been done",
}
_WITH_BODY = {"400": "The path or the body cannot be read", "413": "The body is too large"}
_WITH_ID = {"400": "The path cannot be read", "404": "There is nothing of this id"}
_PHRASES = {"409": "It is in the way of what is there", "412": "It has changed", "428": "Say which version"}
_METHODS = ("get", "put", "post", "delete", "patch")


def document(app: FastAPI) -> dict[str, Any]:
    """Complete and made once: FastAPI keeps what it derived, and this adds to it in place."""
    found = app.openapi()
    components = found.setdefault("components", {})
    if "securitySchemes" in components:
        return found
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = _PROBLEM
    components["securitySchemes"] = _KEYS
    found["security"] = [{name: []} for name in _KEYS]
    roles = required_roles(app)
    for path, item in found["paths"].items():
        for method in _METHODS:
            if method in item:
                _complete(item[method], "{" in path, roles.get((method.upper(), path)))
    return found


def required_roles(app: FastAPI) -> dict[tuple[str, str], str]:
    """The role each (method, path) takes; the lowest one, viewer, where a route says none."""
    found = {}
    for route in iter_route_contexts(app.routes):
        asked = [getattr(given.dependency, "role", None) for given in getattr(route, "dependencies", ())]
        # A route may ask for more than its router does: the last word is the route's own.
        role = next((role for role in reversed(asked) if role is not None), "viewer")
        found.update({(method, str(route.path_format)): role for method in route.methods or ()})
    return found


def _complete(operation: dict[str, Any], has_id: bool, role: str | None) -> None:
    told = operation.get("description", "")
    operation["description"] = f"{told}\n\nRole: {role or 'viewer'}.".strip()
    responses = operation.setdefault("responses", {})
    responses.pop("422", None)
    shared = {**_ALWAYS, **(_WITH_ID if has_id else {}), **(_WITH_BODY if "requestBody" in operation else {})}
    for status, description in shared.items():
        responses.setdefault(status, {"description": description})
    for status, response in responses.items():
        if status >= "400":
            response["description"] = shared.get(status) or _PHRASES.get(status) or response["description"]
            response["content"] = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
