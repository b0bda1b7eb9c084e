"""One key for all replicas, unreadable without the root secret."""

import asyncio
import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.store.connection import Connection
from gateway.store.errors import StoreUnfit
from gateway.store.signing_key import keep_signing_key, read_signing_key, shared_signing_key

ROOT = b"root-Hs5uPb2MdEf9GtXo"


async def test_replicas_that_start_together_share_the_key_and_so_does_a_later_one(redis_url: str) -> None:
    connections = [Connection(redis_url) for _ in range(3)]
    keys = await asyncio.gather(*(shared_signing_key(each, ROOT, os.urandom) for each in connections))
    assert len({key.private_bytes_raw() for key in keys}) == 1
    kept = await connections[0].execute("GET", connections[0].keys.signing_key)
    assert keys[0].private_bytes_raw() not in kept
    with pytest.raises(StoreUnfit, match="GATEWAY_SECRET"):
        await shared_signing_key(connections[0], b"another-root-secret", os.urandom)
    for each in connections:
        await each.close()


async def test_a_key_that_is_lost_is_put_back_and_one_that_is_there_is_left_alone(redis_url: str) -> None:
    connection = Connection(redis_url)
    key = await shared_signing_key(connection, ROOT, os.urandom)
    assert not await keep_signing_key(connection, ROOT, os.urandom, Ed25519PrivateKey.generate())
    await connection.execute("DEL", connection.keys.signing_key)
    assert await keep_signing_key(connection, ROOT, os.urandom, key)
    again = await shared_signing_key(connection, ROOT, os.urandom)
    assert again.private_bytes_raw() == key.private_bytes_raw()
    await connection.close()


def test_a_file_gives_an_ed25519_key_and_nothing_else() -> None:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert read_signing_key(pem).private_bytes_raw() == key.private_bytes_raw()
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for wrong in (other, b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"):
        with pytest.raises(ValueError, match="is not"):
            read_signing_key(wrong)
