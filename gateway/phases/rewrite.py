"""rewrite: the few changes a request may undergo. Only the named members differ from what was received."""

from gateway.model.exchange import Exchange
from gateway.wire import DIALECTS
from gateway.wire.edit import include_usage


class Rewrite:
    """Asks a streaming provider for the usage chunk, so that tokens are counted and not guessed.

    `inspect` takes out of the answer what the caller did not ask for.
    """

    def __call__(self, exchange: Exchange) -> None:
        ask = exchange.ask
        dialect = exchange.route.dialect
        if ask is None or dialect is None or not ask.stream or not DIALECTS[dialect].injects_usage:
            return
        edited = include_usage(exchange.plain, ask.document)
        if edited is not None:
            exchange.body = edited
            exchange.changed = exchange.strips_usage = True
