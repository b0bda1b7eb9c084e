"""`/audit`: what was decided and done, and the proof that nobody changed the record of it."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Protocol

import orjson
from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from gateway.edge.admin.access import needs
from gateway.edge.admin.problems import Problem, invalid
from gateway.edge.admin.shapes import Time, Timestamp, rfc3339
from gateway.model.audit import entry_of
from gateway.spool.check import Report
from gateway.spool.proof import Proof
from gateway.store.audit_copy import AuditCopy
from gateway.store.audit_query import AuditFilter, AuditQuery

_EXPORT_PAGE = 1000
_NDJSON: dict[int | str, dict[str, Any]] = {200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}}
_Filter = Annotated[str | None, Query(max_length=200)]
_CHAIN = r"^[0-9a-f]{32}$"
_DECISION = r"^dec_[0-9a-f]{32}_[0-9]{1,16}$"


class ShownEntry(BaseModel):
    entry: str
    time: Timestamp
    kind: str
    source: str
    request_id: str | None
    agent_id: str | None
    action: str
    resource: str
    tool: str | None
    allowed: bool
    rule: str | None
    reason: str | None
    mode: str | None
    policy: str | None
    result: str | None
    args_hash: str | None
    of: str | None
    context: dict[str, Any]
    metadata: dict[str, Any]


class EntryList(BaseModel):
    items: list[ShownEntry]
    next_cursor: str | None = None


class ShownHead(BaseModel):
    chain: str
    size: int
    root: str
    time: Timestamp
    note: str


class HeadList(BaseModel):
    public_key: str
    items: list[ShownHead]
    next_cursor: str | None = None


class ShownProof(BaseModel):
    """RFC 6962: `record` (base64) hashes to `leaf_hash`, which `path` leads to the root that `checkpoint` signs."""

    entry: str
    record: str
    leaf_hash: str
    leaf_index: int
    tree_size: int
    path: list[str]
    checkpoint: str
    public_key: str


class ShownChain(BaseModel):
    chain: str
    size: int
    anchored: int
    closed: bool
    first_bad: int | None
    problems: list[str]


class Verification(BaseModel):
    """`anchored` records of a chain are covered by a signature; the end beyond that is taken on trust."""

    valid: bool
    first_bad: str | None
    chains: list[ShownChain]
    missing: list[str]
    unreadable: list[str]


def _filter(
    agent_id: _Filter = None,
    action: _Filter = None,
    allowed: bool | None = None,
    source: _Filter = None,
    start_time: Time | None = None,
    end_time: Time | None = None,
    decision_id: Annotated[str | None, Query(pattern=_DECISION, description="As agents are told it.")] = None,
) -> AuditFilter:
    place = None if decision_id is None else entry_of(decision_id)
    return AuditFilter(agent_id, action, allowed, _seconds(start_time), _seconds(end_time), source, place)


_Asked = Annotated[AuditFilter, Depends(_filter)]


class Evidence(Protocol):
    """What proves the record. `public_key` verifies checkpoints."""

    @property
    def public_key(self) -> str: ...

    async def verify(self) -> Report:
        """Check this machine's chains."""
        ...

    async def prove(self, chain: str, seq: int) -> Proof:
        """Raises LookupError if there is no such record, ValueError that says why it has no proof."""
        ...


def router(copy: AuditCopy, evidence: Evidence) -> APIRouter:
    """Entries and checkpoints come from Redis, so any worker answers for all; files are those of this machine."""
    routes = APIRouter(tags=["audit"], dependencies=[needs("viewer")])
    _entries(routes, AuditQuery(copy))
    _proofs(routes, copy, evidence)
    return routes


def _entries(routes: APIRouter, query: AuditQuery) -> None:
    async def list_entries(
        wanted: _Asked,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        cursor: Annotated[str | None, Query(max_length=200)] = None,
    ) -> dict[str, Any]:
        """One page of entries, the latest first. A page may hold fewer than `limit` and still have a next one."""
        try:
            found, following = await query.page(wanted, limit, cursor)
        except ValueError:
            raise invalid("query.cursor", "no such cursor") from None
        return {"items": [_shown(entry) for entry in found], "next_cursor": following}

    routes.get("/audit", response_model=EntryList)(list_entries)
    routes.get("/logs", response_model=EntryList, operation_id="list_entries_alias")(list_entries)

    @routes.get("/audit/export", response_class=Response, responses=_NDJSON)
    async def export_entries(wanted: _Asked) -> StreamingResponse:
        """Every entry as a line of JSON, the latest first."""
        first = await query.page(wanted, _EXPORT_PAGE, None)  # what fails, fails before the answer begins
        return StreamingResponse(_lines(query, wanted, first), media_type="application/x-ndjson")


async def _lines(
    query: AuditQuery, wanted: AuditFilter, page: tuple[list[dict[str, Any]], str | None]
) -> AsyncIterator[bytes]:
    while True:
        found, cursor = page
        yield b"".join(orjson.dumps(_shown(entry), option=orjson.OPT_APPEND_NEWLINE) for entry in found)
        if cursor is None:
            return
        page = await query.page(wanted, _EXPORT_PAGE, cursor)


def _proofs(routes: APIRouter, copy: AuditCopy, evidence: Evidence) -> None:
    @routes.get("/audit/checkpoint", response_model=HeadList)
    async def newest_checkpoints() -> dict[str, Any]:
        """The newest signed checkpoint of every chain (https://c2sp.org/tlog-checkpoint), to be kept elsewhere."""
        heads = [
            {"chain": h.chain, "size": h.size, "root": h.root, "time": rfc3339(h.time / 1000), "note": h.note}
            for h in await copy.heads()
        ]
        return {"public_key": evidence.public_key, "items": heads, "next_cursor": None}

    @routes.get("/audit/proof/{chain}/{seq}", response_model=ShownProof, responses={404: {}, 409: {}})
    async def prove_entry(
        chain: Annotated[str, Path(pattern=_CHAIN)], seq: Annotated[int, Path(ge=0, le=2**53)]
    ) -> dict[str, Any]:
        """That an entry is in the signed record."""
        try:
            proof = await evidence.prove(chain, seq)
        except LookupError:
            raise Problem(404, f"There is no entry {chain}/{seq} on this machine.") from None
        except ValueError as error:
            raise Problem(409, f"The entry has no proof: {error}.") from None
        return {"entry": f"{chain}/{seq}", "public_key": evidence.public_key, **proof.shown()}

    @routes.get("/audit/verify", response_model=Verification)
    async def verify_record() -> dict[str, Any]:
        """Check the chains of the machine that answers, byte by byte, against what was signed and what Redis keeps."""
        return (await evidence.verify()).shown()


def _seconds(time: datetime | None) -> float | None:
    """Seconds since the epoch. No entry is older, and Redis knows no ids from before."""
    return None if time is None else max(0.0, time.timestamp())


def _shown(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "time": rfc3339(entry["time"] / 1000)}
