"""What one exchange may use, and with that what it asks of each bound that holds for it."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.policy.claim import Claim
from gateway.policy.plan import Holding


@dataclass(slots=True)  # not frozen, as claims
class Demand:
    """Estimates from above.

    Attributes:
        input_tokens: of the request's text.
        answers: how many are written; 0 where none is (embeddings).
        output_tokens: in each, as far as a rate counts them in advance.
        offers_tools: whether the answer may hold tool calls.
        conversation: None where a request belongs to none.
        fixed_cost, token_cost: nanodollars whatever is written, and for each token written in one answer.
    """

    input_tokens: int = 0
    answers: int = 0
    output_tokens: int = 0
    offers_tools: bool = False
    conversation: str | None = None
    fixed_cost: float = 0.0
    token_cost: float = 0.0


def claims_of(holdings: Iterable[Holding], demand: Demand) -> list[Claim]:
    """In the order of the holdings; those that cannot apply are left out."""
    claims = []
    for holding in holdings:
        bound = holding.bound
        kind = bound.kind
        measure, span = kind.measure, kind.span
        base, per = 1.0, 0.0
        if measure == "usd":
            base, per = demand.fixed_cost, demand.token_cost * demand.answers
        elif measure == "tokens" and span == "minute":
            # A maximum that no minute could hold waits for an empty one; what it really writes is counted afterwards.
            whole = demand.input_tokens + demand.output_tokens * demand.answers
            base = min(whole, max(bound.most, demand.input_tokens))
        elif measure == "tokens":
            base, per = demand.input_tokens, demand.answers
        elif measure == "tool_calls":
            if span == "conversation" and demand.conversation is None:
                continue
            base = 1.0 if demand.offers_tools else 0.0
        claims.append(Claim(bound, holding.subject, holding.document, float(base), float(per)))
    return claims
