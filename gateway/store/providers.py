"""Providers that operators made over the API, on every replica alike; their keys lie in the store encrypted."""

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.store.control import Control
from gateway.store.errors import StoreUnavailable
from gateway.store.sealed import Seal

log = logging.getLogger(__name__)

MOST = 200
_KIND = "provider"
_ACKNOWLEDGED_WITHIN = 1.0


@dataclass(frozen=True, slots=True)
class MadeProvider:
    """A definition as the API took it."""

    name: str
    url: str
    dialect: str = "openai"
    models: tuple[str, ...] = ()
    api_key: str | None = field(default=None, repr=False)


class MadeProviders:
    """Kept in the control state, so that none is lost with a Redis that comes back empty.

    Args:
        seal: for the keys.
    """

    def __init__(self, control: Control, seal: Seal) -> None:
        self._control = control
        self._seal = seal
        self._known: dict[str, MadeProvider] = {}
        self._listeners: list[Callable[[], None]] = []
        control.on(_KIND, self._learn)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Have `listener` called, in memory, after every change."""
        self._listeners.append(listener)

    def all(self) -> list[MadeProvider]:
        """In the order of names."""
        return [self._known[name] for name in sorted(self._known)]

    def get(self, name: str) -> MadeProvider | None:
        return self._known.get(name)

    async def put(self, provider: MadeProvider) -> None:
        """Make it, on every replica within a second. Raises StoreUnavailable, ChangeConflict."""
        key = provider.api_key
        data = {
            "url": provider.url,
            "dialect": provider.dialect,
            "models": provider.models,
            "api_key": None if key is None else self._seal.seal(key.encode(), _context(provider)),
        }
        await self._change(provider.name, data)

    async def drop(self, name: str) -> None:
        """Nothing happens if there is none. Raises StoreUnavailable, ChangeConflict."""
        if name in self._known:
            await self._change(name, {})

    async def _change(self, name: str, data: dict[str, Any]) -> None:
        before = self._control.get(_KIND, name)
        epoch = await self._control.change(_KIND, name, data, expected=before[1] if before else 0)
        with contextlib.suppress(StoreUnavailable):  # it is written; who has not heard of it polls
            await self._control.acknowledged(epoch, _ACKNOWLEDGED_WITHIN)

    def _learn(self, name: str, data: dict[str, Any], epoch: int) -> None:
        self._known.pop(name, None)
        if data:
            try:
                self._known[name] = self._read(name, data)
            except ValueError as error:
                log.error("provider %s is not used: its key cannot be read: %s", name, error)
        for listener in self._listeners:
            listener()

    def _read(self, name: str, data: dict[str, Any]) -> MadeProvider:
        made = MadeProvider(name, data["url"], data["dialect"], tuple(data["models"]))
        if data["api_key"] is None:
            return made
        key = self._seal.open(data["api_key"], _context(made)).decode()
        return MadeProvider(name, made.url, made.dialect, made.models, key)


def _context(provider: MadeProvider) -> str:
    """A key is for one address: whoever can write to Redis cannot have it sent to another one."""
    return f"{provider.name} {provider.url}"
