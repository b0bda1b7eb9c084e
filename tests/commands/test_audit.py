"""`leuko audit`, against answers as the admin API gives them."""

import json
from pathlib import Path

import pytest

from gateway.ledger.note import verifier_key
from tests.commands.conftest import run
from tests.spool.keeping import SIGNER, audit_at, entry, keeping
from tests.support.upstream import ThreadedUpstream, answer, json_answer, threaded

ENTRY = {
    "entry": "c/7",
    "time": "2026-11-20T18:44:34.875Z",
    "source": "gateway",
    "action": "call:model",
    "allowed": True,
}
OLDER = {**ENTRY, "entry": "c/6", "allowed": False, "rule": "rate_limit_exceeded"}


def said(reply: bytes, *args: str, code: int = 0) -> tuple[str, ThreadedUpstream]:
    """Run a command against one answer; what it printed, and the server."""
    with threaded(reply) as server:
        return run(*args, "--url", server.url, "--key", "a-key", code=code).stdout, server


def test_the_latest_entries_are_shown_the_newest_last_and_filtered() -> None:
    reply = json_answer({"items": [ENTRY, OLDER], "next_cursor": None})
    shown, server = said(reply, "audit", "tail", "--agent", "agt_1", "--denied", "-n", "5")
    assert [line.split()[1] for line in shown.splitlines()] == ["ENTRY", "c/6", "c/7"]
    target = server.requests[0].target
    assert target.startswith(b"/api/gateway/audit?") and b"agent_id=agt_1" in target
    assert b"allowed=false" in target and b"limit=5" in target
    assert server.requests[0].header("x-admin-key") == "a-key"
    assert json.loads(said(reply, "audit", "tail", "-o", "json")[0]) == [OLDER, ENTRY]
    _, server = said(reply, "audit", "tail", "--decision", "dec_c_7")
    assert b"decision_id=dec_c_7" in server.requests[0].target


def test_a_record_that_is_whole_is_a_success_and_any_other_a_failure() -> None:
    chain = {"chain": "c", "size": 8, "anchored": 8, "closed": False, "first_bad": None, "problems": []}
    report = {"valid": True, "first_bad": None, "chains": [chain], "missing": [], "unreadable": []}
    shown, _ = said(json_answer(report), "audit", "verify")
    assert shown.splitlines()[1].split() == ["c", "8", "8", "no", "-"] and "valid       yes" in shown
    broken = {**report, "valid": False, "first_bad": "c/3"}
    assert "c/3" in said(json_answer(broken), "audit", "verify", code=1)[0]
    assert json.loads(said(json_answer(broken), "audit", "verify", "-o", "json", code=1)[0]) == broken


def test_an_export_is_line_by_line() -> None:
    lines = b'{"entry":"c/6"}\n{"entry":"c/7"}\n'
    exported, server = said(answer(200, lines), "audit", "export", "--start-time", "2026-11-20T00:00:00Z")
    assert exported.encode() == lines
    assert b"start_time=2026-11-20T00%3A00%3A00Z" in server.requests[0].target


async def test_files_are_checked_without_a_gateway_or_a_key_to_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path / "none"))
    monkeypatch.delenv("GATEWAY_ADMIN_KEY", raising=False)
    async with keeping(audit_at(tmp_path)) as audit:
        audit.append(entry(1))
    public = verifier_key("leuko", SIGNER.public_key)
    asked = ("audit", "verify", "--directory", str(tmp_path))
    assert "public_key" in run(*asked, code=1).stderr
    (tmp_path / "public_key").write_text(public)
    note = str(tmp_path / audit.chain / "checkpoint")
    assert f"{audit.chain}  3     3         yes" in run(*asked, "--checkpoint", note).stdout
    document = tmp_path / "checkpoints.json"
    document.write_text(json.dumps({"items": [{"note": Path(note).read_text("utf-8")}]}))
    assert "yes" in run(*asked, "--checkpoint", str(document)).stdout
    document.write_text(json.dumps({"items": [{"note": Path(note).read_text("utf-8").replace("leuko", "other")}]}))
    assert "kept elsewhere" in run(*asked, "--checkpoint", str(document), code=1).stdout
    for nothing in ('{"items":[{}]}', "{", '{"items":1}'):
        document.write_text(nothing)
        assert "Traceback" not in run(*asked, "--checkpoint", str(document), code=1).output
    log = next((tmp_path / audit.chain).glob("*.log"))
    log.write_bytes(log.read_bytes().replace(b"req_1", b"req_2"))
    assert f"{audit.chain}/1" in run(*asked, "--public-key", public, code=1).stdout


def test_nothing_is_no_sound_record(tmp_path: Path) -> None:
    public = verifier_key("leuko", SIGNER.public_key)
    asked = ("audit", "verify", "--directory", str(tmp_path), "--public-key", public)
    assert "holds no chain" in run(*asked, code=1).stderr
