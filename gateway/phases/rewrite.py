"""rewrite: the few changes a request may undergo. Only the named members differ from what was received."""

from collections.abc import Callable

from gateway.model.ask import Ask
from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from gateway.phases.judged_call import Judgement
from gateway.policy.secrets import LEFT_ALONE, redact
from gateway.wire import DIALECTS
from gateway.wire.cover_secrets import cover_secrets
from gateway.wire.edit import include_usage
from gateway.wire.output_cap import cap_output, member_for
from gateway.wire.owed_results import add_results
from gateway.wire.strict_json import loads
from gateway.wire.strip_tools import strip_tools


class Rewrite:
    """Lets no answer grow beyond what is set aside for it, and asks a streaming provider for the usage chunk, so that
    tokens are counted and not guessed. Takes out what policies say a model may not see, and adds what a provider waits
    for.

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
        if exchange.owed:
            body = add_results(body, ask, dialect, exchange.owed)
        if isinstance(exchange.judgement, Judgement):
            body = _judged(body, ask, dialect, exchange.judgement)
        if ask.stream and DIALECTS[dialect].injects_usage:
            edited = include_usage(body, ask.document)
            if edited is not None:
                body, exchange.strips_usage = edited, True
        if body is not exchange.plain:
            exchange.body = body
            exchange.changed = True


def _judged(body: bytes, ask: Ask, dialect: str, judgement: Judgement) -> bytes:
    """What may go to the model of a request. Raises Refusal where that cannot be taken apart."""
    if judgement.redact:
        body = cover_secrets(body, ask.document, redact, LEFT_ALONE)
    if not judgement.strip:
        return body
    body = strip_tools(body, ask, judgement.strip)
    left = {tool.name for tool in DIALECTS[dialect].read_request(loads(body)).tools}.intersection(judgement.strip)
    if left:
        raise Refusal(
            "policy_denied",
            f"The request offers the tool {min(left)!r:.80}, which no policy allows, where it cannot be taken out.",
        )
    return body
