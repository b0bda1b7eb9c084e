"""The record over the admin API of a real gateway: entries, checkpoints, proofs, verification, and tampering found."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.ledger.chain import leaf_hash
from gateway.ledger.checkpoint import open_checkpoint
from gateway.ledger.merkle import included
from gateway.ledger.note import read_verifier_key
from gateway.spool.files import segments
from tests.support.gateway import GatewayProcess, eventually, running_gateway

CHAT = {"model": "stub-echo", "messages": [{"role": "user", "content": "a secret word"}]}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audited")


@pytest.fixture(scope="module")
def gateway(data_dir: Path) -> Iterator[GatewayProcess]:
    with running_gateway("--stub", env={"GATEWAY_DATA_DIR": str(data_dir)}) as started:
        for number in range(5):
            answer = httpx.post(f"{started.url}/v1/chat/completions", json=CHAT, headers={"x-agent-id": f"a{number}"})
            assert answer.status_code == 200
        eventually(lambda: len(items(started, "/audit?action=call:model")) == 10)
        yield started


def items(gateway: GatewayProcess, path: str) -> list[dict[str, Any]]:
    answer = gateway.admin(path)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def test_entries_have_the_shape_that_is_promised(gateway: GatewayProcess) -> None:
    outcome, decision = items(gateway, "/audit?action=call:model&limit=2")
    assert (outcome["kind"], decision["kind"]) == ("outcome", "decision")
    assert outcome["of"] == decision["entry"]
    assert outcome["result"] == "success"
    assert decision["time"].endswith("Z")
    assert {"entry", "time", "request_id", "agent_id", "source", "action", "resource", "tool", "allowed", "rule",
            "reason", "mode", "policy", "result", "args_hash", "context", "metadata"} <= decision.keys()  # fmt: skip
    assert "secret word" not in gateway.admin("/audit").text


def test_filters_pages_and_the_alias_agree(gateway: GatewayProcess) -> None:
    every = items(gateway, "/logs?action=call:model")
    agent = every[0]["agent_id"]
    assert len(items(gateway, f"/audit?agent_id={agent}")) == 2
    assert items(gateway, "/audit?allowed=false") == []
    assert items(gateway, "/audit?start_time=2999-01-01T00:00:00Z") == []
    assert items(gateway, "/audit?start_time=2999-01-01") == [] != items(gateway, "/audit?end_time=2999-01-01")
    assert items(gateway, "/audit?end_time=2000-01-01T00:00:00Z") == []
    paged, cursor = [], None
    while True:
        page = gateway.admin("/audit?action=call:model&limit=3" + (f"&cursor={cursor}" if cursor else "")).json()
        paged += page["items"]
        if (cursor := page["next_cursor"]) is None:
            break
    assert paged == every
    assert gateway.admin("/audit?cursor=none").status_code == 422
    assert gateway.admin("/audit?limit=0").status_code == 422
    assert gateway.admin("/audit?decision_id=dec_1").status_code == 422


def test_an_export_has_every_entry_as_a_line(gateway: GatewayProcess) -> None:
    answer = gateway.admin("/audit/export?action=call:model")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert [json.loads(line) for line in answer.text.splitlines()] == items(gateway, "/audit?action=call:model")


def test_an_entry_is_proved_by_what_the_public_key_signed(gateway: GatewayProcess, data_dir: Path) -> None:
    entry = items(gateway, "/audit?action=call:model")[0]["entry"]
    eventually(lambda: gateway.admin(f"/audit/proof/{entry}").status_code == 200)
    proof = gateway.admin(f"/audit/proof/{entry}").json()
    name, key = read_verifier_key(proof["public_key"])
    assert (data_dir / "audit" / "public_key").read_text().strip() == proof["public_key"]
    signed = open_checkpoint(proof["checkpoint"], name, key)
    leaf = leaf_hash(base64.b64decode(proof["record"]))
    assert leaf.hex() == proof["leaf_hash"]
    path = [bytes.fromhex(node) for node in proof["path"]]
    assert included(leaf, proof["leaf_index"], proof["tree_size"], path, signed.root)
    chain = entry.partition("/")[0]
    assert gateway.admin(f"/audit/proof/{chain}/999999").status_code == 404
    assert gateway.admin(f"/audit/proof/{'0' * 32}/0").status_code == 404


def test_checkpoints_are_there_to_be_kept_elsewhere(gateway: GatewayProcess) -> None:
    eventually(lambda: items(gateway, "/audit/checkpoint"))
    document = gateway.admin("/audit/checkpoint").json()
    name, key = read_verifier_key(document["public_key"])
    for head in document["items"]:
        signed = open_checkpoint(head["note"], name, key)
        assert (signed.chain, signed.size, signed.root.hex()) == (head["chain"], head["size"], head["root"])


def test_verification_finds_what_was_changed(gateway: GatewayProcess, data_dir: Path) -> None:
    report = gateway.admin("/audit/verify").json()
    assert report["valid"], report
    (chain,) = report["chains"]
    assert chain["size"] > 10
    path = segments(data_dir / "audit" / chain["chain"])[0].path
    data = path.read_bytes()
    changed = bytearray(data)
    changed[data.index(b"stub-echo")] ^= 1
    path.write_bytes(changed)
    try:
        report = gateway.admin("/audit/verify").json()
        assert not report["valid"]
        assert report["first_bad"].startswith(chain["chain"])
        assert str(data_dir) not in str(report)
    finally:
        path.write_bytes(data)
