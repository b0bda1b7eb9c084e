"""keep_audit: the duties about the audit record of this process: begin it under the deployment's key, keep it going."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.ledger.note import Signer, verifier_key
from gateway.spool.audit import Audit
from gateway.store.connection import Connection
from gateway.store.errors import StoreUnfit
from gateway.store.signing_key import read_signing_key, shared_signing_key

log = logging.getLogger(__name__)

PUBLIC_KEY = "public_key"


class KeepAudit:
    """Opens, runs and closes the record.

    Args:
        deployment: the name that checkpoints are signed under.
        root: the deployment's root secret. random_bytes: as `os.urandom`.
        key_file: of the signing key; without it, the one that replicas share in Redis.
    """

    def __init__(
        self,
        audit: Audit,
        connection: Connection,
        *,
        deployment: str,
        root: bytes,
        random_bytes: Callable[[int], bytes],
        key_file: Path | None = None,
    ) -> None:
        self.audit = audit
        self._connection = connection
        self._deployment = deployment
        self._root = root
        self._random_bytes = random_bytes
        self._key_file = key_file

    async def begin(self) -> None:
        """Begin a chain.

        Raises:
            StoreUnfit: there is no signing key to use, or the record cannot be kept in its directory.
        """
        self.audit.signer = signer = Signer(self._deployment, await self._key())
        try:
            await asyncio.to_thread(self.audit.open)
            # For people who verify; whoever can change the record can change this file, so it proves nothing by itself.
            public = verifier_key(signer.deployment, signer.public_key) + "\n"
            await asyncio.to_thread(self.audit.root.joinpath(PUBLIC_KEY).write_text, public)
        except OSError as error:
            raise StoreUnfit(
                f"{self.audit.root}: the audit record cannot be kept there: {error.strerror}; see GATEWAY_DATA_DIR"
            ) from None

    async def run(self) -> None:
        """Until cancelled."""
        await self.audit.run()

    async def end(self) -> None:
        """Close the chain."""
        await self.audit.close()

    async def _key(self) -> Ed25519PrivateKey:
        if self._key_file is None:
            return await shared_signing_key(self._connection, self._root, self._random_bytes)
        try:
            return read_signing_key(await asyncio.to_thread(self._key_file.read_bytes))
        except (OSError, ValueError) as error:
            raise StoreUnfit(f"GATEWAY_SIGNING_KEY_FILE: {self._key_file} {error}") from None
