"""`sum_max`: what an agent's allowed calls may add up to in a period."""

import math
from typing import Any

from gateway.policy.constraints.scope import Holds, Scope, Where
from gateway.policy.verdict import Count


def count_of(wanted: dict[str, Any], where: Where) -> Count:
    """What is counted, without an amount."""
    key = f"{where.document}:sum:{where.tool}:{where.argument}"
    rule = f"{where.document}/tools/{where.tool}/{where.argument}"
    period = str(wanted["per"])
    reason = f"argument `{where.argument}` adds up to more than {wanted['value']} a {period}"
    return Count(key, 0.0, float(wanted["value"]), period, rule, reason)


def make(wanted: dict[str, Any], where: Where) -> Holds:
    """Several amounts in one call, as in a list, are added up. An amount below zero would buy room for others."""
    count = count_of(wanted, where)
    most = count.limit if count.limit is not None else math.inf
    phrase = f"adds up to more than {wanted['value']} a {count.period}"

    def holds(value: Any, scope: Scope) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e300:
            return "is not a number from 0 up"
        if scope.facts.proposed:
            return None  # it was counted then
        if scope.facts.memory is None:
            return "cannot be added up now"
        here = sum(other.amount for other in scope.counts if other.key == count.key)
        if scope.facts.memory.spent(count.key) + here + value > most:
            return phrase
        scope.counts.append(Count(count.key, float(value), count.limit, count.period, count.rule, count.reason))
        return None

    return holds
