"""An audit record for the length of a block, and what lies on disk afterwards."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.ledger.chain import decode
from gateway.ledger.note import Signer
from gateway.model.audit import AuditEntry
from gateway.spool.audit import Audit, Timing
from gateway.spool.disk import Disk
from gateway.spool.files import payloads

NOW = 1_800_000_000.0
SIGNER = Signer("leuko", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def entry(number: int = 0, **members: Any) -> AuditEntry:
    given: dict[str, Any] = {"kind": "decision", "action": "call:model", "request_id": f"req_{number}"} | members
    return AuditEntry(time=NOW + number, **given)


def audit_at(
    root: Path, disk: Disk | None = None, *, timing: Timing | None = None, segment_bytes: int = 1 << 20
) -> Audit:
    audit = Audit(
        root,
        new_chain=lambda: secrets.token_hex(16),
        clock=lambda: NOW,
        disk=disk,
        timing=timing,
        segment_bytes=segment_bytes,
    )
    audit.signer = SIGNER
    return audit


@contextlib.asynccontextmanager
async def keeping(audit: Audit) -> AsyncIterator[Audit]:
    """Open, run and close it."""
    audit.open()
    running = asyncio.create_task(audit.run())
    try:
        yield audit
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await audit.close()


def records(root: Path, chain: str) -> list[dict[str, Any]]:
    return [decode(payload) for payload in payloads(root / chain, 0)]
