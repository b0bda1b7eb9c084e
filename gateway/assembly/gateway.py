"""One process's gateway: its parts in order, started, kept going and stopped."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator

from gateway.assembly.immune import ImmuneSystem
from gateway.assembly.interfaces import Interfaces
from gateway.assembly.path import Path
from gateway.assembly.recording import Recording
from gateway.assembly.state import State
from gateway.edge.drain import Drain
from gateway.settings import Secrets, Settings, SettingsError
from gateway.store.schema import prepare

log = logging.getLogger("gateway")


class Gateway:
    """Everything one process serves with.

    Args:
        redis_url: where the state is; the embedded server has been started by now.
    """

    def __init__(self, settings: Settings, kept: Secrets, redis_url: str) -> None:
        self.state = State(settings, kept, redis_url)
        self.recording = Recording(settings, kept, self.state.store)
        self.path = Path(settings, kept, self.state, self.recording)
        self.immune = ImmuneSystem(settings, self.state, self.recording, self.path)
        self.telemetry = self.path.telemetry
        timeouts = self.path.timeouts
        self.drain = Drain(
            self.path.active,
            whole_seconds=timeouts.drain_whole,
            stream_seconds=timeouts.drain_stream,
            clock=time.monotonic,
        )
        self._started = False
        interfaces = self._interfaces = Interfaces(
            settings,
            kept,
            self.state,
            self.recording,
            self.path,
            self.immune.healing,
            ready=self._ready,
            stopping=lambda: self.drain.draining,
        )
        self.listeners = interfaces.listeners

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Prepare the store and keep the duties going for the length of the block."""
        try:
            await self.path.client.prepare([*self.path.providers.by_name.values(), *self.path.mcp.providers])
        except ValueError as error:
            raise SettingsError([str(error)]) from None
        for warning in (await prepare(self.state.store)).warnings:
            log.warning("%s", warning)
        await self.recording.keeper.begin()
        await self.state.control.begin()
        await self.state.token_keys.begin()
        duties = [
            asyncio.create_task(duty)
            for duty in (
                *self.state.duties(),
                self.recording.keeper.run(),
                *self.path.duties(),
                *self.immune.duties(),
                *self._interfaces.duties(),
            )
        ]
        self._started = True
        try:
            yield
        finally:
            self._started = False
            for duty in duties:
                duty.cancel()
            await asyncio.gather(*duties, return_exceptions=True)
            await self.recording.keeper.end()
            await self.path.client.close()
            await self.state.store.close()

    def use(self, settings: Settings, kept: Secrets) -> None:
        """From now on these providers, prices, policies, webhooks and keys, and the certificate's files read again; all
        else stays as it was started.

        Raises SettingsError, and then nothing has changed.
        """
        self.path.use(settings, kept)
        self.state.use(settings)
        self.immune.use(settings)
        self._interfaces.use(kept)

    def _ready(self) -> bool:
        return self._started and not self.drain.draining and not self.path.guard.fenced
