"""`/policies`: the documents in force. Those of files and settings are shown; those made here can be changed too."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field

from gateway.edge.admin.access import needs, principal
from gateway.edge.admin.conditional import CONFLICTS, IfMatch, IfNoneMatch, changed, check, etag
from gateway.edge.admin.policy_body import BODY, Sent, read_body, refusing
from gateway.edge.admin.problems import Problem, invalid
from gateway.edge.admin.shapes import Body, Timestamp, rfc3339
from gateway.policy.document import Document
from gateway.policy.errors import PolicyError
from gateway.store.control import ChangeConflict
from gateway.store.policies import MadePolicies, MadePolicy, NoRoom

Name = Annotated[str, Path(max_length=200)]
Check = Callable[[Mapping[str, Any]], Awaitable[Document]]
"""Reads a document as for use, its cases too. Raises PolicyError."""


class ShownPolicy(BaseModel):
    """`where` is the file, or the place in the settings, that it comes from. `in_force`: this worker judges by it."""

    name: str
    version: int
    source: Literal["api", "files", "settings"]
    where: str | None
    in_force: bool
    enforcement: Literal["enforce", "shadow"]
    updated_at: Timestamp | None
    updated_by: str | None
    etag: str


class WholePolicy(ShownPolicy):
    """`text` is what was sent if that was YAML."""

    document: dict[str, Any]
    text: str | None


class PolicyList(BaseModel):
    items: list[ShownPolicy]
    next_cursor: str | None = None


class ShownVersion(BaseModel):
    version: int
    updated_at: Timestamp
    updated_by: str
    deleted: bool


class VersionList(BaseModel):
    items: list[ShownVersion]
    next_cursor: str | None = None


class Rollback(Body):
    """An earlier version, as `/versions` names it."""

    version: Annotated[int, Field(strict=True, ge=1, le=2**53)]


def router(made: MadePolicies, in_force: Callable[[], tuple[Document, ...]], check_document: Check) -> APIRouter:
    """`in_force` are all documents that calls are judged by at this moment."""
    routes = APIRouter(tags=["policies"])
    known = Known(made, in_force)
    _reads(routes, made, known)
    _writes(routes, made, known, check_document)
    _deletes(routes, made, known)
    _rolls_back(routes, made, known, check_document)
    return routes


def _reads(routes: APIRouter, made: MadePolicies, known: "Known") -> None:
    @routes.get("/policies", response_model=PolicyList, dependencies=[needs("viewer")])
    async def list_policies() -> dict[str, Any]:
        """All of them, in the order of names."""
        return {"items": known.all(), "next_cursor": None}

    @routes.get("/policies/{name}", response_model=WholePolicy, dependencies=[needs("viewer")], responses={404: {}})
    async def get_policy(
        name: Name,
        response: Response,
        version: Annotated[int | None, Query(ge=1, le=2**53, description="an earlier version")] = None,
    ) -> dict[str, Any]:
        """One document; its ETag is what a change has to name."""
        if version is not None:
            found = await made.version(name, version)
            if found is None or found.deleted:
                raise Problem(404, f"There is no version {version} of a policy {name[:80]!r}.")
            return known.of_version(found)
        response.headers["etag"] = known.tag(name) or ""
        return known.whole(name)

    @routes.get(
        "/policies/{name}/versions", response_model=VersionList, dependencies=[needs("viewer")], responses={404: {}}
    )
    async def list_versions(name: Name) -> dict[str, Any]:
        """The versions made over the API that are kept, the newest first. A deletion is one, too."""
        items = [
            {"version": one.version, "updated_at": rfc3339(one.at), "updated_by": one.by, "deleted": one.deleted}
            for one in await made.versions(name)
        ]
        if not items and known.tag(name) is None:
            raise unknown_policy(name)
        return {"items": items, "next_cursor": None}


def _writes(routes: APIRouter, made: MadePolicies, known: "Known", check_document: Check) -> None:
    @routes.put(
        "/policies/{name}",
        response_model=WholePolicy,
        responses={201: {"model": WholePolicy, "description": "There was none"}, 409: {}, **CONFLICTS},
        dependencies=[needs("admin")],
        openapi_extra=BODY,
    )
    async def put_policy(
        name: Name, request: Request, response: Response, if_match: IfMatch = None, if_none_match: IfNoneMatch = None
    ) -> dict[str, Any]:
        """Put a document in force, on every worker: a new one, or (with If-Match) in the place of the one of this name,
        be that of a file. What is refused changes nothing."""
        with refusing():
            sent = await read_body(request)
            await _checked(sent.document, name, check_document)
        tag = known.tag(name)
        check(tag, if_match, if_none_match)
        response.status_code = 201 if tag is None else 200
        return await change(made, known, name, sent, by=principal(request).key_id, response=response, seen=tag)


def _deletes(routes: APIRouter, made: MadePolicies, known: "Known") -> None:
    @routes.delete("/policies/{name}", status_code=204, responses={409: {}, **CONFLICTS}, dependencies=[needs("admin")])
    async def delete_policy(name: Name, request: Request, if_match: IfMatch = None) -> None:
        """Take a document out of force that was made over the API; one of this name in a file is in force again."""
        there = made.get(name)
        if there is None:
            if known.tag(name) is not None:
                raise Problem(409, f"Policy {name!r} is one of the files or settings, and is changed there.")
            return
        check(known.tag(name), if_match)
        try:
            await made.drop(name, by=principal(request).key_id, expected=there.epoch)
        except ChangeConflict:
            raise changed() from None


def _rolls_back(routes: APIRouter, made: MadePolicies, known: "Known", check_document: Check) -> None:
    @routes.post(
        "/policies/{name}/rollback",
        response_model=WholePolicy,
        responses={404: {}, 409: {}, **CONFLICTS},
        dependencies=[needs("admin")],
    )
    async def roll_back_policy(
        name: Name, body: Rollback, request: Request, response: Response, if_match: IfMatch = None
    ) -> dict[str, Any]:
        """Put an earlier version in force again, as a new version."""
        tag = known.tag(name)
        earlier = await made.version(name, body.version)
        if earlier is None:
            raise Problem(404, f"There is no version {body.version} of a policy {name[:80]!r}.")
        check(tag, if_match)
        if earlier.deleted:
            raise invalid("body.version", "is a deletion; to delete, use DELETE")
        with refusing():
            await _checked(earlier.document, name, check_document)
        sent = Sent(dict(earlier.document), earlier.text)
        return await change(made, known, name, sent, by=principal(request).key_id, response=response, seen=tag)


async def change(
    made: MadePolicies, known: "Known", name: str, sent: Sent, *, by: str, response: Response, seen: str | None
) -> dict[str, Any]:
    """Make a version in the place of what had the tag `seen`. Raises Problem 409, 412."""
    if known.tag(name) != seen:
        raise changed()
    there = made.get(name)
    try:
        after = await made.put(name, sent.document, by=by, text=sent.text, expected=0 if there is None else there.epoch)
    except ChangeConflict:
        raise changed() from None
    except NoRoom as full:
        raise Problem(409, str(full)) from None
    response.headers["etag"] = etag(after.epoch)
    return known.of_version(after)


async def _checked(document: Mapping[str, Any], name: str, check_document: Check) -> None:
    """Raises PolicyError."""
    found = await check_document(document)
    if found.name != name:
        raise PolicyError("the request", "name", f"is {found.name!r}; allowed: {name!r:.80}, as the path says")


def unknown_policy(name: str) -> Problem:
    """A 404."""
    return Problem(404, f"There is no policy {name[:80]!r}.")


class Known:
    """The documents as the API shows them: what was made here goes before what is in force by files or settings."""

    def __init__(self, made: MadePolicies, in_force: Callable[[], tuple[Document, ...]]) -> None:
        self._made = made
        self._in_force = in_force

    def all(self) -> list[dict[str, Any]]:
        """In the order of names."""
        in_force = {document.name: document for document in self._in_force()}
        made = {one.name: self._of_made(one, in_force.get(one.name)) for one in self._made.all()}
        others = {name: _of_other(document) for name, document in in_force.items() if name not in made}
        found = made | others
        return [found[name] for name in sorted(found)]

    def tag(self, name: str) -> str | None:
        """The ETag of what is there."""
        made = self._made.get(name)
        if made is not None:
            return etag(made.epoch)
        other = self._other(name)
        return None if other is None else etag(_digest(other))

    def whole(self, name: str) -> dict[str, Any]:
        """Raises Problem 404."""
        made = self._made.get(name)
        if made is not None:
            return self.of_version(made)
        other = self._other(name)
        if other is None:
            raise unknown_policy(name)
        return {**_of_other(other), "document": orjson.loads(_written(other)), "text": None}

    def of_version(self, made: MadePolicy) -> dict[str, Any]:
        there = next((one for one in self._in_force() if one.name == made.name), None)
        return {**self._of_made(made, there), "document": dict(made.document), "text": made.text}

    def _of_made(self, made: MadePolicy, there: Document | None) -> dict[str, Any]:
        return {
            "name": made.name,
            "version": made.version,
            "source": "api",
            "where": None,
            "in_force": there is not None and there.version == made.version,
            "enforcement": "shadow" if made.document.get("enforcement") == "shadow" else "enforce",
            "updated_at": rfc3339(made.at),
            "updated_by": made.by,
            "etag": etag(made.epoch) if made.epoch else "",
        }

    def _other(self, name: str) -> Document | None:
        if self._made.get(name) is not None:
            return None
        return next((document for document in self._in_force() if document.name == name), None)


def _of_other(document: Document) -> dict[str, Any]:
    return {
        "name": document.name,
        "version": document.version,
        "source": "settings" if document.source.startswith("GATEWAY_") else "files",
        "where": document.source,
        "in_force": True,
        "enforcement": "shadow" if document.clauses.shadow else "enforce",
        "updated_at": None,
        "updated_by": None,
        "etag": etag(_digest(document)),
    }


def _written(document: Document) -> bytes:
    """What the author of a file wrote, as far as JSON has it. In the author's order: the first mode is the start."""
    return orjson.dumps(document.raw, default=str, option=orjson.OPT_NON_STR_KEYS)


def _digest(document: Document) -> str:
    """Files have no versions that others could know: what is in them is the tag."""
    return hashlib.blake2b(_written(document) + document.source.encode(), digest_size=12).hexdigest()
