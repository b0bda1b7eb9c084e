"""The public keys, as anybody reads them."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.edge.jwks import JWKS, PATH
from gateway.intents.keyring import KeyRing, key_of
from gateway.store.errors import StoreUnavailable

RING = KeyRing([key_of(Ed25519PrivateKey.generate(), state) for state in ("current", "next", "retired")])


async def asked(app: JWKS, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    await app({"type": "http", "method": method, "path": PATH, "headers": pairs}, receive, send)
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}, sent[1]["body"]


async def test_every_key_in_force_is_shown_and_nothing_private() -> None:
    status, headers, body = await asked(JWKS(lambda: RING))
    assert status == 200 and headers["content-type"] == "application/jwk-set+json"
    keys = json.loads(body)["keys"]
    assert [key["kid"] for key in keys] == [key.kid for key in RING.keys]
    assert all("d" not in key and key["kty"] == "OKP" for key in keys)


async def test_who_has_them_already_gets_them_only_when_they_change() -> None:
    _, headers, _ = await asked(JWKS(lambda: RING))
    status, again, body = await asked(JWKS(lambda: RING), if_none_match=headers["etag"])
    assert (status, body) == (304, b"") and again["etag"] == headers["etag"]
    other = KeyRing([key_of(Ed25519PrivateKey.generate())])
    assert (await asked(JWKS(lambda: other), if_none_match=headers["etag"]))[0] == 200


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS"])
async def test_they_are_only_read(method: str) -> None:
    status, headers, _ = await asked(JWKS(lambda: RING), method)
    assert (status, headers["allow"]) == (405, "GET, HEAD")


async def test_the_head_says_how_long_they_may_be_kept() -> None:
    status, headers, body = await asked(JWKS(lambda: RING), "HEAD")
    assert (status, body, headers["cache-control"]) == (200, b"", "public, max-age=300")


async def test_before_there_are_any_nobody_keeps_the_answer() -> None:
    def none() -> KeyRing:
        raise StoreUnavailable("closed")

    status, headers, _ = await asked(JWKS(none))
    assert (status, headers["cache-control"]) == (503, "no-store")
