"""The audit record of one process: its chain on the disk, the copy in Redis, and what writes into it."""

import secrets
import time

from gateway.assembly.keys import known_secrets, root_of
from gateway.background.keep_audit import KeepAudit
from gateway.phases.record import Record
from gateway.settings import Secrets, Settings
from gateway.spool.audit import Audit
from gateway.store.connection import Connection
from gateway.telemetry.redaction import Redaction


class Recording:
    """`log` takes entries, `keeper` signs and ships them, `phase` writes what becomes of exchanges, `redact` takes
    secrets out of text before it is recorded."""

    def __init__(self, settings: Settings, kept: Secrets, store: Connection) -> None:
        clock = time.time  # noqa: TID251 - entries are dated by the wall clock
        self.log = Audit(settings.data_dir / "audit", new_chain=lambda: secrets.token_hex(16), clock=clock)
        self.keeper = KeepAudit(
            self.log,
            store,
            deployment=settings.deployment,
            root=root_of(kept),
            random_bytes=secrets.token_bytes,
            key_file=settings.signing_key_file,
            clock=clock,
            life=settings.retention.audit,
        )
        self.redact = Redaction(known_secrets(settings, kept))
        self.phase = Record(
            self.log,
            wall_clock=clock,
            strict=settings.audit == "strict",
            allow_reads=settings.audit_allow_reads,
            redact=self.redact,
        )
