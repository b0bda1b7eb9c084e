"""rewrite: the few changes a request may undergo. Only the named members differ from what was received."""

from collections.abc import Callable

from gateway.model.exchange import Exchange
from gateway.wire import DIALECTS
from gateway.wire.edit import include_usage
from gateway.wire.output_cap import cap_output, member_for


class Rewrite:
    """Lets no answer grow beyond what is set aside for it, and asks a streaming provider for the usage chunk, so that
    tokens are counted and not guessed.

    `inspect` takes out of the answer what the caller did not ask for.

    Args:
        is_openai: whether an exchange goes to OpenAI itself and not to a server that is compatible with it.
    """

    def __init__(self, is_openai: Callable[[Exchange], bool] = lambda exchange: False) -> None:
        self._is_openai = is_openai

    def __call__(self, exchange: Exchange) -> None:
        ask, dialect = exchange.ask, exchange.route.dialect
        if ask is None or dialect is None:
            return
        body = exchange.plain
        if exchange.output_cap is not None:
            member = member_for(dialect, exchange.route.deployment or ask.model, openai=self._is_openai(exchange))
            body = cap_output(body, ask.document, dialect, exchange.output_cap, member)
        if ask.stream and DIALECTS[dialect].injects_usage:
            edited = include_usage(body, ask.document)
            if edited is not None:
                body, exchange.strips_usage = edited, True
        if body is not exchange.plain:
            exchange.body = body
            exchange.changed = True
