"""The key that signs the audit record, where no file gives one: made once, kept encrypted, shared by all replicas."""

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.store.connection import Connection
from gateway.store.errors import StoreUnfit
from gateway.store.sealed import Seal

_PURPOSE = "signing key"


async def shared_signing_key(
    connection: Connection, root: bytes, random_bytes: Callable[[int], bytes]
) -> Ed25519PrivateKey:
    """The deployment's key; the first who asks makes it.

    Args:
        root: the deployment's root secret. random_bytes: as `os.urandom`.

    Raises:
        StoreUnfit: what is kept was encrypted under another root secret.
        StoreUnavailable: Redis does not answer.
    """
    seal = Seal(root, _PURPOSE, random_bytes)
    key = connection.keys.signing_key
    kept = await connection.execute("GET", key)
    if kept is None:
        await connection.execute("SET", key, seal.seal(random_bytes(32), _PURPOSE), "NX")
        kept = await connection.execute("GET", key)
    try:
        return Ed25519PrivateKey.from_private_bytes(seal.open(kept.decode(), _PURPOSE))
    except ValueError as error:
        raise StoreUnfit(f"the key that signs the audit record cannot be read: {error}") from None


async def keep_signing_key(
    connection: Connection, root: bytes, random_bytes: Callable[[int], bytes], key: Ed25519PrivateKey
) -> bool:
    """Put the deployment's key back where Redis has lost it; whether it had. Raises StoreUnavailable."""
    sealed = Seal(root, _PURPOSE, random_bytes).seal(key.private_bytes_raw(), _PURPOSE)
    return await connection.execute("SET", connection.keys.signing_key, sealed, "NX") is not None


def read_signing_key(pem: bytes) -> Ed25519PrivateKey:
    """A key from a file. Raises ValueError if it is no unencrypted Ed25519 key."""
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        raise ValueError("is not a private key in PEM without a password") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("is not an Ed25519 key")
    return key
