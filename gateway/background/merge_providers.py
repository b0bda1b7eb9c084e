"""Keeps the providers of the settings and those made over the API together, as either changes."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.store.providers import MadeProvider, MadeProviders
from gateway.upstream.providers import Provider, Providers

log = logging.getLogger(__name__)

Build = Callable[[Sequence[Provider]], Providers]
"""All providers, given those made over the API."""
Make = Callable[[MadeProvider], Provider]
"""Raises ValueError for a definition that cannot work."""


class MergeProviders:
    """Publishes a new `Providers` after every change. What is configured wins over what was made with the same name.

    Args:
        publish: takes the providers in force.
    """

    def __init__(self, made: MadeProviders, build: Build, make: Make, publish: Callable[[Providers], None]) -> None:
        self._made = made
        self._publish = publish
        self.use(build, make)
        made.on_change(self._merge)

    def use(self, build: Build, make: Make) -> None:
        """From now on these settings."""
        self._build, self.make = build, make
        self._merge()

    def _merge(self) -> None:
        configured = self._build(()).by_name
        added = []
        for made in self._made.all():
            if made.name in configured:
                log.warning("provider %s is in the settings now; the one made over the API is not used", made.name)
                continue
            try:
                # Whoever may add a provider must not thereby be sent every caller's own key.
                added.append(replace(self.make(made), may_be_default=False))
            except ValueError as error:
                log.error("a provider made over the API is not used: %s", error)
        self._publish(self._build(added))
