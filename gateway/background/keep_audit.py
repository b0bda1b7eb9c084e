"""The duties about the audit record of this process: begin it under the deployment's key, keep it going,
bring it to Redis, let go of what is too old."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.background.ship_audit import ShipAudit
from gateway.ledger.note import Signer, verifier_key
from gateway.model.audit import AuditEntry
from gateway.spool.audit import Audit
from gateway.spool.check import Report, verify_all
from gateway.spool.disk import Disk
from gateway.spool.errors import AuditUnavailable
from gateway.spool.proof import Proof, prove
from gateway.spool.trim import Trimmer
from gateway.store.audit_copy import AuditCopy
from gateway.store.connection import Connection
from gateway.store.errors import StoreError, StoreUnavailable, StoreUnfit
from gateway.store.signing_key import keep_signing_key, read_signing_key, shared_signing_key

log = logging.getLogger(__name__)

PUBLIC_KEY = "public_key"
_TRIM_SECONDS = 3600.0
_KEY_SECONDS = 10.0
_SIGNED_SECONDS = 10.0
_SIGNED_TRIES = 100
_UNTOLD_SECONDS = 60.0
_LAST_WORDS = 1.0  # seconds for shipping what is left at the end; the next start ships what is left of that


class KeepAudit:
    """Opens, runs and closes the record.

    Args:
        deployment: the name that checkpoints are signed under.
        root: the deployment's root secret. random_bytes: as `os.urandom`.
        key_file: of the signing key; without it, the one that replicas share in Redis.
        life: seconds that records are kept, here and in Redis. clock: seconds since the epoch.
    """

    def __init__(
        self,
        audit: Audit,
        connection: Connection,
        *,
        deployment: str,
        root: bytes,
        random_bytes: Callable[[int], bytes],
        clock: Callable[[], float],
        life: float,
        key_file: Path | None = None,
    ) -> None:
        self.audit = audit
        self.copy = AuditCopy(connection, clock=clock, life=life)
        self.ship = ShipAudit(audit, self.copy)
        self._connection = connection
        self._deployment = deployment
        self._root = root
        self._random_bytes = random_bytes
        self._key_file = key_file
        self._clock = clock
        self._life = life
        # Threads of its own: those of the loop look up the names of providers, and many may ask for proofs at once.
        self._threads = ThreadPoolExecutor(2, "proofs")
        self._verifying: asyncio.Task[Report] | None = None
        self._untold_until = 0.0
        self._shared: Ed25519PrivateKey | None = None

    async def begin(self) -> None:
        """Begin a chain.

        Raises:
            StoreUnfit: there is no signing key to use, or the record cannot be kept in its directory.
        """
        key = await self._key()
        self.audit.signer = signer = Signer(self._deployment, key)
        self._shared = key if self._key_file is None else None
        try:
            await asyncio.to_thread(self.audit.open)
            # For people who verify; whoever can change the record can change this file, so it proves nothing by itself.
            public = verifier_key(signer.deployment, signer.public_key) + "\n"
            await asyncio.to_thread(_publish, self.audit.root, public)
        except OSError as error:
            raise StoreUnfit(
                f"{self.audit.root}: the audit record cannot be kept there: {error.strerror}; see GATEWAY_DATA_DIR"
            ) from None

    @property
    def public_key(self) -> str:
        """What checkpoints are verified with, once the record is open."""
        signer = self.audit.signer
        return "" if signer is None else verifier_key(signer.deployment, signer.public_key)

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.gather(self.audit.run(), self.ship.run(), self._trim_now_and_then(), self._keep_key())

    async def end(self) -> None:
        """Close the chain, and ship what is left if that is quickly done."""
        await self.audit.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
        with contextlib.suppress(StoreError, OSError, TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                await self.ship.ship()

    async def trim(self) -> int:
        """Let go of records that are too old; how many. Raises OSError, AuditUnavailable, StoreError."""
        signer, loop = self.audit.signer, asyncio.get_running_loop()
        assert signer is not None, "the record is open"

        def say(entry: AuditEntry) -> None:
            asyncio.run_coroutine_threadsafe(self._say(entry), loop).result()

        trimmer = Trimmer(self.audit.root, signer, Disk(), say, clock=self._clock, life=self._life)
        gone = await asyncio.to_thread(trimmer.trim, self.audit.chain)
        await self.copy.forget()
        return gone

    async def verify(self) -> Report:
        """Check the chains of this machine, with the checkpoints that Redis has if it answers. It takes a while where
        much is kept: whoever asks meanwhile, or soon again if nobody waited for it, is told what comes of it."""
        clock = asyncio.get_running_loop().time
        if self._verifying is None or (self._verifying.done() and clock() >= self._untold_until):
            self._verifying = asyncio.create_task(self._verified())
        report = await asyncio.shield(self._verifying)
        self._untold_until = 0.0
        return report

    async def _verified(self) -> Report:
        signer = self.audit.signer
        assert signer is not None, "the record is open"
        kept: list[str] = []
        with contextlib.suppress(StoreUnavailable):  # then the ends of chains are held by less
            kept = [head.note for head in await self.copy.heads()]
        place, own, loop = self.audit.root, self.audit.chain, asyncio.get_running_loop()
        report = await loop.run_in_executor(
            self._threads, lambda: verify_all(place, signer.deployment, signer.public_key, kept, own=own)
        )
        self._untold_until = loop.time() + _UNTOLD_SECONDS
        return report

    async def prove(self, chain: str, seq: int) -> Proof:
        """As `spool.proof.prove`."""
        signer = self.audit.signer
        assert signer is not None, "the record is open"
        place, name, key = self.audit.root / chain, signer.deployment, signer.public_key
        return await asyncio.get_running_loop().run_in_executor(self._threads, prove, place, seq, name, key)

    async def _say(self, entry: AuditEntry) -> None:
        """Until it is signed: nobody believes an unsigned record that others were let go of."""
        entry_id = self.audit.append(entry)
        await self.audit.durable(entry_id)
        for _ in range(_SIGNED_TRIES):
            if self.audit.signed > int(entry_id.rpartition("/")[2]):
                return
            await asyncio.sleep(_SIGNED_SECONDS / _SIGNED_TRIES)
        raise AuditUnavailable("The audit record is not signed.")

    async def _trim_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(_TRIM_SECONDS)
            try:
                await self.trim()
            except (OSError, AuditUnavailable, StoreError) as error:
                log.warning("Old records are not let go of: %s", error)

    async def _keep_key(self) -> None:
        """Else the next start after Redis came back empty signed with another key, and older records looked forged."""
        while self._shared is not None:
            await asyncio.sleep(_KEY_SECONDS)
            with contextlib.suppress(StoreError):
                if await keep_signing_key(self._connection, self._root, self._random_bytes, self._shared):
                    log.warning("Redis had lost the key that signs the audit record; it has it again")

    async def _key(self) -> Ed25519PrivateKey:
        if self._key_file is None:
            return await shared_signing_key(self._connection, self._root, self._random_bytes)
        try:
            return read_signing_key(await asyncio.to_thread(self._key_file.read_bytes))
        except (OSError, ValueError) as error:
            raise StoreUnfit(f"GATEWAY_SIGNING_KEY_FILE: {self._key_file} {error}") from None


def _publish(directory: Path, public: str) -> None:
    """Say the public key in a file, and keep that of before beside it: what it signed verifies with nothing else."""
    path = directory / PUBLIC_KEY
    before = path.read_text() if path.exists() else public
    if before != public and before.count("+") >= 2:  # else a worker beside this one is just writing it
        older = directory / f"{PUBLIC_KEY}.{before.split('+')[1]}"
        older.write_text(before)
        log.warning("The record is signed with another key than before; what is older verifies with that of %s", older)
    path.write_text(public)
