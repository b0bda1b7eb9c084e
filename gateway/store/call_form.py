"""A recorded request or call as JSON, and back. Secrets are covered, and large arguments left out, on the way there."""

import re
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

import orjson

from gateway.model.agent import Agent
from gateway.model.ask import OfferedTool
from gateway.policy.question import Question
from gateway.policy.recorded import Recorded, RecordedCall, RecordedRequest, modes_of
from gateway.policy.verdict import Verdict

COVERED = "[redacted]"
LARGEST = 16 * 1024
"""Bytes of one call's arguments."""

_LARGEST_DEFINITION = 8 * 1024
_MOST_TOOLS = 500
_DEEPEST = 40
_LONGEST = 500
_AGENT = ("agent_id", "verified", "name", "credential_id", "owner_team", "environment")
_agent_of = attrgetter(*_AGENT)
# Values under such names are secrets though no pattern would know them.
_SECRET_NAME = re.compile(r"pass(word|wd|phrase)|secret|token|api_?key|credential|authorization|private_?key", re.I)


def packed(record: Recorded, redact: Callable[[str], str]) -> bytes:
    """One line of JSON."""
    row = _call(record, redact) if isinstance(record, RecordedCall) else _request(record)
    try:
        return orjson.dumps(row)
    except (orjson.JSONEncodeError, TypeError):  # lone surrogates in names, which a provider may send
        return orjson.dumps(_plain(row))


def unpacked(row: Mapping[str, Any]) -> Recorded:
    """What `packed` wrote, by this or a newer version, whose further members are left out."""
    agent = Agent(**{name: row["agent"][name] for name in _AGENT if name in row["agent"]})
    common: dict[str, Any] = {
        "agent": agent,
        "time": row["time"],
        "modes": row.get("modes", {}),
        "request_id": row.get("request_id"),
    }
    if "tool" not in row:
        tools = tuple(OfferedTool(name, kind, {}, space) for name, kind, space in row.get("tools", ()))
        return RecordedRequest(
            model=row.get("model"), tools=tools, size=row.get("size", 0), stream=row.get("stream", False), **common
        )
    question = Question(
        row["tool"],
        row.get("arguments"),
        row.get("kind", "function"),
        row.get("server"),
        row.get("size", 0),
        row.get("action"),
        row.get("resource"),
    )
    verdict = row.get("verdict")
    return RecordedCall(
        question,
        tools=_offered(row.get("offered")),
        verdict=None if verdict is None else Verdict(**verdict),
        conversation=row.get("conversation"),
        cut=row.get("cut", False),
        covered=row.get("covered", False),
        **common,
    )


def cover(value: Any, redact: Callable[[str], str], depth: int = 0) -> Any:
    """The same value with secrets in its texts covered: known ones, and what members named like secrets hold."""
    if isinstance(value, str):
        return redact(value)
    if depth > _DEEPEST:
        return None
    if isinstance(value, Mapping):
        return {
            redact(str(key)): COVERED
            if isinstance(member, str) and member and _SECRET_NAME.search(str(key))
            else cover(member, redact, depth + 1)
            for key, member in value.items()
        }
    if isinstance(value, list | tuple):
        return [cover(member, redact, depth + 1) for member in value]
    return value


def _call(record: RecordedCall, redact: Callable[[str], str]) -> dict[str, Any]:
    question, verdict = record.question, record.verdict
    row = {**_common(record), "tool": question.tool[:_LONGEST], "size": question.size}
    row |= {"kind": question.kind, "server": question.server, "conversation": record.conversation}
    row |= {"action": question.action, "resource": question.resource}
    covered = question.arguments
    if question.size <= LARGEST:
        covered = cover(question.arguments, redact)
    if question.size > LARGEST or len(_dumped(covered)) > LARGEST:
        row["cut"] = True
    else:
        row["arguments"] = covered
        row["covered"] = covered != question.arguments
    if record.tools is not None:
        row["offered"] = [_definition(tool) for tool in record.tools.values()]
    if verdict is not None:
        said = {"allowed": verdict.allowed, "rule": verdict.rule, "reason": verdict.reason, "mode": verdict.mode}
        row["verdict"] = {**said, "policy": verdict.policy, "approval": verdict.approval}
    return {name: value for name, value in row.items() if value is not None}


def _request(record: RecordedRequest) -> dict[str, Any]:
    row = _common(record)
    row["tools"] = [(tool.name[:_LONGEST], tool.kind, tool.namespace) for tool in record.tools[:_MOST_TOOLS]]
    row["size"] = record.size
    row["stream"] = record.stream
    if record.model is not None:
        row["model"] = record.model
    return row


def _common(record: Recorded) -> dict[str, Any]:
    agent = {name: value for name, value in zip(_AGENT, _agent_of(record.agent), strict=True) if value}
    modes = modes_of(record.modes) if record.modes else {}
    return {"time": record.time, "agent": agent, "modes": modes, "request_id": record.request_id}


def _definition(tool: OfferedTool) -> list[Any]:
    small = len(_dumped(tool.definition)) <= _LARGEST_DEFINITION
    return [tool.name[:_LONGEST], tool.kind, tool.definition if small else {}, tool.namespace]


def _offered(rows: list[list[Any]] | None) -> dict[str, OfferedTool] | None:
    return None if rows is None else {row[0]: OfferedTool(*row) for row in rows}


def _dumped(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except (orjson.JSONEncodeError, TypeError, RecursionError):
        return orjson.dumps(_plain(value))


def _plain(value: Any, depth: int = 0) -> Any:
    """What can be written down of any value."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if depth > _DEEPEST:
        return None
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(member, depth + 1) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member, depth + 1) for member in value]
    return value if value is None or isinstance(value, float | bool) or abs(value) < 2**53 else float(value)
