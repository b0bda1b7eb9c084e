"""`/openapi.json` and `/docs`: the API's description, and the same as a page. No script, nothing from elsewhere."""

from collections.abc import Callable, Iterator
from html import escape
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse

from gateway.edge.admin.access import needs

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24 }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #d0d7de } code, pre { font: 14px/1.4 ui-monospace, monospace }
details { margin: .4rem 0 } summary { cursor: pointer } table { border-collapse: collapse; margin: .5rem 0 }
td, th { text-align: left; padding: .1rem .8rem .1rem 0; vertical-align: top }
pre { background: #f6f8fa; padding: .6rem }
@media (prefers-color-scheme: dark) { body { background: #0d1117; color: #e6edf3 } pre { background: #161b22 } }
"""
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_DESCRIBED = {"application/json": {"schema": {"type": "object", "required": ["openapi", "info", "paths"]}}}
_METHODS = ("get", "post", "put", "patch", "delete")


def router(document: Callable[[], dict[str, Any]]) -> APIRouter:
    """`document` is asked once everything is included."""
    routes = APIRouter(tags=["docs"], dependencies=[needs("viewer")])

    @routes.get("/openapi.json", response_class=JSONResponse, responses={200: {"content": _DESCRIBED}})
    async def get_openapi() -> JSONResponse:
        """This description."""
        return JSONResponse(document())

    @routes.get("/docs", response_class=HTMLResponse)
    async def get_docs() -> HTMLResponse:
        """This description as a page."""
        return HTMLResponse(page(document()), headers=_HEADERS)

    return routes


def page(document: dict[str, Any]) -> str:
    """Every operation by its tag, with parameters, body and answers."""
    by_tag: dict[str, list[str]] = {}
    schemas = document.get("components", {}).get("schemas", {})
    for path, item in document["paths"].items():
        for method in (m for m in _METHODS if m in item):
            operation = item[method]
            tag = (operation.get("tags") or ["other"])[0]
            by_tag.setdefault(tag, []).append("".join(_operation(method, path, operation, schemas)))
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    parts = [f"<h2>{escape(tag)}</h2>{''.join(operations)}" for tag, operations in by_tag.items()]
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{_STYLE}</style>"
    return f"{head}<h1>{title}</h1><p>Send a key as <code>X-Admin-Key</code> or as a bearer token.</p>{''.join(parts)}"


def _operation(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> Iterator[str]:
    yield f"<details><summary><code>{method.upper()} {escape(path)}</code></summary>"
    yield f"<p>{escape(operation.get('description', ''))}</p>"
    rows = [(p["name"], p["in"], _form(p["schema"])) for p in operation.get("parameters", ())]
    rows += [
        (name, "body", _form(schema))
        for media in operation.get("requestBody", {}).get("content", {}).values()
        for name, schema in _members(media.get("schema", {}), schemas)
    ]
    yield _table(("name", "where", "form"), rows)
    answers = [
        (status, answer["description"], ", ".join(answer.get("content", {})))
        for status, answer in operation["responses"].items()
    ]
    yield _table(("status", "meaning", "type"), answers)
    yield "</details>"


def _members(schema: dict[str, Any], schemas: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    named = schemas.get(schema.get("$ref", "").rpartition("/")[2], schema)
    return list(named.get("properties", {}).items())


def _form(schema: dict[str, Any]) -> str:
    """One line for a schema."""
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(_form(one) for one in schema["anyOf"])
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    form = str(schema.get("format", schema.get("type", "any")))
    return f"{form} of {_form(schema['items'])}" if "items" in schema else form


def _table(names: tuple[str, ...], rows: list[tuple[str, str, str]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{name}" for name in names)
    return f"<table><tr>{head}{''.join('<tr>' + ''.join(f'<td>{escape(c)}' for c in row) for row in rows)}</table>"
