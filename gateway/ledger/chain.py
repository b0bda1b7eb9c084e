"""Records in their order: each names the hash of the one before, so that none can be taken out or put between.

The first names the chain instead. Chain ids are 32 hexadecimal digits, made at random at each start of a process.
"""

import hashlib
import re
from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import orjson

from gateway.model.audit import AuditEntry

CHAIN_ID = re.compile(r"[0-9a-f]{32}")
_OPTIONAL = (
    "request_id", "agent_id", "tool", "rule", "reason", "mode", "policy", "result", "args_hash", "of",
)  # fmt: skip
_RARE = ("rule", "reason", "tool", "mode", "policy", "args_hash")
_rare_of = attrgetter(*_RARE)
_NO_RARE = (None,) * len(_RARE)


def origin(chain: str) -> bytes:
    """What the first record of a chain names as the hash before it."""
    return hashlib.sha256(b"leuko audit chain " + chain.encode()).digest()


def leaf_hash(payload: bytes) -> bytes:
    """A record's hash (RFC 6962, 2.1: a leaf)."""
    return hashlib.sha256(b"\x00" + payload).digest()


def encode(seq: int, previous: bytes, entry: AuditEntry) -> bytes:
    """An entry as record number `seq`, from 0; times in milliseconds. Members without a value are left out.

    Raises:
        TypeError: context or metadata hold what JSON does not have.
    """
    record: dict[str, Any] = {
        "seq": seq,
        "prev": previous.hex(),
        "time": round(entry.time * 1000),
        "kind": entry.kind,
        "action": entry.action,
        "source": entry.source,
        "resource": entry.resource,
        "allowed": entry.allowed,
    }
    if entry.request_id is not None:
        record["request_id"] = entry.request_id
    if entry.agent_id is not None:
        record["agent_id"] = entry.agent_id
    if entry.result is not None:
        record["result"] = entry.result
    if entry.of is not None:
        record["of"] = entry.of
    rare = _rare_of(entry)
    if rare != _NO_RARE:
        record.update((name, value) for name, value in zip(_RARE, rare, strict=True) if value is not None)
    if entry.context:
        record["context"] = entry.context
    if entry.metadata:
        record["metadata"] = entry.metadata
    try:
        return orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return orjson.dumps(_readable(record), option=orjson.OPT_SORT_KEYS)


def decode(payload: bytes) -> dict[str, Any]:
    """A record's members. Raises ValueError if it is not a record."""
    record = orjson.loads(payload)
    if not isinstance(record, dict) or type(record.get("seq")) is not int or type(record.get("prev")) is not str:
        raise ValueError("not a record: it has no seq and prev")
    return record


def shown(chain: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """A record as an audit entry of the API, but for its time, which stays in milliseconds."""
    entry = {name: record.get(name) for name in ("time", "kind", "source", "action", "resource", "allowed")}
    entry |= {name: record.get(name) for name in _OPTIONAL}
    entry["context"] = record.get("context", {})
    entry["metadata"] = record.get("metadata", {})
    return {"entry": f"{chain}/{record['seq']}", **entry}


def _readable(value: Any) -> Any:
    """The same with text that UTF-8 can carry: callers choose some of it, and half characters are among that."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {str(_readable(k)): _readable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(v) for v in value]
    return value
