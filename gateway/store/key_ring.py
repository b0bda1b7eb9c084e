"""The keys that sign tokens, one ring for all replicas: kept in the control state, encrypted.

    next       shown to verifiers before it signs anything, so that none has to ask for it in a hurry
    current    signs
    retired    verifies until the last token that it may have signed is over

A rotation is one change of the whole ring, which every replica has or has not.
"""

import contextlib
import logging
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.intents.claims import LONGEST_INTENT
from gateway.intents.keyring import Key, KeyRing, key_of
from gateway.intents.tokens import LEEWAY
from gateway.store.control import ChangeConflict, Control
from gateway.store.errors import StoreUnavailable, StoreUnfit
from gateway.store.sealed import Seal

log = logging.getLogger(__name__)

KIND = "token_keys"
MOST_RETIRED = 16
_RING = "ring"
_RETIRED_SECONDS = LONGEST_INTENT + 2 * LEEWAY + 30
"""So long a token may live that another replica signs before it has heard of the rotation."""
_ACKNOWLEDGED_WITHIN = 1.0


class TooManyRetired(Exception):
    """So many keys still verify that no further one may be retired; the message says when one may."""


class SharedKeyRing:
    """This replica's copy of the ring.

    Args:
        seal: for the private keys.
        clock: seconds since the epoch.
        random_bytes: as `os.urandom`.
    """

    def __init__(
        self, control: Control, seal: Seal, *, clock: Callable[[], float], random_bytes: Callable[[int], bytes]
    ) -> None:
        self._control = control
        self._seal = seal
        self._clock = clock
        self._random_bytes = random_bytes
        self._keys: tuple[Key, ...] = ()
        self._ring: KeyRing | None = None
        self._until = float("inf")
        self._epoch = 0
        control.on(KIND, self._learn)

    async def begin(self) -> None:
        """Make the ring if there is none, once the control state is in step.

        Raises:
            StoreUnfit: what is kept was encrypted under another root secret.
            StoreUnavailable: Redis does not answer.
        """
        if self._control.get(KIND, _RING) is None:
            with contextlib.suppress(ChangeConflict):  # another replica was quicker; its ring is known by now
                await self._write((self._new("current"), self._new("next")), 0)
        if self._ring is None:
            raise StoreUnfit("the keys that sign tokens cannot be read: they are of another GATEWAY_SECRET")

    def ring(self) -> KeyRing:
        """The keys in force at this moment. Raises StoreUnavailable before there are any."""
        if self._ring is None:
            raise StoreUnavailable("closed", "the keys that sign tokens are not known", sent=False)
        if self._clock() >= self._until:
            self._use(self._keys)
        return self._ring

    async def rotate(self) -> KeyRing:
        """From now on the next key signs, on every replica, and there is a new next one.

        Raises TooManyRetired, ChangeConflict: another rotation was quicker; StoreUnavailable.
        """
        now, kept = self._clock(), []
        for key in self.ring().keys:
            if key.state == "next":
                kept.append(Key(key.kid, key.private, key.public, "current"))
            else:
                until = key.until if key.until is not None else now + _RETIRED_SECONDS
                kept.append(Key(key.kid, key.private, key.public, "retired", until))
        retired = [key.until or 0.0 for key in kept if key.state == "retired"]
        if len(retired) > MOST_RETIRED:
            raise TooManyRetired(
                f"{MOST_RETIRED} retired keys still verify; the first ends in {min(retired) - now:.0f} s"
            )
        epoch = await self._write((*kept, self._new("next")), self._epoch)
        with contextlib.suppress(StoreUnavailable):  # it is written; who has not heard of it polls
            await self._control.acknowledged(epoch, _ACKNOWLEDGED_WITHIN)
        return self.ring()

    def _new(self, state: str) -> Key:
        return key_of(Ed25519PrivateKey.from_private_bytes(self._random_bytes(32)), state)

    async def _write(self, keys: tuple[Key, ...], expected: int) -> int:
        return await self._control.change(KIND, _RING, {"keys": [self._sealed(key) for key in keys]}, expected=expected)

    def _sealed(self, key: Key) -> dict[str, Any]:
        assert key.private is not None
        sealed = self._seal.seal(key.private.private_bytes_raw(), key.kid)
        return {"kid": key.kid, "state": key.state, "until": key.until, "sealed": sealed}

    def _learn(self, id: str, data: dict[str, Any], epoch: int) -> None:
        keys = []
        for member in data["keys"]:
            try:
                raw = self._seal.open(member["sealed"], member["kid"])
            except ValueError as error:
                log.error("the keys that sign tokens stay as they were: they cannot be read: %s", error)
                return
            keys.append(key_of(Ed25519PrivateKey.from_private_bytes(raw), member["state"], member["until"]))
        self._keys, self._epoch = tuple(keys), epoch
        self._use(self._keys)

    def _use(self, keys: tuple[Key, ...]) -> None:
        now = self._clock()
        self._keys = tuple(key for key in keys if key.until is None or key.until > now)
        self._until = min((key.until for key in self._keys if key.until is not None), default=float("inf"))
        self._ring = KeyRing(self._keys)
