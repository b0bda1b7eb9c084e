"""One decision before anything is forwarded, one outcome after: what they say, and what happens without a record."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path as FilePath
from typing import Any

from gateway.model.errors import Refusal
from gateway.phases.record import Record
from gateway.pipeline import Pipeline
from gateway.spool.audit import Audit
from tests.spool.keeping import audit_at, keeping, records
from tests.support.path import Path, running_path
from tests.support.upstream import ScriptedUpstream, json_answer
from tests.support.waiting import until


def recording(record: Record) -> Any:
    def change(pipeline: Pipeline) -> None:
        pipeline.admit._gates = (record.decide,)
        pipeline.settle._observers = (record.outcome,)

    return change


@asynccontextmanager
async def recorded_path(audit: Audit, **options: bool) -> AsyncIterator[tuple[Path, Record]]:
    record = Record(audit, wall_clock=lambda: 1.8e9, **options)
    async with running_path(change=recording(record)) as path:
        yield path, record


def lines(audit: Audit) -> list[dict[str, Any]]:
    found = records(audit.root, audit.chain)
    return [r for r in found if r["kind"] in ("decision", "outcome")]


CHAT: dict[str, Any] = {"model": "stub-echo", "messages": [{"role": "user", "content": "a secret word"}]}
TOOL = {"type": "function", "function": {"name": "get_status", "parameters": {"type": "object"}}}


async def test_an_exchange_leaves_a_decision_and_an_outcome_that_names_it(tmp_path: FilePath) -> None:
    async with keeping(audit_at(tmp_path)) as audit, recorded_path(audit) as (path, _):
        answer = await path.client.post("/v1/chat/completions", json=CHAT)
        assert answer.status_code == 200
        await until(lambda: len(lines(audit)) == 2)
        decision, outcome = lines(audit)
        assert (decision["action"], decision["resource"], decision["allowed"]) == ("call:model", "stub-echo", True)
        assert outcome["of"] == f"{audit.chain}/{decision['seq']}"
        assert (outcome["result"], outcome["metadata"]["status"]) == ("success", 200)
        assert decision["agent_id"] == outcome["agent_id"] == answer.headers["x-gateway-agent-id"]
        assert decision["request_id"] == outcome["request_id"] == answer.headers["x-gateway-request-id"]
        assert outcome["metadata"]["output_tokens"] > 0


async def test_tool_calls_of_the_answer_are_named_and_nothing_is_quoted(tmp_path: FilePath) -> None:
    body = {**CHAT, "model": "stub-tool", "tools": [TOOL]}
    async with keeping(audit_at(tmp_path)) as audit, recorded_path(audit) as (path, _):
        assert (await path.client.post("/v1/chat/completions", json=body)).status_code == 200
        await until(lambda: len(lines(audit)) == 2)
        assert lines(audit)[1]["metadata"]["tools"] == ["get_status"]
    written = b"".join(file.read_bytes() for file in (tmp_path / audit.chain).glob("*.log"))
    assert b"secret word" not in written


async def test_a_relayed_request_is_recorded_by_method_and_path(tmp_path: FilePath) -> None:
    async with keeping(audit_at(tmp_path)) as audit, recorded_path(audit) as (path, _):
        assert (await path.client.get("/p/nowhere/v1/files")).status_code >= 400
        await until(lambda: len(lines(audit)) >= 1)
        assert lines(audit)[-1]["action"] == "relay:get"
        assert lines(audit)[-1]["resource"].endswith("/files")


async def test_a_refused_request_leaves_an_outcome_alone(tmp_path: FilePath) -> None:
    async with keeping(audit_at(tmp_path)) as audit, recorded_path(audit) as (path, _):
        assert (await path.client.post("/v1/chat/completions", content=b"{")).status_code == 400
        await until(lambda: len(lines(audit)) == 1)
        (outcome,) = lines(audit)
        assert (outcome["kind"], outcome["allowed"], outcome["rule"]) == ("outcome", False, "invalid_request")
        assert outcome["result"] == "invalid_request"
        assert "of" not in outcome


async def test_a_provider_that_fails_is_the_outcome_of_an_allowed_request(tmp_path: FilePath) -> None:
    async with keeping(audit_at(tmp_path)) as audit, recorded_path(audit) as (path, _):
        answer = await path.client.post("/v1/chat/completions", json={**CHAT, "model": "gpt-4o"})
        assert answer.status_code == 502
        await until(lambda: len(lines(audit)) == 2)
        assert (lines(audit)[1]["allowed"], lines(audit)[1]["result"]) == (True, "upstream_unavailable")


async def test_without_a_record_nothing_is_forwarded(tmp_path: FilePath) -> None:
    audit = audit_at(tmp_path)  # never opened
    async with recorded_path(audit) as (path, _):
        answer = await path.client.post("/v1/chat/completions", json=CHAT)
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "audit_unavailable"
        assert answer.headers["retry-after"] == "1"
        assert str(tmp_path) not in answer.text


async def test_reads_may_pass_without_a_record_where_that_is_allowed(tmp_path: FilePath) -> None:
    async with recorded_path(audit_at(tmp_path), allow_reads=True) as (path, record):
        answer = await path.client.post("/v1/chat/completions", json=CHAT)
        assert answer.status_code == 200
        assert answer.headers["x-gateway-degraded"] == "audit"
        assert record.unrecorded == 1
        refused = await path.client.post("/v1/chat/completions", json={**CHAT, "tools": [TOOL]})
        assert refused.status_code == 503


async def test_strict_waits_until_the_decision_is_safe(tmp_path: FilePath) -> None:
    async with keeping(audit_at(tmp_path)) as audit, recorded_path(audit, strict=True) as (path, _):
        assert (await path.client.post("/v1/chat/completions", json=CHAT)).status_code == 200
        assert audit.durable_size >= 2


async def test_strict_refuses_what_cannot_be_made_safe(tmp_path: FilePath) -> None:
    async with keeping(audit_at(tmp_path)) as audit, recorded_path(audit, strict=True) as (path, _):
        durable = audit.durable

        async def failing(entry_id: str) -> None:
            waiting = asyncio.create_task(durable(f"{audit.chain}/1000000"))
            await asyncio.sleep(0)
            audit._stop("The audit record cannot be made safe.")
            await waiting

        audit.durable = failing  # type: ignore[method-assign]
        answer = await path.client.post("/v1/chat/completions", json=CHAT)
        assert answer.json()["error"]["code"] == Refusal("audit_unavailable", "").code


async def test_what_a_provider_has_run_itself_is_named(tmp_path: FilePath) -> None:
    item = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"query": "a secret word"}}
    answer = json_answer({"id": "resp_1", "object": "response", "status": "completed", "output": [item]})
    async with keeping(audit_at(tmp_path)) as audit, ScriptedUpstream(answer) as upstream:
        record = Record(audit, wall_clock=lambda: 1.8e9)
        async with running_path(upstream.url, change=recording(record)) as path:
            await path.client.post("/v1/responses", json={"model": "m", "input": "x"})
            await until(lambda: len(lines(audit)) == 2)
        assert lines(audit)[1]["metadata"]["hosted"] == ["web_search_call"]
